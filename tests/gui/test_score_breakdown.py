"""Why this score: evidence, curves, truth, and the hovered term in frame and timeline."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from pipeline.evaluation.choice_truth import GROUND_TRUTH, PERSON, ChoiceTruth
from pipeline.model.palette import TERMS, candidate_color
from tests.gui import explained_clip as example
from tests.gui.timeline_hands import shown_timeline
from viewers.frame_viewer import FrameViewer
from viewers.term_marks import TermMarks
from widgets.score_breakdown import CURVES, FLIPS, FORMULA, ScoreBreakdown
from widgets.timeline_task_lanes import CandidateLane
from widgets.timeline_term import TermMark

GREY = np.full((100, 200, 3), 90, np.uint8)
_LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def breakdown(qtbot: QtBot) -> ScoreBreakdown:
    widget = ScoreBreakdown()
    qtbot.addWidget(widget)
    widget.resize(420, 420)
    widget.set_results(example.scores(), example.NAMES)
    widget.set_evidence(example.evidence())
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def pixels(image: QImage, rgb: tuple[int, int, int], near: int = 40) -> int:
    """How many pixels are about this colour."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    values = rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).astype(int)
    return int((np.abs(values - np.array(rgb)).max(axis=2) <= near).sum())


def chips(breakdown: ScoreBreakdown) -> dict[str, str]:
    return {c.text(): c.toolTip() for c in breakdown.findChildren(QLabel, "chip") if c.isVisible()}


# What the terms counted ---------------------------------------------------------------------


def test_text_says_what_each_term_counted(breakdown: ScoreBreakdown) -> None:
    text = breakdown.text()
    terms, evidence = example.scores().of(0), example.evidence()
    assert (
        f"m_in = mean speed in 2 transitions of the interaction 4–8 = {terms.motion_in:.1f}" in text
    )
    assert f"m_out = in the 3 others = {terms.motion_out:.1f} px/s" in text
    assert "P = mean share of points inside the sphere (px), 6 of 6 tracked frames" in text
    used, known = evidence.overlap_counted(0), evidence.overlap_known(0)
    assert f"o = strongest of {len(known)} keyframes" in text
    assert len(used) == 1
    frame = int(evidence.frames[used[0]])
    assert f"●{frame}:\u00a00.50" in text
    assert text.count("○") == len(known) - 1
    assert f"= {terms.overlap:.3f}" in text


def test_other_results_forget_what_was_counted(breakdown: ScoreBreakdown) -> None:
    assert "m_in = mean speed" in breakdown.text()
    breakdown.set_results(example.scores(), example.NAMES)
    assert "m_in = mean speed" not in breakdown.text()


# Curves -------------------------------------------------------------------------------------


def test_curves_of_candidate_and_rival(breakdown: ScoreBreakdown) -> None:
    breakdown.show_page(CURVES)
    curves = breakdown.curves
    assert [p.term for p in curves.plots()] == ["motion", "proximity", "overlap"]
    shown = curves.grab().toImage()
    assert pixels(shown, candidate_color(0)) > 150
    assert curves.values_text("motion", example.scores().of(0)) == "#0  m_in 26.7  m_out 11.1"
    motion = curves.plots()[0]
    tip = curves.tip_at(motion, motion.room.center().x())
    assert "m_in over 2 transitions, m_out over 3" in tip
    assert "#1" in tip
    overlap = curves.plots()[2]
    assert "1 of" in curves.tip_at(overlap, overlap.room.center().x())


def test_charts_stand_side_by_side_where_there_is_room(
    breakdown: ScoreBreakdown, qtbot: QtBot
) -> None:
    breakdown.show_page(CURVES)
    tops = {p.box.top() for p in breakdown.curves.plots()}
    assert len(tops) == 3
    breakdown.resize(1200, 300)
    qtbot.waitUntil(lambda: len({p.box.top() for p in breakdown.curves.plots()}) == 1)


