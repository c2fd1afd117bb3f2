"""The permanent part of the status bar: where we are, how far the review is, what runs."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStatusBar

from app.playback import PlayRate
from pipeline.document import Session
from pipeline.model.demonstration import DatasetInfo
from viewers.pixel_probe import PixelProbe
from widgets.fields import tip
from widgets.theme import GRID, tabular


class StatusLine:
    """Labels on a status bar."""

    def __init__(self, bar: QStatusBar) -> None:
        self._pixel = QLabel(bar)
        self._pixel.setToolTip(
            "Pixel under the mouse: column and row from 0, colour 0–255, recorded depth along the"
            " optical axis in metres (– where unknown), candidates whose mask or box is there"
        )
        self._play = QLabel(bar)
        self._play.setToolTip(
            "While playing: frames painted per second during the last second, of those that should"
            " be (the episode’s rate times the speed); frames passed over since play was pressed"
        )
        self._play.setContentsMargins(0, 0, GRID, 0)
        self._place = QLabel(bar)
        self._described: DatasetInfo | None = None
        self._health = QLabel(bar)
        self._health.setTextFormat(Qt.TextFormat.PlainText)
        self._health.setAccessibleName("Health of the dataset")
        self._health.setContentsMargins(GRID, 0, GRID, 0)
        self._review = QLabel(bar)
        self._worker = QLabel(bar)
        self._worker.setToolTip("The worker process computes the stages; the window never waits")
        for label in (
            self._pixel,
            self._play,
            self._place,
            self._health,
            self._review,
            self._worker,
        ):
            label.setFont(tabular(label.font()))
            bar.addPermanentWidget(label)

    def show_session(self, session: Session, *, busy: bool) -> None:
        """Refresh place and worker."""
        self._place.setText(place_text(session))
        info = session.dataset
        if info is not self._described:
            self._described = info
            self._place.setToolTip(dataset_tip(info))
        self._worker.setText("worker running" if busy else "worker idle")

    def show_health(self, text: str, tooltip: str) -> None:
        """Show how far the examination of the dataset is, or what it found."""
        self._health.setText(text)
        self._health.setToolTip(tip(*tooltip.split("\n")))

    def show_review(self, reviewed: int, total: int) -> None:
        """Show how many episodes have a verdict on a caption."""
        self._review.setText(f"reviewed {reviewed}/{total}" if total else "")

    def show_play_rate(self, rate: PlayRate | None) -> None:
        """Show how playing goes; None while nothing plays."""
        self._play.setText("" if rate is None else str(rate))
        self._play.setVisible(rate is not None)

    def show_pixel(self, probe: PixelProbe | None, depth: str = "") -> None:
        """Show what is under the mouse.

        Args:
            probe: None if the mouse is elsewhere.
            depth: Depth there as text, empty if the camera has none.
        """
        if probe is None:
            self._pixel.setText("")
            return
        red, green, blue = probe.rgb
        parts = [f"x {probe.x} y {probe.y}", f"rgb {red} {green} {blue}"]
        if depth:
            parts.append(depth)
        around = [c for c in probe.candidates if c not in probe.masks]
        for word, ids in (("mask", probe.masks), ("box", around)):
            if ids:
                parts.append(f"{word} " + " ".join(f"#{c}" for c in ids))
        if probe.robot:
            parts.append("robot")
        self._pixel.setText("   ".join(parts))


def dataset_tip(info: DatasetInfo | None) -> str:
    """What the dataset is and why it was taken for that, as a tooltip."""
    if info is None:
        return ""
    unused = f"{len(info.ignored)} things in it are not used" if info.ignored else ""
    lines = [info.path, f"{info.format} {info.version}: {info.reason}", unused]
    return tip(info.name, *filter(None, lines), "Ctrl+I tells more.")


def place_text(session: Session) -> str:
    """Dataset, episode, subtask, frame, time and phase, as one line."""
    if session.dataset is None:
        return "no dataset"
    parts = [session.dataset.name]
    demonstration = session.demonstration
    if demonstration is None:
        return parts[0]
    parts.append(f"episode {demonstration.ref.episode}")
    if session.subtask_count:
        parts.append(f"subtask {session.subtask + 1}/{session.subtask_count}")
    parts.append(f"frame {session.frame}/{demonstration.length - 1}")
    parts.append(f"{session.frame / demonstration.fps:.2f} s")
    phases = session.result("phases")
    if phases is not None:
        inside = [p.name.value for p in phases.merged if p.start <= session.frame < p.end]
        if inside:
            parts.append(inside[0])
    return "   ".join(parts)
