"""Phases corrected on the timeline, and what it says of them when asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction, QColor, QContextMenuEvent
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from pipeline.model.palette import PHASES
from pipeline.model.phases import PhaseName, PhasesResult
from pipeline.stages.phases import PhasesOptions
from tests.gui import example_clip as clip
from tests.gui.timeline_hands import Heard, lane_of, shown_timeline
from tests.pipeline.phase_signals import C, G, R, X, demo, run, signal
from widgets.timeline import Timeline
from widgets.timeline_ink import Ink
from widgets.timeline_phase_lanes import GripperLane, PhaseLane
from widgets.timeline_tips import wrapped

# The offscreen platform says so about windows with a minimum size and about menus.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", "This plugin does not support")

# Failure at 60-70, grasps at 110-190 and 196-290: early release and borrowing between.
VALUES = signal((1, 60), (0, 10), (1, 40), (0, 80), (1, 6), (0, 94), (1, 60))


@pytest.fixture
def timeline(qtbot: QtBot) -> Timeline:
    return shown_timeline(qtbot)


@pytest.fixture
def real(qtbot: QtBot) -> Timeline:
    """A timeline of phases as the stage finds them, gripper lane first."""
    widget = shown_timeline(qtbot)
    show(widget, run(demo(VALUES), PhasesOptions()))
    return widget


def show(widget: Timeline, result: PhasesResult) -> None:
    widget.set_episode(len(result.arms[0].opening), 10.0)
    widget.set_phases(result)


def over(widget: Timeline, kind: type, frame: int, share: float = 0.5) -> str:
    """The tool tip over a frame, at a share of the lane's height."""
    rect = lane_of(widget, kind).rect
    y = round(rect.top() + share * rect.height())
    return widget.tip_at(QPoint(round(widget.axis.middle(frame)), y))


def entries(menu: QMenu) -> dict[str, QAction]:
    found = {}
    for action in menu.actions():
        found[action.text().split("\t")[0].replace("&", "")] = action
        if action.menu() is not None:
            found |= entries(action.menu())  # type: ignore[arg-type]
    return found


# --- what it says ----------------------------------------------------------------------------


def test_a_closure_says_verdict_pass_and_d_min(real: Timeline) -> None:
    text = over(real, GripperLane, 65, 0.85)
    assert "Closure 60–70: 10 frames (1 s), grasp failure." in text
    assert "Dropped by pass 2 as a failed grasp: closed for 10 frames, d_min is" in text
    assert "d_min = max(7, 0.35 · min(median 80, B / K = " in text
    assert "budget per attempt decides" in text
    assert "Kept by pass 2" in over(real, GripperLane, 150, 0.85)
    # Beside the closure the bar of d_min goes on; elsewhere nothing is said.
    assert "the shortest closure that counts" in over(real, GripperLane, 73, 0.85)
    assert over(real, GripperLane, 30, 0.85) == ""
    lane = lane_of(real, GripperLane)
    on_line = (lane.y(0.55) - lane.rect.top()) / lane.rect.height()
    assert over(real, GripperLane, 65, on_line).startswith("τ = 0.6, δ = 0.05")
    assert "Closure 60–70" in over(real, GripperLane, 65, on_line)  # low lanes are all line


def test_long_lines_are_broken() -> None:
    lines = wrapped("word " * 60 + "\n\nend").split("\n")
    assert max(map(len, lines)) <= 96
    assert lines[-2:] == ["", "end"]


def test_a_closure_of_a_frame_is_still_hit(qtbot: QtBot) -> None:
    widget = shown_timeline(qtbot)
    show(widget, run(demo(signal((1, 2000), (0, 1), (1, 200), (0, 400), (1, 2000)))))
    hit = over(widget, GripperLane, 2008, 0.85)  # one pixel is five frames
    assert "too short" in hit or "Dropped by pass 1" in hit


def test_a_boundary_says_where_it_was_measured(real: Timeline) -> None:
    arm = lane_of(real, PhaseLane).arm
    boundary = next(b for b in arm.boundaries if arm.phases[b.index + 1].name is C)
    y = round(lane_of(real, PhaseLane).rect.center().y())
    text = real.tip_at(QPoint(round(real.axis.x(boundary.frame)), y))
    assert f"Start of interact at frame {boundary.frame}." in text
    assert f"Measured at 110, moved forward by {boundary.frame - 110} frames" in text


def test_a_phase_says_what_was_repaired(real: Timeline) -> None:
    release = next(p for p in lane_of(real, PhaseLane).arm.phases if p.name is R)
    real.set_frame(release.measured_start)
    real.zoom(0.1)
    text = over(real, PhaseLane, release.measured_start + 1, 0.1)
    assert "release" in text.splitlines()[0]
    assert "before its nominal 10, because the gripper closes again at frame 196" in text
    assert "borrowed 3 frames from the release before it" in text
    lane = lane_of(real, PhaseLane)
    assert "borrowed 3 frames" in lane.boundary_tip(lane.arm.phases.index(release))
    grasp = lane.arm.phases[lane.arm.phases.index(release) + 1]
    assert "borrowed 3 frames" in over(real, PhaseLane, grasp.start + 1, 0.7)


