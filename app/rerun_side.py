"""The 3D panel's side of the window, put together: recordings, layouts, the link, its actions."""

from __future__ import annotations

from PySide6.QtCore import QObject

from app.layout_store import LayoutStore
from app.rerun_feed import RerunFeed
from app.rerun_layout import RerunLayout
from app.rerun_link import RerunLink
from app.session_control import SessionControl
from viewers.rerun_viewer import RerunPanel, ViewerState


class RerunSide(QObject):
    """Everything about the 3D panel of one window; also does its actions.

    Attributes:
        layouts: How the user arranged it.
        feed: What it shows.
        link: Cursor, selection and loop.
    """

    def __init__(self, panel: RerunPanel, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._panel = panel
        self._control = control
        store = LayoutStore(control.paths.data / "layouts-3d")
        self.layouts = RerunLayout(panel, store, control.background, self)
        self.feed = RerunFeed(control, panel, self.layouts, self)
        self.link = RerunLink(panel, control, self, lambda: self.feed.is_current)
        self.feed.recordingGiven.connect(self.link.renew)

    def close(self) -> None:
        """Stop what is under way; keep a changed layout."""
        self.layouts.close()
        self.feed.close()

    def do_rerun_native(self) -> None:
        """Show the recording in Rerun's own window."""
        if self._panel.state is ViewerState.EMPTY:
            self._control.said.emit("There is no 3D view yet")
        else:
            self._panel.open_native()

    def do_rerun_reload(self) -> None:
        """Start the embedded viewer again, or build again what could not be built."""
        if not self.feed.try_again():
            self._panel.reload()

    def do_rerun_layout(self) -> None:
        """Show the 3D views of this dataset as they come."""
        dataset = self._control.document.session.dataset
        if dataset is not None:
            self.layouts.reset(dataset.path)
            self._control.said.emit("The 3D layout is as it comes")
