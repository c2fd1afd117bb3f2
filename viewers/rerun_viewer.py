"""The embedded Rerun viewer: a panel that shows a recording and is part of the window.

Time, selection, loop and layout go both ways. Nothing of Rerun or QtWebEngine is loaded until a
recording is to be seen. The viewer runs in Chromium's own renderer process; if it dies, the panel
says so and the window stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from viewers.rerun_bridge import RerunBridge
from viewers.rerun_native_link import NativeLink
from viewers.rerun_page import BACKGROUNDS, RerunPage
from viewers.rerun_placeholder import Placeholder
from viewers.rerun_protocol import ViewerReport

if TYPE_CHECKING:
    from viewers.rerun_emphasis import Emphasis

log = logging.getLogger(__name__)

EMPTY_TEXT = "Run the pipeline to see 3D"
LOADING_TEXT = "Loading the 3D viewer…"
FOLLOWED_TEXT = "Also in Rerun's own window, which follows the cursor and the selection."
STARTING_TEXT = "Starting Rerun's own window…"
READY_TIMEOUT_MS = 60_000
"""Software rendering on a busy machine needs up to 30 s for the first picture."""
MEMORY_LIMIT = 512 << 20
"""Bytes. A viewer that has taken more is started afresh for the next recording, which takes some
seconds: its memory never shrinks, grows by about half a MiB a recording (130 MiB with the first of
a short episode), and ends at 4 GiB. Our choice."""
PANELS = {"top": "hidden"}
"""Rerun's own panels. The others are as the recording's layout has them, so that a user who wants
them may open them."""


class ViewerState(StrEnum):
    """What the panel shows."""

    EMPTY = "empty"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class RerunPanel(QWidget):
    """Shows a Rerun recording inside the window.

    No setter emits a signal, and all may be called before the viewer is ready: frame, selection,
    loop and theme are kept for it.

    Signals:
        frameChanged: (frame) The user moved the viewer's own time cursor, or it plays.
        timeChanged: (frame, fractional) It plays and is between two frames.
        playingChanged: (playing) Playback was started or stopped in the viewer.
        loopChanged: (first, last) The user changed the viewer's loop range, both frames included;
            None and None when they ended it.
        entitySelected: (entity path, instance) The user selected an entity, e.g.
            `/world/candidates/3/points`, or one instance of it; instance -1 is the whole entity,
            and an empty path says that they selected nothing.
        layoutChanged: (layout) The user changed the viewer's layout: views, containers, tabs,
            eyes. JSON for `set_layout`.
        readyChanged: (ready) The viewer shows the recording, or no longer does.
    """

    frameChanged = Signal(int)
    timeChanged = Signal(float)
    playingChanged = Signal(bool)
    loopChanged = Signal(object, object)
    entitySelected = Signal(str, int)
    layoutChanged = Signal(str)
    readyChanged = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("3D viewer")
        self._state = ViewerState.EMPTY
        self._theme = "dark"
        self._recording: Path | bytes | None = None
        self._layout_wanted = ""
        self._is_ready = False
        self._emphasis: Emphasis | None = None

        bridge = self._bridge = RerunBridge(self)
        bridge.time.frameChanged.connect(self._on_frame)
        bridge.time.timeChanged.connect(self.timeChanged)
        bridge.time.playingChanged.connect(self._on_playing)
        bridge.selection.entitySelected.connect(self._on_selected)
        bridge.layouts.loopChanged.connect(self.loopChanged)
        bridge.layouts.layoutChanged.connect(self._on_layout)
        bridge.loaded.connect(self._on_loaded)
        bridge.opened.connect(self._on_opened)
        bridge.failed.connect(self._on_failed)
        self._page = RerunPage(self, bridge.channel)
        self._page.made.connect(self._on_made)
        self._page.failed.connect(self._on_failed)
        self._native = NativeLink(self)
        self._native.frameChanged.connect(self._on_native_frame)
        self._native.playingChanged.connect(self._on_native_playing)
        self._native.openedChanged.connect(self._on_native)
        self._native.failed.connect(self._on_native_failed)
        self._overdue = QTimer(self, singleShot=True, interval=READY_TIMEOUT_MS)
        self._overdue.timeout.connect(self._on_overdue)

        self._placeholder = Placeholder(EMPTY_TEXT)
        self._placeholder.reloadAsked.connect(self.reload)
        self._placeholder.nativeAsked.connect(self.open_native)
        self._banner = QLabel(FOLLOWED_TEXT, wordWrap=True)
        self._banner.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._banner.setContentsMargins(8, 4, 8, 4)
        self._banner.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._banner)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._placeholder)
        column.addLayout(self._stack, 1)

    # -- what the window asks

    @property
    def state(self) -> ViewerState:
        """What the panel shows."""
        return self._state

    @property
    def message(self) -> str:
        """The sentence that is shown in place of the viewer."""
        return self._placeholder.text

    @property
    def frame(self) -> int:
        """Frame that is shown, or will be once the viewer is ready."""
        return self._bridge.time.frame

    @property
    def is_settled(self) -> bool:
        """True if a recording is shown and the viewer has done all it was told."""
        return self._bridge.is_settled

    @property
    def current_layout(self) -> str:
        """The viewer's layout as JSON for `set_layout`; "" while none is known."""
        return self._bridge.layouts.layout

    def ask_state(self, callback: Callable[[ViewerReport | None], None]) -> None:
        """Let the viewer itself say what it shows; None if it does not within 10 s."""
        self._bridge.ask_state(callback)

    def take_screenshot(self, callback: Callable[[bytes | None], None]) -> None:
        """Let the viewer draw itself to a PNG; None if it does not within 10 s."""
        self._bridge.take_screenshot(callback)

    # -- what the window sets

    def set_recording(self, recording: Path | str | bytes, *, layout: str = "") -> None:
        """Show a recording (an .rrd file, or its bytes), paused at the current frame.

        Starts the viewer if it is not running; while the panel is hidden, waits with that.

        Args:
            recording: What to show; of several in a row the newest wins.
            layout: A layout that was kept (`layoutChanged`); "" for the recording's own, which is
                also used if nothing of the recording would be seen in the kept one.
        """
        before = self._recording
        self._recording = recording if isinstance(recording, bytes) else Path(recording)
        self._layout_wanted = layout
        if isinstance(recording, bytes) and recording == before and self._bridge.is_open:
            # The viewer would take it for more of the same recording.
            self._bridge.renew(layout)
            return
        if self._native.is_open:
            self._native.open(self._recording, self.frame)
        elif self._banner.text() != STARTING_TEXT:
            self._banner.hide()  # Why it failed for an earlier recording.
        if self._bridge.memory > MEMORY_LIMIT:
            log.info("the 3D viewer has taken %d MiB: starting afresh", self._bridge.memory >> 20)
            self.reload()
        elif self._page.view is not None and self._bridge.is_ready:
            self._open()
        elif self._state is ViewerState.FAILED:
            self._placeholder.native.show()
        else:
            self._show(ViewerState.LOADING, LOADING_TEXT)
            self._start_if_visible()

    def clear(self, reason: str = EMPTY_TEXT) -> None:
        """Show no recording but `reason`; the viewer stays loaded for the next one."""
        self._recording = None
        self._overdue.stop()
        self._bridge.close_recording()
        self._page.remove_recording()
        if self._state is ViewerState.FAILED:
            self._placeholder.native.hide()
        else:
            self._show(ViewerState.EMPTY, reason)

    def set_frame(self, frame: int) -> None:
        """Go to a frame of the episode; of several in a row the newest wins."""
        self._bridge.time.set_frame(frame)
        self._native.set_frame(frame)

    def set_playing(self, playing: bool) -> None:
        """Start or stop the viewer's own playback; while it plays, `frameChanged` tells where."""
        self._bridge.time.set_playing(playing)
        self._native.set_playing(playing)

    def set_loop(self, first: int | None, last: int | None) -> None:
        """Loop over these frames, both included; None ends the loop."""
        loop = None if first is None or last is None else (min(first, last), max(first, last))
        self._bridge.layouts.set_loop(loop)

    def set_selection(self, entity: str, instance: int = -1) -> None:
        """Select an entity, one instance of it, or with "" nothing.

        An entity that the recording lacks does no harm: nothing is seen of it.
        """
        self._bridge.selection.set_selection(entity, instance)
        self._native.set_selection(entity, instance)

    def set_layout(self, layout: str) -> None:
        """Put a kept layout in, at once and after a reload; "" is the recording's own."""
        self._layout_wanted = layout
        self._bridge.layouts.set_layout(layout)

    def set_emphasis(self, emphasis: Emphasis | None) -> None:
        """Let the entities of a term stand out; None: as they were."""
        before, self._emphasis = self._emphasis, emphasis
        recording = self._bridge.recording
        if emphasis != before and recording is not None:
            from viewers.rerun_emphasis import emphasis_bytes

            self._bridge.add(emphasis_bytes(*recording, before, emphasis))

    def set_theme(self, name: str) -> None:
        """Set `dark` or `light`; takes effect at once.

        Raises:
            ValueError: Another name.
        """
        if name not in BACKGROUNDS:
            raise ValueError(f"theme: expected dark or light, got {name!r}")
        self._theme = name
        self._page.set_theme(name)
        if self._bridge.is_ready:
            self._bridge.set_theme(name)

    @Slot()
    def reload(self) -> None:
        """Start the viewer afresh, with the same recording, frame, selection, loop and layout."""
        self._drop_view()
        if self._recording is None:
            self._show(ViewerState.EMPTY, EMPTY_TEXT)
        else:
            self._show(ViewerState.LOADING, LOADING_TEXT)
            self._start_if_visible()

    @Slot()
    def open_native(self) -> None:
        """Show the recording in Rerun's own window as well; the panel says so once it is there."""
        if self._recording is not None:
            if not self._native.is_open:
                self._banner.setText(STARTING_TEXT)
                self._banner.show()
            self._native.open(self._recording, self.frame)

    def shutdown(self) -> None:
        """End the viewer and its server; the panel cannot be used afterwards. May be repeated."""
        self._drop_view(at_once=True)
        self._page.shutdown()
        self._native.close()

    # -- starting

    def showEvent(self, event: QShowEvent) -> None:
        """Start the viewer if a recording waits for it."""
        super().showEvent(event)
        self._bridge.set_watched(True)
        if self._state is ViewerState.LOADING:
            self._start_if_visible()

    def hideEvent(self, event: QHideEvent) -> None:
        """A hidden page draws no frame: stop counting how long it takes."""
        super().hideEvent(event)
        self._bridge.set_watched(False)
        self._overdue.stop()

    def _start_if_visible(self) -> None:
        if self.isVisible():
            if self._page.view is not None:
                self._overdue.start()
            self._page.start()

    @Slot(QWidget)
    def _on_made(self, view: QWidget) -> None:
        # It draws only while it is visible, so it waits behind the message, not hidden.
        self._stack.addWidget(view)
        self._stack.setStackingMode(QStackedLayout.StackingMode.StackAll)
        self._stack.setCurrentIndex(0)
        self._overdue.start()

    def _open(self) -> None:
        if self._recording is None:
            return
        self._emphasis = None
        self._bridge.open(self._page.put_recording(self._recording), self._layout_wanted)
        if self.isVisible():
            self._overdue.start()

    def _drop_view(self, *, at_once: bool = False) -> None:
        """Let go of the web view. Not `at_once` from a slot of one of the page's own signals."""
        self._overdue.stop()
        self._bridge.reset()
        self._set_ready(False)
        view = self._page.view
        if view is not None:
            self._stack.setStackingMode(QStackedLayout.StackingMode.StackOne)
            self._stack.setCurrentIndex(0)
            self._stack.removeWidget(view)
            self._page.drop(at_once=at_once)

    # -- what the viewers say

    @Slot()
    def _on_loaded(self) -> None:
        self._bridge.set_panel_states(PANELS)
        self._bridge.set_theme(self._theme)
        self._open()

    @Slot()
    def _on_opened(self) -> None:
        self._overdue.stop()
        if self._recording is not None:
            self._show(ViewerState.READY, "")

    @Slot(int)
    def _on_frame(self, frame: int) -> None:
        self._native.set_frame(frame)
        self.frameChanged.emit(frame)

    @Slot(bool)
    def _on_playing(self, playing: bool) -> None:
        if playing:  # one clock: the other viewer follows its frames
            self._native.set_playing(False)
        self.playingChanged.emit(playing)

    @Slot(str, int)
    def _on_selected(self, entity: str, instance: int) -> None:
        self._native.set_selection(entity, instance)
        self.entitySelected.emit(entity, instance)

    @Slot(str)
    def _on_layout(self, layout: str) -> None:
        self._layout_wanted = layout
        self.layoutChanged.emit(layout)

    @Slot(int)
    def _on_native_frame(self, frame: int) -> None:
        if self._recording is None:
            return  # It still shows the episode before.
        self._bridge.time.set_frame(frame)
        self.frameChanged.emit(frame)

    @Slot(bool)
    def _on_native_playing(self, playing: bool) -> None:
        if self._recording is None:
            return
        if playing:
            self._bridge.time.set_playing(False)
        self.playingChanged.emit(playing)

    @Slot(bool)
    def _on_native(self, is_open: bool) -> None:
        self._banner.setText(FOLLOWED_TEXT)
        self._banner.setVisible(is_open)
        if is_open:
            self._native.set_selection(*self._bridge.selection.selected)

    @Slot(str)
    def _on_native_failed(self, sentence: str) -> None:
        self._banner.setText(sentence)
        self._banner.show()

    @Slot(str)
    def _on_failed(self, sentence: str, worth_retrying: bool = True) -> None:
        log.log(logging.WARNING if worth_retrying else logging.INFO, "3D viewer: %s", sentence)
        self._drop_view()
        self._show(ViewerState.FAILED, sentence or "The 3D viewer stopped.")
        self._placeholder.reload.setVisible(worth_retrying)
        self._placeholder.native.setVisible(self._recording is not None)

    @Slot()
    def _on_overdue(self) -> None:
        seconds = READY_TIMEOUT_MS // 1000
        self._on_failed(f"The 3D viewer did not answer within {seconds} s.")

    def _show(self, state: ViewerState, text: str) -> None:
        self._state = state
        self._placeholder.show_text(text)
        ready = state is ViewerState.READY
        if self._page.view is not None:
            mode = QStackedLayout.StackingMode
            self._stack.setStackingMode(mode.StackOne if ready else mode.StackAll)
            self._stack.setCurrentIndex(1 if ready else 0)
        self._set_ready(ready)

    def _set_ready(self, ready: bool) -> None:
        if ready != self._is_ready:
            self._is_ready = ready
            self.readyChanged.emit(ready)