def test_a_click_goes_to_the_frame(breakdown: ScoreBreakdown, qtbot: QtBot) -> None:
    breakdown.show_page(CURVES)
    curves = breakdown.curves
    plot = curves.plots()[1]
    x = curves.axis(plot).middle(7)
    with qtbot.waitSignal(breakdown.frameChosen) as chosen:
        qtbot.mouseClick(curves, _LEFT, pos=QPoint(round(x), round(plot.room.center().y())))
    assert chosen.args == [7]


def test_the_cursor_is_drawn(breakdown: ScoreBreakdown) -> None:
    breakdown.show_page(CURVES)
    curves = breakdown.curves
    curves.set_frame(0)
    before = curves.grab().toImage()
    curves.set_frame(8)
    assert curves.grab().toImage() != before


def test_a_chart_tells_its_term(breakdown: ScoreBreakdown, qtbot: QtBot) -> None:
    breakdown.show_page(CURVES)
    heard: list[str] = []
    breakdown.termHovered.connect(heard.append)
    for plot in breakdown.curves.plots():
        qtbot.mouseMove(breakdown.curves, plot.room.center().toPoint())
    breakdown.curves._hover("")
    assert heard == ["motion", "proximity", "overlap", ""]


# Truth --------------------------------------------------------------------------------------


def test_truth_stands_beside_the_choice(breakdown: ScoreBreakdown) -> None:
    proposals = example.SMALL.proposals
    right = ChoiceTruth.of(proposals, example.SMALL.box(0), GROUND_TRUTH)
    breakdown.set_truth([right])
    assert "#0 matches the ground truth (IoU 1.00)." in chips(breakdown)["✓ right, IoU 1.00"]
    wrong = ChoiceTruth.of(proposals, example.SMALL.box(1), GROUND_TRUTH)
    breakdown.set_truth([wrong])
    assert "✗ wrong: #1 is right" in chips(breakdown)
    missed = ChoiceTruth.of(proposals, (0.0, 0.0, 4.0, 4.0), GROUND_TRUTH)
    breakdown.set_truth([missed])
    assert "no weight can put that right" in chips(breakdown)["✗ not among the candidates"]
    assert "None of 3 candidates" in breakdown.text()
    breakdown.set_truth([])
    assert not any(t.startswith(("✓", "✗")) for t in chips(breakdown))


def test_a_persons_choice_judges_the_score(breakdown: ScoreBreakdown) -> None:
    scores = replace(example.scores(), winner=1, chosen_by="person")
    breakdown.set_results(scores, example.NAMES)
    truth = ChoiceTruth.of(example.SMALL.proposals, example.SMALL.box(1), PERSON)
    breakdown.set_truth([truth])
    assert "✗ score wrong: #1 is right" in chips(breakdown)


def test_chips_wrap_in_a_narrow_panel(breakdown: ScoreBreakdown, qtbot: QtBot) -> None:
    truths = [
        ChoiceTruth.of(example.SMALL.proposals, example.SMALL.box(k), s)
        for k, s in ((1, GROUND_TRUTH), (2, PERSON))
    ]
    breakdown.set_truth(truths)
    breakdown.resize(300, 300)
    labels = [c for c in breakdown.findChildren(QLabel, "chip") if c.isVisible()]
    qtbot.waitUntil(lambda: len({c.y() for c in labels}) > 1)
    assert all(c.geometry().right() <= 300 for c in labels)


# Pages --------------------------------------------------------------------------------------


def test_flips_are_wanted_when_their_page_is_seen(breakdown: ScoreBreakdown, qtbot: QtBot) -> None:
    assert breakdown.page == FORMULA
    assert not breakdown.wants_flips
    with qtbot.waitSignal(breakdown.flipsWanted):
        breakdown.show_page(FLIPS)
    assert breakdown.wants_flips
    breakdown.hide()
    assert not breakdown.wants_flips
    with qtbot.waitSignal(breakdown.flipsWanted):
        breakdown.show()


# The hovered term in frame and timeline -----------------------------------------------------