def test_a_coarse_span_says_why(qtbot: QtBot) -> None:
    widget = shown_timeline(qtbot)
    show(widget, run(demo(signal((0.5, 100)))))
    text = over(widget, PhaseLane, 40, 0.7)
    assert "The whole episode is one span." in text
    assert "over 0% of its plausible range" in text


def test_arms_say_which_is_active_and_the_order_of_phases(qtbot: QtBot) -> None:
    widget = shown_timeline(qtbot)
    show(widget, run(demo(signal((1, 20), (0, 30), (1, 100)), signal((1, 90), (0, 30), (1, 30)))))
    lane = lane_of(widget, GripperLane)
    assert "Active arm: left" in widget.tip_at(QPoint(10, round(lane.rect.center().y())))
    assert "Cycle 1 of left; number 3 of 6 phases of both arms" in over(widget, PhaseLane, 30, 0.7)


# --- what it paints --------------------------------------------------------------------------


def pixel(widget: Timeline, x: float, y: float) -> QColor:
    return widget.grab().toImage().pixelColor(round(x), round(y))


def test_strip_shows_phases_as_measured_above_those_used(real: Timeline) -> None:
    lane, ink = lane_of(real, PhaseLane), Ink.of(real.palette(), real.font())
    phase = next(p for p in lane.arm.phases if p.name is C)
    frame = (phase.measured_start + phase.start) // 2  # measured interact, used as grasp
    x = real.axis.middle(frame)
    assert pixel(real, x, lane.rect.top() + 3).rgb() == ink.tint(PHASES[C], 0.8).rgb()
    assert pixel(real, x, lane.rect.bottom() - 2).rgb() == QColor(*PHASES[G]).rgb()


def test_bar_of_d_min_is_as_long_as_d_min(real: Timeline) -> None:
    lane, ink = lane_of(real, GripperLane), Ink.of(real.palette(), real.font())
    y = lane.rect.bottom() - 2
    image = real.grab().toImage()
    row = [image.pixelColor(x, round(y)) == ink.muted for x in range(real.width())]
    start = round(real.axis.x(60))
    length = next(i for i, muted in enumerate(row[start + 1 :]) if not muted)
    assert length == pytest.approx(lane.arm.d_min * real.axis.per_frame, abs=2)


def test_a_boundary_set_by_hand_is_marked(real: Timeline) -> None:
    lane = lane_of(real, PhaseLane)
    result = lane_result(real)
    arm = replace(lane.arm, phases=tuple(moved(lane.arm.phases, 0, 40)))
    accent = Ink.of(real.palette(), real.font()).accent

    def marks() -> int:
        rect = lane_of(real, PhaseLane).rect
        image = real.grab().toImage()
        x = round(real.axis.x(40))
        return sum(
            image.pixelColor(x + dx, round(rect.top()) + dy) == accent
            for dx in range(-3, 5)
            for dy in range(3, 11)
        )

    assert marks() == 0
    real.set_phases(replace(result, arms=(arm,), merged=arm.phases))
    assert marks() >= 6
    y = round(lane_of(real, PhaseLane).rect.center().y())
    assert "Moved by hand; the rules have it at 63." in real.tip_at(
        QPoint(round(real.axis.x(40)), y)
    )


def lane_result(widget: Timeline) -> PhasesResult:
    arm = lane_of(widget, PhaseLane).arm
    return PhasesResult((arm,), arm.arm, arm.phases)


def moved(phases: tuple, index: int, frame: int) -> list:  # type: ignore[type-arg]
    changed = list(phases)
    changed[index] = changed[index].moved(end=frame)
    changed[index + 1] = changed[index + 1].moved(start=frame)
    return changed


# --- what it does ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "after", "heard"),
    [
        (50, None, ("arm", 50, "grasp", "grasp", "interact")),
        (120, None, ("arm", 120, "interact", "interact", "release")),
        (200, None, ("arm", 200, "release", "release", "grasp")),
        (120, PhaseName.INTERACT, ("arm", 120, "interact", "interact", "interact")),
    ],
)
def test_split_at_the_cursor(
    timeline: Timeline, frame: int, after: PhaseName | None, heard: tuple[object, ...]
) -> None:
    seen = Heard(timeline)
    timeline.set_frame(frame)
    assert timeline.split_phase(after=after) == ""
    assert seen.calls == [("phaseSplit", *heard)]


def test_split_of_the_coarse_span_begins_with_an_approach(qtbot: QtBot) -> None:
    widget = shown_timeline(qtbot)
    show(widget, run(demo(signal((0.5, 100)))))
    seen = Heard(widget)
    widget.split_phase(40)
    assert seen.calls == [("phaseSplit", "arm", 40, "interact", "grasp", "interact")]


