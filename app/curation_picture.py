"""The curation window, drawn to a picture without a display."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from app.curate_command import places
from app.screenshot import wait_until
from app.terminal import fail, say

if TYPE_CHECKING:
    from app.curation_window import CurationWindow

_READ_MS = 120_000
_BAND_MS = 20_000
_PICTURES_MS = 15_000


def curation_picture(
    path: Path,
    out: Path,
    size: tuple[int, int],
    theme: str,
    *,
    dataset: Path | None = None,
    truth: Path | None = None,
    target: float | None = None,
    page: str = "threshold",
) -> int:
    """Read annotations, draw the curation window and save it.

    Args:
        path: Dataset, folder of a batch run or file of annotations.
        out: PNG file.
        size: Width and height, pixels.
        theme: `dark` or `light`.
        dataset: Root of the dataset, None if the annotations say it.
        truth: File of ground truth, None for what lies beside the dataset.
        target: Precision that the threshold follows; None: it drops the lowest fifth.
        page: Tab, see `CurationWindow.show_page`.

    Returns:
        0, or 1 after one sentence.

    Raises:
        DataError: There is nothing at `path`.
    """
    annotations, root = places(path, dataset)
    out.parent.mkdir(parents=True, exist_ok=True)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"  # as `demoscope screenshot`
    from app.window_run import make_application, make_window

    make_application()
    with tempfile.TemporaryDirectory() as folder:
        main = make_window(theme, settings_file=Path(folder) / "settings.ini")
        try:
            window = main.handlers.dataset.open_curation(annotations, root, truth)
            window.resize(*size)
            control, shown = window.control, window.threshold
            wait_until(lambda: control.idle, _READ_MS)
            study = shown.study
            if study is None:
                return fail(window.banner.text or shown.hint.text())
            if target is not None:
                shown.controls.target.setValue(target)
            else:
                shown.set_threshold(study.keeping(round(0.8 * study.total)))
            window.show_page(page)
            if shown.curve.has_curve:
                wait_until(lambda: shown.curve.band is not None, _BAND_MS)
            if page == "threshold":
                wait_until(lambda: _pictures_there(window), _PICTURES_MS)
            window.resize(*size)
            saved = window.grab().save(str(out), "PNG")
        finally:
            main.close()
    if not saved:
        return fail(f"{out}: cannot be written")
    say(str(out))
    return 0


def _pictures_there(window: CurationWindow) -> bool:
    """True if every mover in sight has its picture, or there can be none."""
    from widgets.curation.movers import key_of

    data = window.data
    if data is None or data.dataset is None:
        return True
    shown = window.threshold
    return all(
        key_of(mover) in strip.model.pictures
        for strip in shown.strips
        if strip.isVisible()
        for mover in strip.shown()
    )
