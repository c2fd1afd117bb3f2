"""What a person looks at beside a caption: its clip, definitions of words, its history."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QApplication, QDockWidget, QWidget

from app.panels import Panels
from app.playback import LoopRange
from app.session_control import SessionControl


class CaptionAside(QObject):
    """Handlers of the Caption menu that change nothing; the keyboard goes back where it was."""

    def __init__(
        self, panels: Panels, control: SessionControl, window: QWidget, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self._window = window
        self._focus: QWidget | None = None
        panels.caption.clipWanted.connect(self.do_play_clip)
        panels.captions.tabMade.connect(self._on_tab_made)

    def _on_tab_made(self, name: str) -> None:
        if name == "tags":
            self._panels.primitives.left.connect(self._go_back)
        elif name == "history":
            self._panels.history.left.connect(self._go_back)

    def do_play_clip(self) -> None:
        """Play the subtask round and round; again: stop."""
        player, task = self._control.player, self._control.document.session.task
        if task is None:
            return
        clip = LoopRange(task.start, task.end - 1)
        if player.playing and player.loop == clip:
            player.stop()
            player.set_loop(LoopRange())
            return
        player.set_loop(clip)
        self._control.seek(task.start, "review")
        player.play(1)

    def do_primitives(self) -> None:
        """Definitions and decision rules, at the word that is written or judged; tags."""
        if self._panels.captions.shown == "tags":
            self._go_back()
            return
        field, value = self._panels.caption.asked_field()
        self._focus = QApplication.focusWidget()
        self._raise()
        self._panels.captions.show_tab("tags")
        self._panels.primitives.begin(field, value)

    def do_caption_history(self) -> None:
        """Everything that was written and said about the caption."""
        if self._panels.captions.shown == "history":
            self._go_back()
            return
        self._focus = QApplication.focusWidget()
        self._raise()
        self._panels.captions.show_tab("history")
        self._panels.history.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _go_back(self) -> None:
        """Back to where the keyboard was."""
        self._panels.captions.show_tab("caption")
        focus, self._focus = self._focus, None
        inside = focus is not None and self._panels.caption.isAncestorOf(focus)
        target = focus if inside and focus is not None else self._window
        target.setFocus(Qt.FocusReason.OtherFocusReason)

    def show_caption(self) -> None:
        """Bring the caption to the front."""
        self._raise()
        self._panels.captions.show_tab("caption")

    def _raise(self) -> None:
        """Bring the dock to the front, wherever it is."""
        dock = self._panels.captions.parentWidget()
        if isinstance(dock, QDockWidget):
            dock.show()
            dock.raise_()