def test_merge_and_name_at_the_cursor(timeline: Timeline) -> None:
    seen = Heard(timeline)
    timeline.set_frame(120)  # interact 95-184
    assert timeline.merge_phase(forward=True) == ""
    assert timeline.merge_phase(forward=False) == ""
    assert timeline.name_phase(PhaseName.RELEASE) == ""
    assert seen.calls == [
        ("phasesMerged", "arm", 184, "interact", "release", "interact"),
        ("phasesMerged", "arm", 95, "grasp", "interact", "interact"),
        ("phaseNamed", "arm", 120, "interact", "release"),
    ]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda t: t.split_phase(5), "no phase at frame 5"),
        (lambda t: t.split_phase(95), "begins at frame 95 already"),
        (lambda t: t.merge_phase(False, 20), "no phase before"),
        (lambda t: t.merge_phase(True, 440), "no phase after"),
        (lambda t: t.name_phase(PhaseName.GRASP, 20), "is grasp already"),
        (lambda t: t.move_nearest_boundary(95), "at frame 95 already"),
    ],
)
def test_what_cannot_be_done_says_why(
    timeline: Timeline, act: Callable[[Timeline], str], reason: str
) -> None:
    seen = Heard(timeline)
    assert reason in act(timeline)
    assert seen.calls == []


def test_of_two_arms_the_one_of_the_open_subtask_is_meant(qtbot: QtBot) -> None:
    widget = shown_timeline(qtbot)
    grasp = signal((1, 50), (0, 40), (1, 60))
    result = run(demo(0.5 + 0.3 * grasp, grasp))
    show(widget, result)
    seen = Heard(widget)
    widget.split_phase(70)
    assert seen.of("phaseSplit")[0][0] == result.active_arm == "right"
    tasks = clip.subtasks()
    left = tuple(replace(t, arm="left") for t in tasks.subtasks)
    widget.set_subtasks(replace(tasks, subtasks=left))
    widget.set_subtask(0)
    widget.split_phase(70)
    assert seen.of("phaseSplit")[1][0] == "left"


# --- the menu --------------------------------------------------------------------------------


def test_menu_offers_what_can_be_done_and_its_keys(timeline: Timeline) -> None:
    timeline.set_key_hints({"split_phase": "R", "merge_next": "U"})
    lane = lane_of(timeline, PhaseLane)
    menu = timeline.phase_menu(lane, 120)
    found = entries(menu)
    assert found["Split at frame 120: interact | release"].text().endswith("\tR")
    assert "Merge with the release after" in found
    assert found["interact"].isChecked()
    assert not found["release"].isChecked()
    seen = Heard(timeline)
    found["interact | grasp"].trigger()
    found["Merge with the release after"].trigger()
    found["release"].trigger()
    found["Move the boundary at 95 to frame 120"].trigger()
    assert [c[0] for c in seen.calls] == [
        "phaseSplit",
        "phasesMerged",
        "phaseNamed",
        "boundaryMoved",
    ]
    assert seen.of("boundaryMoved") == [("arm", 0, 120)]
    menu.close()


def test_disabled_entries_say_why(timeline: Timeline) -> None:
    lane = lane_of(timeline, PhaseLane)
    found = entries(timeline.phase_menu(lane, 12))
    first = found["Merge with the phase before"]
    assert not first.isEnabled()
    assert "there is no phase before this one" in first.toolTip()
    assert not found["Split at frame 12: grasp | interact"].isEnabled()


def right_click(timeline: Timeline, x: float, y: float, *, keys: bool = False) -> QMenu | None:
    reason = QContextMenuEvent.Reason.Keyboard if keys else QContextMenuEvent.Reason.Mouse
    point = QPoint(round(x), round(y))
    event = QContextMenuEvent(reason, point, timeline.mapToGlobal(point))
    QApplication.sendEvent(timeline, event)
    menu = QApplication.activePopupWidget()
    return menu if isinstance(menu, QMenu) else None


def test_right_click_opens_the_menu_on_phases_only(timeline: Timeline, qtbot: QtBot) -> None:
    lane = lane_of(timeline, PhaseLane)
    y = lane.rect.center().y()
    assert right_click(timeline, timeline.axis.middle(120), 5) is None
    assert right_click(timeline, 20, y) is None
    menu = right_click(timeline, timeline.axis.middle(120), y)
    assert menu is not None
    assert "Split at frame 120: interact | release" in entries(menu)
    qtbot.keyClick(menu, Qt.Key.Key_Escape)
    timeline.set_frame(200)
    menu = right_click(timeline, 0, 0, keys=True)
    assert menu is not None
    assert "Split at frame 200: release | grasp" in entries(menu)
    qtbot.keyClick(menu, Qt.Key.Key_Escape)


def test_names_are_chosen_by_letter(timeline: Timeline, qtbot: QtBot) -> None:
    seen = Heard(timeline)
    timeline.set_frame(120)
    assert timeline.open_name_menu() == ""
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    qtbot.keyClick(menu, Qt.Key.Key_F)
    assert seen.calls == [("phaseNamed", "arm", 120, "interact", X.value)]
