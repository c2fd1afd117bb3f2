"""`demoscope evaluate`: how right predictions are, and what their scores are worth."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.model.problem import DataError


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "evaluate",
        help="how right predictions are, and what their scores are worth",
    )
    parser.set_defaults()


def evaluate(options: argparse.Namespace) -> int:
    """Run the command; 0 on success."""
    raise DataError("not_built", "this command is not built yet")
