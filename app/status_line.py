"""The permanent part of the status bar: where we are, how far the review is, what runs."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QStatusBar

from pipeline.document import Session
from viewers.frame_viewer import PixelProbe
from widgets.theme import tabular


class StatusLine:
    """Labels on a status bar."""

    def __init__(self, bar: QStatusBar) -> None:
        self._pixel = QLabel(bar)
        self._place = QLabel(bar)
        self._review = QLabel(bar)
        self._worker = QLabel(bar)
        self._worker.setToolTip("The worker process computes the stages; the window never waits")
        for label in (self._pixel, self._place, self._review, self._worker):
            label.setFont(tabular(label.font()))
            bar.addPermanentWidget(label)

    def show_session(self, session: Session, *, busy: bool) -> None:
        """Refresh place and worker."""
        self._place.setText(place_text(session))
        self._worker.setText("worker running" if busy else "worker idle")

    def show_review(self, reviewed: int, total: int) -> None:
        """Show how many episodes have a verdict on a caption."""
        self._review.setText(f"reviewed {reviewed}/{total}" if total else "")

    def show_pixel(self, probe: PixelProbe | None) -> None:
        """Show what is under the mouse."""
        if probe is None:
            self._pixel.setText("")
            return
        red, green, blue = probe.rgb
        parts = [f"x {probe.x} y {probe.y}", f"rgb {red} {green} {blue}"]
        if probe.candidates:
            parts.append("candidate " + ", ".join(str(c + 1) for c in probe.candidates))
        if probe.robot:
            parts.append("robot")
        self._pixel.setText("   ".join(parts))


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
