"""`demoscope demo`: the main job on the sample dataset, with or without a display."""

from __future__ import annotations

from pathlib import Path

from app.settings import sample_dataset
from app.terminal import note, say


def run_demo(out: Path, *, offscreen: bool) -> int:
    """Open the window on the sample; without a display leave files instead.

    Args:
        out: Folder for annotations, screenshot and summary.
        offscreen: Leave files even if there is a display.
    """
    from app.window_run import has_display, open_window

    sample = sample_dataset()
    if has_display() and not offscreen:
        return open_window(str(sample), None)
    if not offscreen:
        note("There is no display: running the same thing offscreen.")
    from app.annotate_command import annotate
    from app.cli import build_parser
    from app.screenshot import screenshot
    from app.summary import write_summary

    out.mkdir(parents=True, exist_ok=True)
    predictions = out / "annotations.jsonl"
    words = ["annotate", str(sample), "--predictions", str(predictions), "--no-edits"]
    code = annotate(build_parser().parse_args(words))
    for theme in ("dark", "light"):
        code |= screenshot(str(sample), 0, 95, out / f"window-{theme}.png", (1600, 1000), theme)
    page = write_summary(sample, predictions, out)
    say(f"{predictions}\n{page}")
    return code
