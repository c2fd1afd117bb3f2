"""Selecting a tracked point on the picture: what is hit, what is drawn, what is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from pipeline.model.arrays import F32
from pipeline.model.candidate import TracksResult
from pipeline.model.consistency import Consistency
from pipeline.model.geometry import LiftingResult
from pipeline.model.palette import candidate_color
from tests.gui.overlay_examples import FRAMES, KEYFRAME, overlays, tracks
from tests.gui.viewer_hands import LEFT, at, count, only, patch, picture, show_frame, shown_viewer
from viewers.frame_viewer import FrameViewer
from viewers.overlays import OverlayVisibility

# Columns of the tracks below: a point in the middle of each candidate, then two more of 2.
ASIDE, TWIN = 3, 4
ASIDE_AT = (125.0, 90.0)


def more_tracks() -> TracksResult:
    """The example's points, two more of candidate 2; the first of them is hidden at frame 30."""
    plain = tracks()
    points: F32 = np.concatenate([plain.points, np.zeros((4, 2, 2), np.float32)], axis=1)
    points[:, ASIDE] = np.array(ASIDE_AT) - 0.5 + [[-10, 0], [0, 0], [10, 0], [20, 0]]
    points[:, TWIN] = points[:, ASIDE] + [0.0, 4.0]
    visible = np.ones((4, 5), np.bool_)
    visible[:, :3] = plain.visible
    visible[2, ASIDE] = False
    return replace(
        plain,
        points=points,
        visible=visible,
        candidate=np.array([0, 1, 2, 2, 2], np.int32),
        kept=np.ones(5, np.bool_),
    )


def lifting() -> LiftingResult:
    xyz = np.full((4, 5, 3), np.nan, np.float32)
    xyz[:, ASIDE] = (0.123, -0.02, 0.61)
    on_edge = np.zeros((4, 5), np.bool_)
    on_edge[1, ASIDE] = True
    return LiftingResult(True, FRAMES, xyz, np.eye(3), "recorded", on_edge=on_edge)


def consistency() -> Consistency:
    residual = np.full((4, 5), np.nan, np.float32)
    residual[1, ASIDE] = 3.25
    owner = more_tracks().candidate
    return Consistency(FRAMES, owner, np.zeros((4, 5), np.float32), residual)


@pytest.fixture
def viewer(qtbot: QtBot) -> FrameViewer:
    made = shown_viewer(qtbot)
    made.set_overlays(overlays(tracks=more_tracks(), lifting=lifting()))
    made.set_selected(2)
    # As the document does it.
    made.pointClicked.connect(made.set_selected_point)

    def select(candidate: int) -> None:
        made.set_selected(candidate)
        made.set_selected_point(-1)

    made.candidateClicked.connect(select)
    return made


def click(qtbot: QtBot, viewer: FrameViewer, place: QPoint) -> None:
    qtbot.mousePress(viewer, LEFT, pos=place)
    qtbot.mouseRelease(viewer, LEFT, pos=place)


def ring(viewer: FrameViewer, x: float, y: float) -> int:
    """White pixels around a place."""
    return count(patch(viewer, (x - 3, y - 3, x + 3, y + 3), 0), (255, 255, 255), 40)


# What is hit.


def test_a_click_near_a_point_of_the_selected_candidate_selects_it(
    qtbot: QtBot, viewer: FrameViewer
) -> None:
    told: list[int] = []
    viewer.pointClicked.connect(told.append)
    click(qtbot, viewer, at(viewer, *ASIDE_AT) + QPoint(3, -3))
    assert told == [ASIDE]
    assert viewer.selected_point == ASIDE


def test_beyond_five_pixels_the_candidate_is_meant(qtbot: QtBot, viewer: FrameViewer) -> None:
    with (
        qtbot.assertNotEmitted(viewer.pointClicked),
        qtbot.waitSignal(viewer.candidateClicked) as clicked,
    ):
        click(qtbot, viewer, at(viewer, *ASIDE_AT) + QPoint(0, -8))
    assert clicked.args == [2]


