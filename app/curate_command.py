"""`demoscope curate`: the curation window on the annotations of a dataset."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.model.problem import DataError


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "curate",
        help="choose the reliability threshold of a dataset in a window",
    )
    parser.set_defaults()


def curate(options: argparse.Namespace) -> int:
    """Run the command; 0 on success."""
    raise DataError("not_built", "this command is not built yet")
