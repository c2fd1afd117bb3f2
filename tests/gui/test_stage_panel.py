"""The panel of stages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QModelIndex, QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTabWidget,
    QToolButton,
    QTreeView,
)
from pytestqt.qtbot import QtBot

from pipeline.model.options import option
from pipeline.model.problem import Problem, Severity
from widgets import stage_panel
from widgets.options_form import OptionsForm
from widgets.problem_list import ProblemList
from widgets.stage_panel import StagePanel, StageRow, StageState
from widgets.stage_table import duration_text

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

TIE = Problem("near_tie", "The best two differ by 0.01.", Severity.WARNING, 120)
FLAT = Problem("flat_gripper", "The signal has no range.", Severity.ERROR)
ROWS = (
    StageRow("phases", "Gripper phases", StageState.FRESH, 0.012, ""),
    StageRow("tracks", "Tracks", StageState.STALE, 12.4, "lucas_kanade"),
    StageRow("scores", "Scores", StageState.FRESH, 0.2, "", (TIE, FLAT)),
    StageRow(
        "target",
        "Target",
        StageState.FAILED,
        error="No target box was found: draw one.",
        details="Traceback (most recent call last): ...",
    ),
    StageRow("captions", "Caption", StageState.MISSING),
)


@dataclass(frozen=True)
class TrackOptions:
    min_quality: float = option(0.01, "Weakest corner.", low=0.001, high=0.5)
    backend: str = option("lucas_kanade", "Tracker.", choices=("lucas_kanade", "cotracker"))


@pytest.fixture
def panel(qtbot: QtBot) -> StagePanel:
    made = StagePanel()
    qtbot.addWidget(made)
    made.resize(280, 420)
    made.set_rows(ROWS)
    made.set_options("tracks", TrackOptions())
    made.show()
    return made


def button(panel: StagePanel, text: str) -> QPushButton:
    return next(b for b in panel.findChildren(QPushButton) if b.text() == text)


def view_of(panel: StagePanel) -> QTreeView:
    view = panel.findChild(QTreeView)
    assert view is not None
    return view


def texts(panel: StagePanel, row: int) -> list[str]:
    model = view_of(panel).model()
    return [model.index(row, c).data() for c in range(model.columnCount())]


def click_row(qtbot: QtBot, panel: StagePanel, row: int) -> None:
    view = view_of(panel)
    where = view.visualRect(view.model().index(row, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=where)


class _Counting(QStyledItemDelegate):
    """Notes which cells are measured."""

    def __init__(self, view: QTreeView) -> None:
        super().__init__(view)
        self.measured: list[str] = []

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        self.measured.append(str(index.data()))
        return super().sizeHint(option, index)


def test_only_texts_that_were_not_seen_before_are_measured(panel: StagePanel) -> None:
    view = view_of(panel)
    panel.set_rows(tuple(replace(row, seconds=0.04) for row in ROWS))
    counting = _Counting(view)
    view.setItemDelegate(counting)
    panel.set_rows(ROWS)  # as another caption that was computed before
    assert counting.measured == []
    panel.set_rows((replace(ROWS[0], seconds=725.0), *ROWS[1:]))
    assert counting.measured == ["12 min 05 s"]
    assert view.columnWidth(2) >= view.fontMetrics().horizontalAdvance("12 min 05 s")
    panel.set_rows(ROWS)
    assert view.columnWidth(2) < view.fontMetrics().horizontalAdvance("12 min 05 s")


def test_rows_show_state_time_findings_and_backend(panel: StagePanel) -> None:
    assert texts(panel, 0) == ["Gripper phases", "fresh", "12 ms", "", ""]
    assert texts(panel, 1) == ["Tracks", "stale", "12 s", "", "lucas_kanade"]
    assert texts(panel, 2) == ["Scores", "fresh", "0.2 s", "2", ""]
    tip = view_of(panel).model().index(2, 3).data(Qt.ItemDataRole.ToolTipRole)
    assert "near_tie: The best two differ by 0.01." in tip
    assert "flat_gripper" in tip


MODEL = StageRow("masks", "Masks", StageState.FRESH, 2.1, "sam2", placement="cuda:0, bfloat16")
ASKED = StageRow(
    *("subtasks", "Subtasks", StageState.FRESH, 1.4, "gemini"),
    model="gemini-2.5-flash",
    usage="1 request, 812 tokens in, 240 out",
)


def said(panel: StagePanel) -> str:
    """What the details say about who made the result, empty if nothing is shown."""
    name = "What made the result of the selected stage"
    label = next(w for w in panel.findChildren(QLabel) if w.accessibleName() == name)
    return label.text() if label.isVisible() else ""


def test_models_say_where_they_ran_and_embedded_backends_nothing(panel: StagePanel) -> None:
    panel.set_rows((*ROWS, MODEL))
    assert texts(panel, 5)[4] == "sam2 · cuda:0, bfloat16"
    tip = view_of(panel).model().index(5, 0).data(Qt.ItemDataRole.ToolTipRole)
    for line in ("Backend: sam2", "Device: cuda:0", "Precision: bfloat16"):
        assert line in tip
    panel.select("masks")
    assert said(panel) == "sam2 · cuda:0, bfloat16"
    panel.select("tracks")
    assert said(panel) == ""
    plain = view_of(panel).model().index(1, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "Device" not in plain


def test_backends_get_the_room_that_the_stages_leave(panel: StagePanel) -> None:
    header = view_of(panel).header()
    narrow = {}
    for width in (400, 640):
        panel.resize(width, 420)
        panel.set_rows((*ROWS, MODEL))
        assert header.length() <= view_of(panel).viewport().width()
        narrow[width] = header.sectionSize(4)
    text = panel.fontMetrics().horizontalAdvance("sam2 · cuda:0, bfloat16")
    assert narrow[400] < narrow[640]
    assert text < narrow[640] < 2 * text


def test_language_models_say_what_asking_took(panel: StagePanel) -> None:
    panel.set_rows((*ROWS, ASKED))
    assert texts(panel, 5)[4] == "gemini · gemini-2.5-flash"
    tip = view_of(panel).model().index(5, 1).data(Qt.ItemDataRole.ToolTipRole)
    assert "Language model: gemini-2.5-flash" in tip
    assert "Asking it took: 1 request, 812 tokens in, 240 out" in tip
    panel.select("subtasks")
    assert said(panel).splitlines() == ["gemini · gemini-2.5-flash", ASKED.usage]


def test_it_fits_a_narrow_dock(panel: StagePanel) -> None:
    assert panel.size() == QSize(280, 420)
    assert panel.minimumSizeHint().width() <= 280
    assert panel.minimumSizeHint().height() <= 420
    view = view_of(panel)
    assert view.header().length() <= view.viewport().width()
    for text in ("Run", "Run from here", "Cancel"):
        shown = button(panel, text)
        assert panel.rect().contains(shown.geometry().translated(shown.parentWidget().pos()))


def test_selecting_a_stage_shows_its_options(panel: StagePanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.stageSelected) as caught:
        click_row(qtbot, panel, 1)
    assert caught.args == ["tracks"]
    form = panel.findChild(OptionsForm)
    assert form is not None
    assert form.options == TrackOptions()
    spin = form.editor("min_quality")
    assert isinstance(spin, QDoubleSpinBox)
    with qtbot.waitSignal(panel.optionsChanged) as caught:
        spin.setValue(0.05)
    assert caught.args == ["tracks", TrackOptions(0.05)]
    tabs = panel.findChild(QTabWidget)
    assert tabs is not None
    assert tabs.tabText(0) == "Options (1 changed)"
    click_row(qtbot, panel, 0)
    assert form.options is None
    click_row(qtbot, panel, 1)
    assert form.options == TrackOptions(0.05)


def test_unavailable_backends_stay_grey_after_selecting_another_stage(panel: StagePanel) -> None:
    panel.set_unavailable("tracks", "backend", {"cotracker": "needs torch"})
    for stage in ("tracks", "phases", "tracks"):
        panel.select(stage)
    form = panel.findChild(OptionsForm)
    assert form is not None
    box = form.editor("backend")
    assert isinstance(box, QComboBox)
    assert box.itemData(1, Qt.ItemDataRole.ToolTipRole) == "needs torch"
    assert box.itemData(0, Qt.ItemDataRole.ToolTipRole) in (None, "")


def test_run_buttons_name_the_selected_stage(panel: StagePanel, qtbot: QtBot) -> None:
    panel.select("tracks")
    with qtbot.waitSignal(panel.runRequested) as caught:
        button(panel, "Run").click()
    assert caught.args == ["tracks"]
    with qtbot.waitSignal(panel.runFromRequested) as caught:
        button(panel, "Run from here").click()
    assert caught.args == ["tracks"]


def test_disabled_buttons_say_why(panel: StagePanel) -> None:
    panel.select("phases")
    run, again, cancel = (button(panel, t) for t in ("Run", "Run from here", "Cancel"))
    assert not run.isEnabled()
    assert "fresh" in run.toolTip()
    assert again.isEnabled()
    assert not cancel.isEnabled()
    assert cancel.toolTip() == "Nothing is running"
    panel.set_busy(True)
    assert not run.isEnabled()
    assert not again.isEnabled()
    assert "running" in again.toolTip()
    assert cancel.isEnabled()
    panel.set_busy(False)
    panel.set_rows(())
    assert not run.isEnabled()
    assert "Open an episode" in run.toolTip()


def test_progress_says_what_how_far_and_how_long(
    panel: StagePanel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(stage_panel, "time", SimpleNamespace(monotonic=lambda: now))
    panel.set_busy(True)
    bar = panel.findChild(QProgressBar)
    assert bar is not None
    assert not bar.isVisible()
    panel.set_progress("tracks", 0.25, "frame 18 of 72")
    assert bar.isVisible()
    assert bar.value() == 250
    assert texts(panel, 1)[1] == "running"
    line = next(w.text() for w in panel.findChildren(QLabel) if "frame 18 of 72" in w.text())
    assert line.startswith("25%")
    # After three seconds a quarter is done: nine are left.
    now += 3.0
    panel.set_progress("tracks", 0.25, "frame 18 of 72")
    assert any("9.0 s left" in w.text() for w in panel.findChildren(QLabel))
    with qtbot.waitSignal(panel.cancelRequested):
        button(panel, "Cancel").click()
    panel.set_busy(False)
    assert not bar.isVisible()


def test_progress_ends_with_its_stage(panel: StagePanel) -> None:
    running = replace(ROWS[1], state=StageState.RUNNING)
    panel.set_rows((ROWS[0], running, *ROWS[2:]))
    panel.set_progress("tracks", 0.9, "frame 70")
    panel.set_rows(tuple(replace(r, state=StageState.FRESH) for r in ROWS))
    bar = panel.findChild(QProgressBar)
    assert bar is not None
    assert not bar.isVisible()
    assert any(w.text() == "All stages are fresh." for w in panel.findChildren(QLabel))


def test_failures_are_read_and_copied(panel: StagePanel, qtbot: QtBot) -> None:
    click_row(qtbot, panel, 3)
    assert any(w.isVisible() and w.text() == ROWS[3].error for w in panel.findChildren(QLabel))
    copy = next(b for b in panel.findChildren(QToolButton) if b.text() == "Copy details")
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    copied = QGuiApplication.clipboard().text()
    assert ROWS[3].error in copied
    assert ROWS[3].details in copied
    click_row(qtbot, panel, 0)
    assert not copy.isVisible()


def test_findings_are_listed_and_clicked(panel: StagePanel, qtbot: QtBot) -> None:
    panel.select("scores")
    tabs, findings = panel.findChild(QTabWidget), panel.findChild(ProblemList)
    assert tabs is not None
    assert findings is not None
    assert tabs.tabText(1) == "Findings (2)"
    assert findings.problems == (FLAT, TIE)
    tabs.setCurrentIndex(1)
    view = findings._view
    where = view.visualRect(view.model().index(1, 0)).center()
    got: list[object] = []
    panel.problemActivated.connect(got.append)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert got == [TIE]


def test_setters_emit_nothing_and_keep_the_selection(panel: StagePanel, qtbot: QtBot) -> None:
    panel.select("scores")
    with (
        qtbot.assertNotEmitted(panel.stageSelected),
        qtbot.assertNotEmitted(panel.optionsChanged),
        qtbot.assertNotEmitted(panel.runRequested),
    ):
        panel.set_rows(tuple(reversed(ROWS)))
        panel.set_options("scores", TrackOptions(0.2))
        panel.set_busy(True)
        panel.set_busy(False)
    assert panel.selected == "scores"
    assert view_of(panel).currentIndex().row() == 2
    with pytest.raises(LookupError):
        panel.select("nowhere")


def test_space_presses_no_button(panel: StagePanel, qtbot: QtBot) -> None:
    panel.select("tracks")
    with qtbot.assertNotEmitted(panel.runRequested):
        for shown in panel.findChildren(QPushButton):
            assert shown.focusPolicy() is Qt.FocusPolicy.NoFocus
        qtbot.keyClick(view_of(panel), Qt.Key.Key_Space)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.012, "12 ms"),
        (0.0999, "0.1 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