def test_the_nearer_of_two_points_is_taken_under_zoom(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.resize(160, 144)  # One image pixel is one of the screen: both are in reach.
    qtbot.waitUntil(lambda: viewer.view_transform.scale < 2, timeout=2000)
    show_frame(viewer, 40)  # no handles there
    told: list[int] = []
    viewer.pointClicked.connect(told.append)
    click(qtbot, viewer, at(viewer, ASIDE_AT[0] + 20, ASIDE_AT[1] + 4))
    click(qtbot, viewer, at(viewer, ASIDE_AT[0] + 20, ASIDE_AT[1] - 1))
    assert told == [TWIN, ASIDE]


def test_a_second_click_goes_on_and_selects_no_point(qtbot: QtBot, viewer: FrameViewer) -> None:
    place = at(viewer, *ASIDE_AT)
    click(qtbot, viewer, place)
    assert viewer.selected_point == ASIDE
    with qtbot.waitSignal(viewer.candidateClicked) as clicked:
        click(qtbot, viewer, place)
    assert clicked.args == [2]
    assert viewer.selected_point == -1


def test_another_candidates_point_selects_first_the_candidate_then_the_point(
    qtbot: QtBot, viewer: FrameViewer
) -> None:
    told: list[tuple[str, int]] = []
    viewer.pointClicked.connect(lambda p: told.append(("point", p)))
    viewer.candidateClicked.connect(lambda k: told.append(("candidate", k)))
    place = at(viewer, 40.5, 40.5)  # the points of 0 and 1
    show_frame(viewer, 30)
    click(qtbot, viewer, place)
    click(qtbot, viewer, place)
    assert told == [("candidate", 1), ("point", 1)]


def test_points_without_masks_and_boxes_still_say_whose_they_are(
    qtbot: QtBot, viewer: FrameViewer
) -> None:
    viewer.set_visibility(only("tracks"))
    viewer.set_selected(0)
    with qtbot.waitSignal(viewer.candidateClicked) as clicked:
        click(qtbot, viewer, at(viewer, *ASIDE_AT))
    assert clicked.args == [2]


@pytest.mark.parametrize(
    "shown",
    [only("masks", "boxes"), OverlayVisibility(selected=False)],
)
def test_what_is_not_drawn_is_not_hit(
    qtbot: QtBot, viewer: FrameViewer, shown: OverlayVisibility
) -> None:
    viewer.set_visibility(shown)
    with qtbot.assertNotEmitted(viewer.pointClicked):
        click(qtbot, viewer, at(viewer, *ASIDE_AT))


def test_hidden_points_and_other_cameras_are_not_hit(qtbot: QtBot, viewer: FrameViewer) -> None:
    show_frame(viewer, 30)
    with qtbot.assertNotEmitted(viewer.pointClicked):
        click(qtbot, viewer, at(viewer, ASIDE_AT[0] + 10, ASIDE_AT[1]))
    show_frame(viewer, KEYFRAME)
    viewer.set_camera("observation.images.other")
    with qtbot.assertNotEmitted(viewer.pointClicked):
        click(qtbot, viewer, at(viewer, *ASIDE_AT))


def test_a_drag_that_begins_on_a_point_selects_nothing(qtbot: QtBot, viewer: FrameViewer) -> None:
    with qtbot.assertNotEmitted(viewer.pointClicked):
        start = at(viewer, *ASIDE_AT)
        qtbot.mousePress(viewer, LEFT, pos=start)
        qtbot.mouseMove(viewer, start + QPoint(30, 30))
        qtbot.mouseRelease(viewer, LEFT, pos=start + QPoint(30, 30))


# Giving it up.


def escape(viewer: FrameViewer) -> bool:
    override = QKeyEvent(
        QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier
    )
    override.ignore()
    QApplication.sendEvent(viewer, override)
    return override.isAccepted()


def test_escape_leaves_the_tool_first_then_the_point(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected_point(ASIDE)
    viewer.set_tool("box")
    qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    assert (viewer.tool, viewer.selected_point) == ("select", ASIDE)
    assert escape(viewer)
    with qtbot.waitSignal(viewer.pointClicked) as told:
        qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    assert told.args == [-1]
    assert not escape(viewer)


def test_a_click_elsewhere_selects_no_point(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected_point(ASIDE)
    with qtbot.waitSignal(viewer.candidateClicked) as told:
        click(qtbot, viewer, at(viewer, 150, 20))
    assert told.args == [-1]
    # A miss keeps the isolated candidate, but not its point.
    viewer.set_selected(2)
    viewer.set_selected_point(ASIDE)
    viewer.set_visibility(OverlayVisibility(others=False))
    with (
        qtbot.assertNotEmitted(viewer.candidateClicked),
        qtbot.waitSignal(viewer.pointClicked) as none,
    ):
        click(qtbot, viewer, at(viewer, 150, 50))
    assert none.args == [-1]


# What is drawn.


def test_the_ring_follows_the_point(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("tracks"))
    for frame, x in ((20, 125.0), (25, 130.0), (40, 145.0)):
        show_frame(viewer, frame)
        viewer.set_selected_point(-1)
        before = ring(viewer, x, ASIDE_AT[1] + (4 if frame == 25 else 0))
        viewer.set_selected_point(TWIN if frame == 25 else ASIDE)
        after = ring(viewer, x, ASIDE_AT[1] + (4 if frame == 25 else 0))
        assert before == 0
        assert after > 40, frame


def test_the_ring_of_a_hidden_point_is_broken(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("tracks"))
    viewer.set_selected_point(ASIDE)
    seen = ring(viewer, *ASIDE_AT)
    show_frame(viewer, 30)
    hidden = ring(viewer, ASIDE_AT[0] + 10, ASIDE_AT[1])
    assert 0 < hidden < 0.8 * seen


def test_the_tail_of_the_point_is_stronger(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("tracks"))
    show_frame(viewer, 40)
    tail = (116.0, 92.0, 130.0, 96.0)
    plain = count(patch(viewer, tail, 0), candidate_color(2), 12)
    viewer.set_selected_point(TWIN)
    assert count(patch(viewer, tail, 0), candidate_color(2), 12) > 1.4 * plain > 0


@pytest.mark.parametrize("case", ["layer", "candidate", "camera", "gone"])
def test_nothing_is_drawn_where_the_point_is_not(viewer: FrameViewer, case: str) -> None:
    viewer.set_visibility(only("tracks"))
    if case == "layer":
        viewer.set_visibility(only("boxes"))
    elif case == "candidate":
        viewer.set_visibility(replace(only("tracks"), selected=False))
    elif case == "camera":
        viewer.set_camera("observation.images.other")
    point = 99 if case == "gone" else ASIDE
    plain = picture(viewer)[24:]
    viewer.set_selected_point(point)
    assert (picture(viewer)[24:] == plain).all()


def test_the_point_is_on_exported_pictures(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("tracks"))
    plain = viewer.grab_picture()
    viewer.set_selected_point(ASIDE)
    assert viewer.grab_picture() != plain


# What is told.


def test_the_tooltip_says_what_the_point_is(viewer: FrameViewer) -> None:
    viewer.set_consistency(consistency())
    text = viewer._tip_at(at(viewer, *ASIDE_AT).toPointF())
    for part in (
        "point 3 of candidate 2",
        "124.5, 89.5 px",
        "0.123, -0.020, 0.610 m",
        "rigid 3.2 px",
        "depth edge",
    ):
        assert part in text, text


def test_the_header_tells_the_selected_point_of_each_frame(viewer: FrameViewer) -> None:
    viewer.set_selected_point(ASIDE)
    assert viewer.header.hint.startswith("point 3: on a depth edge; 124.5, 89.5 px")
    viewer.set_consistency(consistency())
    assert viewer.header.hint.startswith("point 3: rigid 3.2 px; on a depth edge; 124.5")
    show_frame(viewer, 32)
    assert "not seen here" in viewer.header.hint
    assert "at frame 30" in viewer.header.hint
    assert "edge" not in viewer.header.hint
    show_frame(viewer, 5)
    assert "not tracked before frame 10" in viewer.header.hint
    viewer.set_selected_point(-1)
    assert "point" not in viewer.header.hint


def test_setters_of_points_emit_nothing(qtbot: QtBot, viewer: FrameViewer) -> None:
    with qtbot.assertNotEmitted(viewer.pointClicked):
        viewer.set_selected_point(ASIDE)
        viewer.set_consistency(consistency())
        viewer.set_overlays(None)
        viewer.set_selected_point(-1)
        viewer.set_consistency(None)
