"""The table of candidates and the breakdown of R."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from PySide6.QtCore import QModelIndex, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from pipeline.model.palette import TERMS, candidate_color
from pipeline.model.score import ScoresResult
from tests.gui import example_clip as clip
from widgets.candidate_model import Column
from widgets.candidate_table import CandidateTable
from widgets.contribution_bar import BarScale
from widgets.score_breakdown import ScoreBreakdown
from widgets.score_formula import FormulaConstants, adding_up, lines_of, number, parts_of

# The offscreen platform says so about every window with a minimum size.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def table(qtbot: QtBot) -> CandidateTable:
    widget = CandidateTable()
    qtbot.addWidget(widget)
    widget.resize(1100, 260)
    widget.set_results(clip.proposals(), clip.scores())
    widget.show()
    qtbot.waitExposed(widget)
    return widget


@pytest.fixture
def breakdown(qtbot: QtBot) -> ScoreBreakdown:
    widget = ScoreBreakdown()
    qtbot.addWidget(widget)
    widget.resize(1100, 320)
    widget.set_results(clip.scores(), clip.NAMES)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def heard(table: CandidateTable) -> list[tuple[str, int]]:
    calls: list[tuple[str, int]] = []
    table.candidateSelected.connect(lambda c: calls.append(("selected", c)))
    table.candidateChosen.connect(lambda c: calls.append(("chosen", c)))
    return calls


def cell(table: CandidateTable, row: int, column: Column) -> QModelIndex:
    return table.view.model().index(row, column)


def column_texts(table: CandidateTable, column: Column) -> list[str]:
    model = table.view.model()
    return [str(model.index(r, column).data()) for r in range(model.rowCount())]


# Table --------------------------------------------------------------------------------------


def test_the_same_values_again_build_no_rows(table: CandidateTable) -> None:
    proposals, scores = clip.proposals(), clip.scores()
    table.set_results(proposals, scores)
    table.set_ground_truth({1})
    resets: list[None] = []
    table.view.model().modelReset.connect(lambda: resets.append(None))
    table.set_results(proposals, scores)
    table.set_ground_truth({1})
    table.set_comparison(None)
    assert not resets
    table.set_ground_truth(set())
    assert len(resets) == 1
    table.set_results(proposals, None)
    assert len(resets) == 2


def test_rows_by_falling_score(table: CandidateTable) -> None:
    values = [float(t.replace("−", "-")) for t in column_texts(table, Column.SCORE)]
    assert values == sorted(values, reverse=True)
    assert column_texts(table, Column.RANK) == [str(i) for i in range(1, 7)]
    assert column_texts(table, Column.NAME)[0].startswith("★ red cube")


def test_setters_emit_nothing(table: CandidateTable) -> None:
    calls = heard(table)
    table.set_selected(3)
    assert table.candidate == 3
    table.set_ground_truth({3})
    assert table.candidate == 3
    assert "✓" in column_texts(table, Column.NAME)[5]
    table.set_results(clip.proposals(), None)
    assert table.candidate == 3
    table.set_message("Working")
    table.set_selected(-1)
    assert table.candidate == -1
    table.set_results(None, None)
    assert calls == []


def test_without_scores_the_detector_ranks(table: CandidateTable) -> None:
    table.set_results(clip.proposals(), None)
    assert column_texts(table, Column.DETECTOR)[0] == "0.88"
    assert set(column_texts(table, Column.SCORE)) == {"–"}


def test_keyboard(table: CandidateTable, qtbot: QtBot) -> None:
    table.set_selected(0)
    calls = heard(table)
    qtbot.keyClick(table.view, Qt.Key.Key_Down)
    qtbot.keyClick(table.view, Qt.Key.Key_3)
    qtbot.keyClick(table.view, Qt.Key.Key_9)  # no such rank
    qtbot.keyClick(table.view, Qt.Key.Key_Return)
    assert calls == [("selected", 1), ("selected", 4), ("chosen", 4)]


def test_mouse(table: CandidateTable, qtbot: QtBot) -> None:
    calls = heard(table)
    where = table.view.visualRect(cell(table, 1, Column.NAME)).center()
    viewport = table.view.viewport()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=where)
    qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=where)
    assert calls == [("selected", 1), ("chosen", 1)]


def test_menu_chooses(table: CandidateTable) -> None:
    table.set_selected(2)
    calls = heard(table)
    action = table.menu().actions()[0]
    assert "Choose" in action.text()
    action.trigger()
    assert calls == [("chosen", 2)]


def test_sorting_by_a_term_keeps_the_selection(table: CandidateTable) -> None:
    table.set_selected(4)
    calls = heard(table)
    table.view.sortByColumn(Column.OVERLAP, Qt.SortOrder.DescendingOrder)
    assert column_texts(table, Column.OVERLAP)[:2] == ["0.99", "0.46"]
    assert column_texts(table, Column.RANK)[:2] == ["6", "3"]
    assert table.candidate == 4
    assert calls == []


def test_headers_explain_themselves(table: CandidateTable) -> None:
    model = table.view.model()
    for column in Column:
        tip = model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
        assert len(tip) > 30
    tips = [
        model.headerData(c, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
        for c in (Column.MOTION, Column.SCORE)
    ]
    assert all("SPARC" in t and "=" in t for t in tips)
    assert "m_in = 61.00 px/s" in str(
        cell(table, 0, Column.MOTION).data(Qt.ItemDataRole.ToolTipRole)
    )


def test_bar_widths_are_proportional() -> None:
    terms = clip.score_terms()
    scale = BarScale.over(terms)
    per_unit = 300 / (scale.high - scale.low)
    zero = scale.x(0.0, 10.0, 300.0)
    for term in terms:
        parts = scale.segments(term.contributions, 10.0, 300.0)
        for part in parts:
            if not part.cut:
                assert part.right - part.left == pytest.approx(abs(part.value) * per_unit)
            assert (part.left >= zero - 1e-6) == (part.value > 0)
        right = [p for p in parts if p.value > 0]
        for a, b in pairwise(right):
            assert a.right == pytest.approx(b.left)
    cut = scale.segments(terms[3].contributions, 10.0, 300.0)
    assert [p.cut for p in cut if p.value < 0] == [True]


def test_painted_bars_have_the_widths_of_the_contributions(table: CandidateTable) -> None:
    image = table.view.viewport().grab().toImage()
    found = []
    for row, candidate in ((0, 0), (1, 1)):
        rect = table.view.visualRect(cell(table, row, Column.SCORE))
        y = rect.center().y()
        line = [image.pixelColor(x, y).getRgb()[:3] for x in range(rect.left(), rect.right())]  # type: ignore[index]
        terms = clip.scores().of(candidate)
        for name, value in terms.contributions:
            if value > 0.05:
                pixels = sum(
                    max(abs(a - b) for a, b in zip(p, TERMS[name], strict=True)) <= 2 for p in line
                )
                found.append(pixels / value)
    assert len(found) >= 5
    assert max(found) / min(found) < 1.06


def test_chip_has_the_colour_of_the_candidate(table: CandidateTable) -> None:
    image = table.view.viewport().grab().toImage()
    rect = table.view.visualRect(cell(table, 0, Column.NAME))
    colors = [image.pixelColor(rect.left() + x, rect.center().y()) for x in range(4, 16)]
    assert QColor(*candidate_color(0)) in colors


def test_empty_table_says_what_to_do(table: CandidateTable) -> None:
    table.set_results(None, None)
    labels = [w.text() for w in table.findChildren(QLabel) if w.isVisible()]
    assert any("Run the stages" in t for t in labels)
    table.set_message("Proposals are being computed")
    labels = [w.text() for w in table.findChildren(QLabel) if w.isVisible()]
    assert "Proposals are being computed" in labels


# Breakdown ----------------------------------------------------------------------------------


def as_number(text: str) -> float:
    return float(text.replace("−", "-").replace("+", ""))


@pytest.mark.parametrize("candidate", range(6))
def test_shown_parts_add_up_to_the_shown_score(candidate: int) -> None:
    terms = clip.scores().of(candidate)
    parts = parts_of(terms)
    total = sum(as_number(p.value) * (-1 if p.sign == "−" else 1) for p in parts)
    assert f"{total:.3f}" == f"{terms.score:.3f}"


def test_adding_up_moves_less_than_a_unit() -> None:
    values = (0.33349, 0.33349, 0.33349)
    rounded = adding_up(values, sum(values))
    assert sum(rounded) == pytest.approx(1.0)
    assert all(abs(a - b) < 0.001 for a, b in zip(values, rounded, strict=True))
    assert number(-0.00001) == "0.000"
    assert number(-0.5) == "−0.500"


def test_copied_text_contains_the_numbers_and_adds_up(breakdown: ScoreBreakdown) -> None:
    breakdown.set_selected(4)
    action = next(a for a in breakdown.menu().actions() if a.text() == "Copy as text")
    action.trigger()
    text = QGuiApplication.clipboard().text()
    assert text == breakdown.text()
    terms = clip.scores().of(4)
    assert f"{terms.score:.3f}" in text
    assert "R = 0.5·Ã + w_D·D + 0.3·P̃ − Π" in text
    assert "55.0^0.6 / (3.6 + 1)^0.2" in text
    assert "near_tie: The two best candidates" in text
    sums = re.search(r"\n  = ([\d.]+) \+ ([\d.]+) \+ ([\d.]+) − ([\d.]+)\n  = ([\d.]+)\n", text)
    assert sums
    a, b, c, d, total = (float(g) for g in sums.groups())
    assert a + b + c - d == pytest.approx(total, abs=1e-9)
    rows = re.findall(r"  ([\w ]+): (−?[\d.]+) − (−?[\d.]+) = ([−+]?[\d.]+)", text)
    assert len(rows) == 5
    for _, mine, theirs, gap in rows:
        assert as_number(mine) - as_number(theirs) == pytest.approx(as_number(gap), abs=1e-9)
    assert sum(as_number(r[3]) for r in rows[:4]) == pytest.approx(as_number(rows[4][3]))


def test_winner_is_compared_with_the_runner_up_others_with_the_winner(
    breakdown: ScoreBreakdown,
) -> None:
    breakdown.set_selected(-1)
    assert breakdown.candidate == 0
    assert "leads blue bowl #1 by" in breakdown.text()
    breakdown.set_selected(4)
    assert "trails red cube #0 by" in breakdown.text()
    bars = breakdown.bars.bars()
    rows = {name: mine - theirs for name, mine, theirs in breakdown.bars.rows()}
    per_unit = [(bars[n][1] - bars[n][0]) / abs(v) for n, v in rows.items() if v]
    assert max(per_unit) == pytest.approx(min(per_unit))


def test_hovering_a_term_tells(breakdown: ScoreBreakdown, qtbot: QtBot) -> None:
    heard: list[str] = []
    breakdown.termHovered.connect(heard.append)
    view = breakdown.formula.viewport()
    names = []
    for x in range(0, 420, 4):
        point = QPoint(x, 30)
        anchor = breakdown.formula.anchorAt(point)
        if anchor and anchor not in names:
            names.append(anchor)
            qtbot.mouseMove(view, point)
    assert names == ["term:motion", "term:detector", "term:proximity", "term:overlap"]
    qtbot.mouseMove(view, QPoint(view.width() - 2, 2))
    assert [h for h in heard if h] == ["motion", "detector", "proximity", "overlap"]
    assert heard[-1] == ""


def test_problems_are_chips_with_sentences(breakdown: ScoreBreakdown) -> None:
    chips = {c.text(): c.toolTip() for c in breakdown.findChildren(QLabel, "chip")}
    assert "differ by less than 0.05" in chips["near tie"]
    assert "no geometry" in chips


def test_unknown_settings_are_not_explained_away() -> None:
    scores = clip.scores()
    honest = lines_of(scores.of(0), scores, FormulaConstants())
    assert len(honest[0].steps) == 3
    other = lines_of(scores.of(0), scores, FormulaConstants(motion_exponent=0.9))
    assert len(other[0].steps) == 1
    assert "other settings" in other[0].steps[0]


def test_one_candidate_has_no_rival(breakdown: ScoreBreakdown) -> None:
    scores = clip.scores()
    alone: ScoresResult = replace(
        scores,
        terms=scores.terms[:1],
        motion=scores.motion[:1],
        proximity=scores.proximity[:1],
        overlap=scores.overlap[:1],
    )
    breakdown.set_results(alone, clip.NAMES)
    assert "only candidate" in breakdown.text()
    assert breakdown.bars.isHidden()
    breakdown.set_results(None, {})
    assert breakdown.text() == ""


def test_narrow_stacks_and_wide_stands_side_by_side(
    breakdown: ScoreBreakdown, qtbot: QtBot
) -> None:
    breakdown.resize(1200, 300)
    qtbot.waitUntil(lambda: breakdown.bars.x() > breakdown.formula.x() + 300)
    breakdown.resize(600, 300)
    qtbot.waitUntil(lambda: breakdown.bars.y() > breakdown.formula.y() + 50)
    assert QPointF(breakdown.bars.pos()).x() < 50
