"""`demoscope export`: its arguments. Imports are light: every command's parser is made at start."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from app.export_formats import FORMATS


def add_parser(commands: Any) -> None:
    """Declare the command."""
    one = commands.add_parser(
        "export",
        help="write files that other programs open: Rerun recordings",
        description="Writes one file per subtask, with pictures, results and layout. Results come "
        "from the cache or are computed. What is in a recording: docs/export.md.",
    )
    one.add_argument("dataset", help="a dataset; DATASET#EPISODE exports that episode")
    one.add_argument(
        "--format", choices=sorted(FORMATS), default="rrd", help="of the files (default: rrd)"
    )
    one.add_argument("--episodes", help="e.g. 0,2-5; default: all that are present")
    one.add_argument("--subtasks", help="e.g. 1,3-4, counted from 1; default: all")
    one.add_argument(
        "--out",
        type=Path,
        default=Path(),
        metavar="FOLDER|FILE",
        help="where files go; a name with the format's ending is the one file (default: here)",
    )
    one.add_argument("--force", action="store_true", help="replace files that are there")
    one.add_argument(
        "--every-frame",
        action="store_true",
        help="every picture of the results' camera, not only those of the tracked frames",
    )
    one.add_argument("--camera", help="camera key; default: chosen by the pipeline")
    one.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.OPTION=VALUE",
        help="change an option, may be repeated",
    )
    one.add_argument(
        "--profile", choices=["embedded", "models"], help="backends of all stages at once"
    )
    one.add_argument("--options", type=Path, metavar="FILE", help="options of all stages")
    one.add_argument("--no-cache", action="store_true", help="compute everything again")
    one.add_argument("--no-edits", action="store_true", help="ignore human corrections")
    one.add_argument(
        "--jobs", type=_jobs, default=1, metavar="N", help="processes side by side (default: 1)"
    )
    one.add_argument("--json", action="store_true", help="machine-readable")


def export(arguments: argparse.Namespace) -> int:
    """Run the command; 0 if everything was written, 1 otherwise."""
    # lazy: the pipeline
    from app.export_run import run_export

    return run_export(arguments)


def _jobs(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 64:
        raise argparse.ArgumentTypeError("expected 1 to 64")
    return number