@pytest.fixture
def viewer(qtbot: QtBot) -> FrameViewer:
    widget = FrameViewer()
    qtbot.addWidget(widget)
    widget.resize(640, 400)
    widget.set_image(GREY, example.KEYFRAME)
    widget.set_frame(example.KEYFRAME)
    widget.set_overlays(example.overlays())
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def lighter(rgb: tuple[int, int, int], percent: int) -> tuple[int, int, int]:
    color = QColor(*rgb).lighter(percent)
    return color.red(), color.green(), color.blue()


def marks(term: str, candidate: int = 0) -> TermMarks:
    return TermMarks(term, candidate, example.evidence())


def test_each_term_has_its_marks_and_leaving_ends_them(viewer: FrameViewer) -> None:
    usual = viewer.grab().toImage()
    path = lighter(TERMS["motion"], 150)
    near = lighter(TERMS["proximity"], 125)
    on_robot = lighter(TERMS["robot overlap"], 125)
    for term, color in (("motion", path), ("proximity", near), ("overlap", on_robot)):
        viewer.set_term(marks(term))
        shown = viewer.grab().toImage()
        assert pixels(shown, color, 12) > pixels(usual, color, 12) + 10, term
        assert viewer.header.hint.startswith(term)
    viewer.set_term(marks("detector"))
    # The box of the candidate remains, those of the others do not.
    shown = viewer.grab().toImage()
    assert pixels(shown, candidate_color(0), 10) > 50
    assert pixels(shown, candidate_color(1), 10) == 0
    assert pixels(usual, candidate_color(1), 10) > 0
    assert viewer.header.hint == "detector: box of keyframe 2, D 0.30"
    viewer.set_term(None)
    assert viewer.grab().toImage() == usual


def test_points_that_count_are_told_from_the_others(viewer: FrameViewer) -> None:
    data = example.overlays()
    points, hit = marks("overlap").points(data, 0)
    assert (len(points), int(hit.sum())) == (4, 2)
    assert all(x < 20.5 for x in points[hit][:, 0])
    viewer.set_term(marks("overlap"))
    assert viewer.header.hint == "overlap: 2 of 4 points on the robot"
    assert marks("proximity").points(data, 10)[1].sum() == 0


def test_new_results_end_the_marks(viewer: FrameViewer) -> None:
    viewer.set_term(marks("motion"))
    viewer.set_overlays(example.overlays())
    assert "motion" not in viewer.header.hint


def test_marks_are_painted_within_a_frame(viewer: FrameViewer) -> None:
    viewer.set_term(marks("motion"))
    viewer.grab()
    start = time.perf_counter()
    viewer.set_term(marks("proximity"))
    viewer.set_term(None)
    # Generous: only something absurd may fail here, the figures are the benchmarks' affair.
    assert time.perf_counter() - start < 1.0


def test_the_timeline_shows_what_a_term_counted(qtbot: QtBot) -> None:
    timeline = shown_timeline(qtbot)
    timeline.set_scores(example.scores(), example.KEYFRAME)
    usual = timeline.grab().toImage()
    evidence = example.evidence()
    for term, spans, frames in (
        ("motion", ((4, 8),), ()),
        ("detector", (), (2,)),
        ("proximity", ((0, 11),), ()),
        ("overlap", (), (0,)),
    ):
        mark = TermMark.of(term, 0, evidence)
        assert mark is not None
        assert (mark.spans, mark.frames) == (spans, frames), term
        timeline.set_term(mark)
        shown = timeline.grab().toImage()
        assert shown != usual
    assert TermMark.of("motion", 9, evidence) is None
    # Its lane is framed in the term's colour.
    lane = next(x for x in timeline.lanes if isinstance(x, CandidateLane) and x.title == "motion")
    at = lane.rect.adjusted(104, 0, 0, 0).toRect()
    timeline.set_term(TermMark.of("motion", 0, evidence))
    framed = timeline.grab(at).toImage()
    timeline.set_term(None)
    plain = timeline.grab(at).toImage()
    assert pixels(framed, TERMS["motion"], 30) > pixels(plain, TERMS["motion"], 30) + 500
    assert timeline.grab().toImage() == usual
