"""`demoscope diagnose`: which stage failed first, over a dataset."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.model.problem import DataError


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "diagnose",
        help="which stage failed first, by stage and code",
    )
    parser.set_defaults()


def diagnose(options: argparse.Namespace) -> int:
    """Run the command; 0 on success."""
    raise DataError("not_built", "this command is not built yet")
