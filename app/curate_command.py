"""`demoscope curate`: the curation window on the annotations of a dataset."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from app.arguments import parse_size
from app.terminal import fail
from pipeline.model.problem import DataError

PAGES = ("threshold", "failures", "sensitivity", "spot_check", "annotate", "captions")
_RUN_FILES = ("annotations.parquet", "run.json", "parts")


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "curate",
        help="choose the reliability threshold of a dataset in a window",
        description="Shows how many annotations a threshold keeps, how right they are, and who "
        "enters and leaves while threshold and weights move. What every part means: "
        "docs/curation.md.",
    )
    parser.add_argument(
        "path",
        type=Path,
        help="a dataset (its newest batch run), the folder of a run, or annotations (.jsonl, "
        ".parquet)",
    )
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="ground truth; default: beside the dataset"
    )
    parser.add_argument("--dataset", type=Path, help="root of the dataset, if PATH is a file")
    parser.add_argument("--theme", choices=["dark", "light", "system"], help="colours")
    drawn = parser.add_argument_group("a picture of the window, without a display")
    drawn.add_argument("--out", type=Path, metavar="FILE.png", help="draw it and leave")
    drawn.add_argument("--size", default="1280x800", help="WIDTHxHEIGHT")
    drawn.add_argument("--page", choices=PAGES, default=PAGES[0], help="tab (default: threshold)")
    drawn.add_argument(
        "--target", type=float, metavar="PRECISION", help="precision that the threshold follows"
    )


def places(path: Path, dataset: Path | None = None) -> tuple[Path | None, Path | None]:
    """Tell annotations from a dataset.

    Args:
        path: File of annotations, folder of a batch run, or root of a dataset.
        dataset: Root of the dataset, if it was named.

    Returns:
        Annotations (None: the newest run of the dataset) and dataset (None: they say it).

    Raises:
        DataError: There is nothing.
    """
    path = path.expanduser()
    if not path.exists():
        raise DataError("not_found", f"{path} is neither a dataset nor a file of annotations.")
    is_run = path.is_dir() and any((path / name).exists() for name in _RUN_FILES)
    if is_run or (path.is_file() and path.suffix in (".jsonl", ".parquet")):
        return path, dataset
    return None, path


def curate(options: argparse.Namespace) -> int:
    """Run the command; 0 on success."""
    path, dataset = places(options.path, options.dataset)
    if options.truth is not None and not options.truth.is_file():
        return fail(f"{options.truth}: there is no such file of ground truth")
    if options.out is not None:
        from app.curation_picture import curation_picture

        return curation_picture(
            options.path,
            options.out,
            parse_size(options.size),
            options.theme or "dark",
            dataset=options.dataset,
            truth=options.truth,
            target=options.target,
            page=options.page,
        )
    from app.window_run import has_display, make_application, make_window

    if not has_display() and os.environ.get("QT_QPA_PLATFORM", "") not in ("offscreen", "minimal"):
        return fail("there is no display; “demoscope evaluate” prints the figures of annotations")
    application = make_application()
    # The main window stays hidden until an annotation is opened in it.
    main = make_window(options.theme)
    main.handlers.dataset.open_curation(path, dataset, options.truth)
    code = application.exec()
    main.close()
    return code
