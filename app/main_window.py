"""The main window: docks, menus, status bar. What they show is `Views`' affair."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSettings, Qt
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QMainWindow,
    QVBoxLayout,
    QWidget,
)

from app.action_handlers import ActionHandlers
from app.actions import ACTIONS, ActionTable
from app.caption_review import CaptionReview
from app.caption_views import CaptionViews
from app.consistency_control import ConsistencyControl
from app.explanation import Explanation
from app.intents import Intents
from app.opening import Opening
from app.panels import Panels
from app.point_selection import PointSelection
from app.rerun_side import RerunSide
from app.session_control import SessionControl
from app.team_reviews import TeamReviews
from app.views import Views
from pipeline.document import Changes, Part
from widgets.theme import apply_theme

_LAYOUT_VERSION = 2
_WIDE = 1700
"""From this width on the score's formula has its own column instead of a tab."""
_OTHER_MENUS = ("File", "Edit", "Go", "Candidate", "Caption", "Run", "Dataset", "View", "Help")


class MainWindow(QMainWindow):
    """One demonstration, seen from all sides.

    Attributes:
        control: What is done when the user asks.
        table: Its actions.
    """

    def __init__(self, control: SessionControl, settings: QSettings) -> None:
        super().__init__()
        self.control = control
        self.settings = settings
        control.setParent(self)
        self.setObjectName("main")
        self.setWindowTitle("Demoscope")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.opening = Opening(control, settings, self)
        self.panels = Panels(self)
        center = QWidget(self)
        box = QVBoxLayout(center)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self.panels.banner)
        box.addWidget(self.panels.frame, 1)
        self.setCentralWidget(center)
        self._docks = self._make_docks()
        self.table = ActionTable(self, self._run_action)
        self._make_menus()
        self.views = Views(self.panels, control, self)
        self.views.titleChanged.connect(self.setWindowTitle)
        self.explanation = Explanation(self.panels, control, self.views.truth, self)
        self.intents = Intents(self.panels, control, self)
        self.rerun = RerunSide(self.panels.rerun, control, self)
        self.consistency = ConsistencyControl(self.panels.timeline, control, self)
        self.points = PointSelection(self.panels, control, self.consistency, self)
        self.review = CaptionReview(self.panels, control, self, self)
        self._team = TeamReviews(control, self)
        self.caption_views = CaptionViews(self.panels, control, self)
        others = (self.rerun, self.points, self.review, self.review.aside, self.caption_views)
        self.handlers = ActionHandlers(control, self.panels, self.intents, self.table, self, others)
        control.said.connect(lambda text: self.statusBar().showMessage(text, 8000))
        control.failed.connect(self.panels.banner.show_failure)
        control.bridge.changed.connect(self._on_changes)
        control.jobs.busyChanged.connect(lambda _: self.refresh_actions())
        control.auto_run = self.settings.value("auto_run", True, bool)  # type: ignore[assignment]
        self.table.actions["auto_run"].setChecked(control.auto_run)
        self.table.actions["overlays"].setChecked(True)
        self._restore_playing()
        self.refresh_actions()
        self._restore_layout()

    # -- layout ----------------------------------------------------------------------------

    def _make_docks(self) -> dict[str, QDockWidget]:
        areas = Qt.DockWidgetArea
        self.setCorner(Qt.Corner.BottomLeftCorner, areas.LeftDockWidgetArea)
        self.setCorner(Qt.Corner.BottomRightCorner, areas.BottomDockWidgetArea)
        docks: dict[str, QDockWidget] = {}
        for name, title, widget, area in (
            ("episodes", "Episodes", self.panels.episodes, areas.LeftDockWidgetArea),
            ("stages", "Stages", self.panels.stages, areas.LeftDockWidgetArea),
            ("rerun", "Rerun 3D", self.panels.rerun, areas.RightDockWidgetArea),
            ("timeline", "Timeline", self.panels.timeline, areas.BottomDockWidgetArea),
            ("candidates", "Candidates", self.panels.candidates, areas.BottomDockWidgetArea),
            ("why", "Why this score", self.panels.breakdown, areas.BottomDockWidgetArea),
            ("caption", "Caption", self.panels.captions, areas.BottomDockWidgetArea),
            ("findings", "Findings", self.panels.findings, areas.BottomDockWidgetArea),
        ):
            dock = QDockWidget(title, self)
            dock.setObjectName(f"dock-{name}")
            dock.setWidget(widget)
            self.addDockWidget(area, dock)
            docks[name] = dock
        return docks

    def arrange(self) -> None:
        """Put all docks where they belong."""
        docks = self._docks
        areas = Qt.DockWidgetArea
        for name, dock in docks.items():
            self.removeDockWidget(dock)
            area = {
                "episodes": areas.LeftDockWidgetArea,
                "stages": areas.LeftDockWidgetArea,
                "rerun": areas.RightDockWidgetArea,
            }.get(name, areas.BottomDockWidgetArea)
            self.addDockWidget(area, dock)
            dock.setFloating(False)
            dock.show()
        vertical, horizontal = Qt.Orientation.Vertical, Qt.Orientation.Horizontal
        self.splitDockWidget(docks["episodes"], docks["stages"], vertical)
        self.splitDockWidget(docks["timeline"], docks["candidates"], vertical)
        width, height = max(self.width(), 1280), max(self.height(), 760)
        wide = width >= _WIDE
        self.splitDockWidget(docks["candidates"], docks["caption"], horizontal)
        if wide:
            self.splitDockWidget(docks["candidates"], docks["why"], horizontal)
            self.tabifyDockWidget(docks["caption"], docks["findings"])
        else:
            self.tabifyDockWidget(docks["caption"], docks["why"])
            self.tabifyDockWidget(docks["why"], docks["findings"])
        docks["caption"].raise_()
        side = min(max(width * 22 // 100, 270), 420)
        rest = width - side
        self.resizeDocks([docks["episodes"]], [side], horizontal)
        self.resizeDocks([docks["rerun"]], [rest * 42 // 100], horizontal)
        self.resizeDocks(
            [docks["episodes"], docks["stages"]], [height * 36 // 100, height * 64 // 100], vertical
        )
        self.resizeDocks(
            [docks["timeline"], docks["candidates"]],
            [height * 25 // 100, height * 30 // 100],
            vertical,
        )
        self.resizeDocks(
            [docks["candidates"], docks["caption"]],
            [rest * 58 // 100, rest * 42 // 100],
            horizontal,
        )

    def _restore_playing(self) -> None:
        """All cameras or one, every frame or real time: as last time."""
        panel, actions = self.panels.frame, self.table.actions
        on = bool(self.settings.value("all_cameras", False, bool))
        panel.set_all_cameras(on)
        self.control.set_all_cameras(on)
        actions["all_cameras"].setChecked(on)
        panel.allCamerasChosen.connect(actions["all_cameras"].setChecked)
        panel.allCamerasChosen.connect(lambda on: self.remember("all_cameras", on))
        every = bool(self.settings.value("every_frame", False, bool))
        self.control.playback.every_frame = every
        actions["every_frame"].setChecked(every)

    def _layout_key(self) -> str:
        screen = QGuiApplication.primaryScreen().size()
        return f"layout/{_LAYOUT_VERSION}/{screen.width()}x{screen.height()}"

    def _restore_layout(self) -> None:
        geometry = self.settings.value(f"{self._layout_key()}/geometry")
        state = self.settings.value(f"{self._layout_key()}/state")
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        else:
            screen = QGuiApplication.primaryScreen().availableGeometry()
            self.resize(min(screen.width(), 2560), min(screen.height(), 1440))
        if not (isinstance(state, QByteArray) and self.restoreState(state, _LAYOUT_VERSION)):
            self.arrange()
        columns = self.settings.value(f"{self._layout_key()}/columns")
        if isinstance(columns, QByteArray):
            self.panels.episodes.restore_columns(bytes(columns.data()))

    def save_layout(self) -> None:
        """Remember geometry and docks for this screen size."""
        self.settings.setValue(f"{self._layout_key()}/geometry", self.saveGeometry())
        self.settings.setValue(f"{self._layout_key()}/state", self.saveState(_LAYOUT_VERSION))
        columns = QByteArray(self.panels.episodes.columns_state())
        self.settings.setValue(f"{self._layout_key()}/columns", columns)

    # -- actions ---------------------------------------------------------------------------

    def _make_menus(self) -> None:
        for title in _OTHER_MENUS:
            menu = self.menuBar().addMenu(title)
            menu.setToolTipsVisible(True)
            for spec in ACTIONS:
                if spec.menu == title:
                    menu.addAction(self.table.actions[spec.id])
            if title == "View":
                menu.addSeparator()
                for dock in self._docks.values():
                    menu.addAction(dock.toggleViewAction())

    def _run_action(self, name: str) -> None:
        self.handlers.run(name)

    def refresh_actions(self) -> None:
        """Recompute which actions make sense now."""
        commands = self.control.commands
        self.table.refresh(
            self.control.document.session,
            busy=self.control.jobs.busy,
            undo=self.review.trail.title(),
            redo=commands.can_redo(),
        )

    def _on_changes(self, changes: Changes) -> None:
        if changes.parts & ~(Part.FRAME | Part.PLAYING):
            self.refresh_actions()
        self.panels.status.show_session(self.control.document.session, busy=self.control.jobs.busy)

    @property
    def theme(self) -> str:
        """`dark` or `light`, whichever is on show."""
        # The application's palette: this window's follows one turn of the event loop later.
        return "dark" if QApplication.palette().window().color().lightness() < 128 else "light"

    def remember(self, key: str, value: object) -> None:
        """Keep a setting."""
        self.settings.setValue(key, value)

    def recall(self, key: str, default: str) -> str:
        """A kept setting."""
        return str(self.settings.value(key, default))

    def action(self, name: str) -> QAction:
        """An action of the table."""
        return self.table.actions[name]

    def set_theme(self, name: str) -> None:
        """Show `dark`, `light` or `system` colours and remember it."""
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, name)
        self.settings.setValue("theme", name)
        self.panels.rerun.set_theme(self.theme)

    # -- Qt --------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files, folders and addresses of the Hub."""
        if self.opening.can_drop(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped; what it is shows when it is opened."""
        refusal = self.opening.drop(event.mimeData())
        if refusal:
            self.panels.banner.show_failure(refusal, "")

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember the layout and stop everything that runs."""
        self.save_layout()
        self.views.close()
        self.explanation.close()
        self.intents.close()
        self.review.close()
        self._team.close()
        self.caption_views.close()
        self.handlers.models.close()
        self.handlers.dataset.close()
        self.handlers.exports.close()
        self.rerun.close()
        self.consistency.close()
        self.panels.rerun.shutdown()
        self.control.close()
        super().closeEvent(event)
