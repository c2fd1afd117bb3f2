"""`demoscope spot-check`: a sample of annotations to judge, and its report."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.model.problem import DataError


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "spot-check",
        help="sample annotations to judge by eye, and report the precision",
    )
    parser.set_defaults()


def spot_check(options: argparse.Namespace) -> int:
    """Run the command; 0 on success."""
    raise DataError("not_built", "this command is not built yet")
