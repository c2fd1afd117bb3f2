"""The table of episodes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QImage
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMenu, QTableView
from pytestqt.qtbot import QtBot

from pipeline.model.demonstration import DatasetInfo, EpisodeInfo
from pipeline.model.episodes import Episodes, columns_of
from pipeline.model.problem import Problem, Severity
from widgets.episode_rows import Column
from widgets.episode_table import EpisodeStatus, EpisodeTable

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", "raise\\(\\)", "grabbing the keyboard")
MISSING = Problem("missing_video", "Expected a video, found none.", Severity.ERROR)
TIE = Problem("near_tie", "The best two differ by 0.01.")
TEXTS = ("Pick up the yellow bottle.", "Put the red cube into the bowl.", "Close the drawer.")


def dataset(count: int, *, first: int = 0) -> DatasetInfo:
    """Every fourth episode is missing; lengths are 30, 60, 90, ... frames at 30 fps."""
    episodes = tuple(
        EpisodeInfo(
            first + i,
            30 * (i + 1),
            TEXTS[i % 3],
            present=i % 4 != 3,
            problems=(MISSING,) if i % 4 == 3 else (),
        )
        for i in range(count)
    )
    return DatasetInfo("/data/d", "lerobot", "v2.1", "", 30.0, "", ("cam",), (), episodes)


@pytest.fixture
def table(qtbot: QtBot) -> EpisodeTable:
    made = EpisodeTable()
    qtbot.addWidget(made)
    made.resize(640, 320)
    made.set_dataset(dataset(12))
    made.show()
    return made


def view_of(table: EpisodeTable) -> QTableView:
    view = table.findChild(QTableView)
    assert view is not None
    return view


def cell(table: EpisodeTable, row: int, column: Column, role: int = 0) -> object:
    return view_of(table).model().index(row, column).data(role)


def order(table: EpisodeTable) -> list[int]:
    model = view_of(table).model()
    return [int(model.index(i, 0).data()) for i in range(model.rowCount(QModelIndex()))]


def test_rows_show_what_is_known(table: EpisodeTable) -> None:
    assert cell(table, 1, Column.INDEX) == "1"
    assert cell(table, 1, Column.STATE) == "present"
    assert cell(table, 1, Column.SCORE) == ""
    assert cell(table, 1, Column.LENGTH) == "2.0"
    assert cell(table, 1, Column.INSTRUCTION) == TEXTS[1]
    assert cell(table, 3, Column.STATE) == "missing"
    assert cell(table, 3, Column.REASON) == "missing_video"
    tip = cell(table, 3, Column.REASON, Qt.ItemDataRole.ToolTipRole)
    assert "Expected a video, found none." in str(tip)


def test_status_moves_an_episode_on_and_back(table: EpisodeTable) -> None:
    table.set_status(1, EpisodeStatus(0.912, None, (TIE,)))
    assert cell(table, 1, Column.STATE) == "annotated"
    assert cell(table, 1, Column.SCORE) == "0.91"
    assert cell(table, 1, Column.REASON) == "near_tie"
    table.set_status(1, EpisodeStatus(0.912, "accepted"))
    assert cell(table, 1, Column.STATE) == "reviewed"
    table.set_status(1, EpisodeStatus())
    assert cell(table, 1, Column.STATE) == "present"
    table.set_status(99, EpisodeStatus(0.5))


def test_missing_episodes_are_greyed(table: EpisodeTable) -> None:
    role = Qt.ItemDataRole.ForegroundRole
    muted = table.palette().placeholderText().color()
    assert cell(table, 3, Column.INSTRUCTION, role) == muted
    assert cell(table, 2, Column.INSTRUCTION, role) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bottle", [0, 3, 6, 9]),
        ("RED cube", [1, 4, 7, 10]),
        ("reason:missing", [3, 7, 11]),
        ("missing_video", [3, 7, 11]),
        ("reason:near_tie", [2]),
        ("status:annotated", [2]),
        ("status:rejected", [5]),
        ("status:reviewed", [5]),
        ("-status:missing drawer", [2, 5, 8]),
        ("1", [1, 10, 11]),
        ("#2", [2]),
        ("length>10", [10, 11]),
        ("length<=2", [0, 1]),
        ("r<0.6", [5]),
        ("R>=0.6", [2]),
        ("reason:nothing", []),
    ],
)
def test_filter(table: EpisodeTable, text: str, expected: list[int]) -> None:
    table.set_status(2, EpisodeStatus(0.9, None, (TIE,)))
    table.set_status(5, EpisodeStatus(0.4, "rejected"))
    table.set_filter(text)
    assert order(table) == expected
    assert table.visible_episodes == len(expected)
    table.set_filter("")
    assert order(table) == list(range(12))


def test_filter_is_applied_while_typing(table: EpisodeTable, qtbot: QtBot) -> None:
    line = table.findChild(QLineEdit)
    assert line is not None
    qtbot.keyClicks(line, "bottle")
    qtbot.waitUntil(lambda: table.visible_episodes == 4)
    qtbot.keyClick(line, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: table.visible_episodes == 12)


def test_sort_puts_missing_values_last_both_ways(table: EpisodeTable) -> None:
    table.set_status(4, EpisodeStatus(0.2))
    table.set_status(6, EpisodeStatus(0.9))
    view = view_of(table)
    view.sortByColumn(Column.SCORE, Qt.SortOrder.AscendingOrder)
    assert order(table)[:3] == [4, 6, 0]
    view.sortByColumn(Column.SCORE, Qt.SortOrder.DescendingOrder)
    assert order(table)[:3] == [6, 4, 0]
    view.sortByColumn(Column.REASON, Qt.SortOrder.AscendingOrder)
    assert order(table)[:4] == [3, 7, 11, 0]
    view.sortByColumn(Column.INSTRUCTION, Qt.SortOrder.AscendingOrder)
    assert order(table)[:4] == [2, 5, 8, 11]
    view.sortByColumn(Column.LENGTH, Qt.SortOrder.DescendingOrder)
    assert order(table)[:2] == [11, 10]


def test_columns_are_remembered(table: EpisodeTable, qtbot: QtBot) -> None:
    header = view_of(table).horizontalHeader()
    header.resizeSection(Column.REASON, 77)
    view_of(table).sortByColumn(Column.LENGTH, Qt.SortOrder.DescendingOrder)
    state = table.columns_state()
    other = EpisodeTable()
    qtbot.addWidget(other)
    other.set_dataset(dataset(12))
    assert other.restore_columns(state)
    assert view_of(other).horizontalHeader().sectionSize(Column.REASON) == 77
    assert order(other)[:2] == [11, 10]
    assert not other.restore_columns(b"rubbish")


def test_the_header_says_what_it_is_sorted_by(table: EpisodeTable, qtbot: QtBot) -> None:
    model, header = view_of(table).model(), view_of(table).horizontalHeader()
    where = header.sectionViewportPosition(Column.SCORE) + 10
    across = Qt.Orientation.Horizontal
    for arrow in ("▴", "▾"):
        qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(where, 8))
        assert model.headerData(Column.SCORE, across) == f"R {arrow}"
    assert model.headerData(Column.INDEX, across) == "#"


def test_results_coming_in_are_sorted_once_they_settle(table: EpisodeTable, qtbot: QtBot) -> None:
    view_of(table).sortByColumn(Column.SCORE, Qt.SortOrder.DescendingOrder)
    table.set_status(8, EpisodeStatus(0.9))
    assert order(table)[0] == 0
    qtbot.waitUntil(lambda: order(table)[0] == 8, timeout=3000)


def test_keyboard_selects_after_a_settle(table: EpisodeTable, qtbot: QtBot) -> None:
    table.set_current(0)
    view = view_of(table)
    got: list[int] = []
    table.episodeSelected.connect(got.append)
    with qtbot.waitSignal(table.episodeSelected):
        qtbot.keyClick(view, Qt.Key.Key_Down)
        qtbot.keyClick(view, Qt.Key.Key_Down)
    assert got == [2]
    assert table.current == 2


def test_an_unknown_length_is_empty_and_passes_no_comparison(table: EpisodeTable) -> None:
    info = dataset(4)
    unknown = replace(info.episodes[1], length=0)
    table.set_dataset(replace(info, episodes=(info.episodes[0], unknown, *info.episodes[2:])))
    assert cell(table, 1, Column.LENGTH) == ""
    table.set_filter("length<1000")
    assert order(table) == [0, 2, 3]


def test_focus_alone_chooses_no_episode(table: EpisodeTable, qtbot: QtBot) -> None:
    view = view_of(table)
    with qtbot.assertNotEmitted(table.episodeSelected, wait=300):
        qtbot.waitUntil(table.isActiveWindow)
        view.clearFocus()
        view.setFocus(Qt.FocusReason.TabFocusReason)
        qtbot.waitUntil(view.hasFocus)
    assert not view.currentIndex().isValid()
    with qtbot.waitSignal(table.episodeSelected) as caught:
        qtbot.keyClick(view, Qt.Key.Key_Down)
    assert caught.args == [0]


def test_enter_and_double_click_activate(table: EpisodeTable, qtbot: QtBot) -> None:
    table.set_current(4)
    view = view_of(table)
    with qtbot.waitSignal(table.episodeActivated) as caught:
        qtbot.keyClick(view, Qt.Key.Key_Return)
    assert caught.args == [4]
    where = view.visualRect(view.model().index(5, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=where)
    with qtbot.waitSignal(table.episodeActivated) as caught:
        qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert caught.args == [5]


def test_missing_episodes_are_not_opened_and_say_why(table: EpisodeTable, qtbot: QtBot) -> None:
    table.set_current(2)
    view = view_of(table)
    with qtbot.assertNotEmitted(table.episodeSelected, wait=300):
        qtbot.keyClick(view, Qt.Key.Key_Down)
    with qtbot.assertNotEmitted(table.episodeActivated):
        qtbot.keyClick(view, Qt.Key.Key_Return)
    texts = [w.text() for w in table.findChildren(QLabel) if w.isVisible()]
    assert any("cannot be opened" in t and "found none" in t for t in texts)


def test_setters_emit_nothing(table: EpisodeTable, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(table.episodeSelected, wait=300):
        table.set_current(5)
        table.set_status(5, EpisodeStatus(0.3))
        table.set_dataset(dataset(5))
        table.set_current(1)
    assert view_of(table).currentIndex().row() == 1


def test_current_survives_filter_and_sort(table: EpisodeTable) -> None:
    table.set_current(8)
    table.set_filter("drawer")
    assert view_of(table).currentIndex().row() == 2
    view_of(table).sortByColumn(Column.INDEX, Qt.SortOrder.DescendingOrder)
    assert table.current == 8
    assert order(table)[view_of(table).currentIndex().row()] == 8


def test_neighbours_skip_missing_ones(table: EpisodeTable) -> None:
    table.set_current(2)
    assert table.neighbour(+1) == 4
    table.set_current(0)
    assert table.neighbour(-1) is None
    table.set_filter("bottle")
    assert table.neighbour(+1) == 6


def test_episode_numbers_need_not_be_positions(table: EpisodeTable) -> None:
    table.set_dataset(dataset(6, first=100))
    table.set_status(102, EpisodeStatus(0.5))
    assert cell(table, 2, Column.SCORE) == "0.50"
    table.set_current(104)
    assert view_of(table).currentIndex().row() == 4


def test_empty_panels_say_what_to_do(table: EpisodeTable) -> None:
    table.set_filter("zebra")
    assert any("clears" in w.text() for w in table.findChildren(QLabel) if w.isVisible())
    table.set_filter("")
    table.set_dataset(None)
    assert any("Ctrl+O" in w.text() for w in table.findChildren(QLabel) if w.isVisible())


def test_current_row_is_painted_in_the_highlight(table: EpisodeTable) -> None:
    table.set_current(1)
    view = view_of(table)
    image = view.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rect = view.visualRect(view.model().index(1, Column.INSTRUCTION))
    other = view.visualRect(view.model().index(2, Column.INSTRUCTION))
    painted = image.pixelColor(rect.right() - 4, rect.center().y())
    assert painted != image.pixelColor(other.right() - 4, other.center().y())


def test_findings_are_reasons_and_leave_the_status(table: EpisodeTable) -> None:
    table.set_findings({2: (TIE,), 3: (TIE,), 99: (TIE,)})
    assert cell(table, 2, Column.STATE) == "present"
    assert cell(table, 2, Column.REASON) == "near_tie"
    assert cell(table, 3, Column.REASON) == "missing_video"  # The graver one.
    table.set_statuses({2: EpisodeStatus(0.9), 4: EpisodeStatus(0.8)})
    table.set_filter("reason:near_tie")
    assert order(table) == [2, 3]
    table.set_filter("")
    table.set_statuses({2: EpisodeStatus()})
    assert cell(table, 2, Column.REASON) == "near_tie"
    table.set_findings({2: ()})
    assert cell(table, 2, Column.REASON) == ""


def test_filter_by_numbers(table: EpisodeTable) -> None:
    table.set_filter("frames>300")
    assert order(table) == [10, 11]
    table.set_filter("episode>=3 episode<5")
    assert order(table) == [3, 4]


def test_names_are_shown_where_a_dataset_has_some(table: EpisodeTable) -> None:
    assert not table.column_shown(Column.NAME)
    episodes = tuple(EpisodeInfo(i, 30, "", True, name=f"demo_{9 - i}") for i in range(3))
    table.set_dataset(DatasetInfo("/d", "robomimic", "", "", 30.0, "", (), (), episodes))
    assert table.column_shown(Column.NAME)
    table.set_filter("demo_8")
    assert order(table) == [1]
    table.set_filter("")
    view_of(table).sortByColumn(Column.NAME, Qt.SortOrder.AscendingOrder)
    assert order(table) == [2, 1, 0]


def test_columns_are_chosen_in_a_menu_and_remembered(table: EpisodeTable, qtbot: QtBot) -> None:
    menu = table.columns_menu()
    shown = {a.text(): a for a in menu.actions()}
    assert shown["Reason"].isChecked()
    assert not shown["Picture"].isChecked()
    with qtbot.waitSignal(table.columnsChosen):
        shown["Reason"].trigger()
    assert not table.column_shown(Column.REASON)
    other = EpisodeTable()
    qtbot.addWidget(other)
    assert other.restore_columns(table.columns_state())
    assert not other.column_shown(Column.REASON)
    for column in Column:
        table.show_column(column, column is Column.INDEX)
    (last,) = [a for a in table.columns_menu().actions() if a.isChecked()]
    assert not last.isEnabled()


def test_the_menu_key_chooses_columns(table: EpisodeTable, qtbot: QtBot) -> None:
    view = view_of(table)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(5, 5), QPoint(5, 5))
    QApplication.sendEvent(view.viewport(), event)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert "Picture" in [a.text() for a in menu.actions()]
    menu.close()


def test_pictures_are_asked_for_visible_rows_only(table: EpisodeTable, qtbot: QtBot) -> None:
    table.set_dataset(dataset(400))
    low = view_of(table).rowHeight(0)
    with qtbot.waitSignal(table.thumbnailsWanted) as caught:
        table.show_column(Column.PICTURE, True)
    wanted = caught.args[0]
    assert view_of(table).rowHeight(0) >= 48 > low
    assert wanted[:3] == [0, 1, 2]
    assert 3 not in wanted  # It is missing.
    assert len(wanted) < 20
    image = QImage(320, 240, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    table.set_thumbnail(0, image)
    table.set_thumbnail(1, None)
    view = view_of(table)
    rect = view.visualRect(view.model().index(0, Column.PICTURE))
    seen = view.viewport().grab().toImage().pixelColor(rect.center())
    assert (seen.red(), seen.green(), seen.blue()) == (255, 0, 0)
    with qtbot.waitSignal(table.thumbnailsWanted) as caught:
        view.verticalScrollBar().setValue(1)
    assert not {0, 1} & set(caught.args[0])
    with qtbot.waitSignal(table.thumbnailsWanted) as caught:
        view.verticalScrollBar().setValue(300)
    assert min(caught.args[0]) > 250
    with qtbot.waitSignal(table.thumbnailsWanted) as caught:
        table.show_column(Column.PICTURE, False)
    assert caught.args == [[]]
    assert view.rowHeight(0) == low


def test_the_rows_are_used_by_keys_alone(table: EpisodeTable, qtbot: QtBot) -> None:
    table.set_dataset(dataset(200))
    view = view_of(table)
    table.set_current(0)
    view.setFocus()

    def press(key: Qt.Key) -> int:
        qtbot.keyClick(view, key)
        return view.currentIndex().row()

    assert press(Qt.Key.Key_Down) == 1
    page = press(Qt.Key.Key_PageDown)
    assert page > 5
    assert press(Qt.Key.Key_PageUp) < page
    assert press(Qt.Key.Key_End) == 199
    assert press(Qt.Key.Key_Up) == 198
    assert press(Qt.Key.Key_Home) == 0
    with qtbot.waitSignal(table.episodeActivated) as caught:
        press(Qt.Key.Key_Return)
    assert caught.args == [0]
    qtbot.keyClick(view, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    line = table.findChild(QLineEdit)
    assert line is not None
    assert line.hasFocus()
    qtbot.keyClicks(line, "drawer")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert view.hasFocus()
    assert table.visible_episodes == 66
    press(Qt.Key.Key_Escape)
    assert table.visible_episodes == 200


def test_a_hundred_thousand_episodes_are_not_made_into_objects(
    qtbot: QtBot, table: EpisodeTable
) -> None:
    """What that costs in time is measured by the benchmark `episodes`."""
    made: list[int] = []

    class Counted(Episodes):
        def _make(self, place: int) -> EpisodeInfo:
            made.append(place)
            return super()._make(place)

    big = dataset(100_000)
    episodes = Counted(columns_of(big.episodes), lambda _place: ())
    table.set_dataset(replace(big, episodes=episodes))
    table.set_filter("status:present bottle")
    view_of(table).sortByColumn(Column.LENGTH, Qt.SortOrder.DescendingOrder)
    table.set_current(50_000)
    table.grab()
    assert table.visible_episodes > 10_000
    assert 0 < len(set(made)) < 500, "rows that are painted, and no others"
