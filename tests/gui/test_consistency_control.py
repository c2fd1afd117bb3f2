"""Residuals of the results on show are measured beside the GUI thread and reach the timeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.consistency_control import ConsistencyControl
from app.session_control import SessionControl
from tests.gui.recording_panel import control_of, put_results, show
from tests.rerun_scenes import scene
from widgets.timeline import Timeline
from widgets.timeline_consistency import ConsistencyLane

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def control(qtbot: QtBot, tmp_path: Path) -> Iterator[SessionControl]:
    with control_of(tmp_path) as made:
        yield made


@pytest.fixture
def timeline(qtbot: QtBot) -> Timeline:
    widget = Timeline()
    qtbot.addWidget(widget)
    widget.set_episode(120, 30.0)
    return widget


@pytest.fixture
def measuring(control: SessionControl, timeline: Timeline) -> ConsistencyControl:
    return ConsistencyControl(timeline, control, control)


def has_lane(timeline: Timeline) -> bool:
    return any(isinstance(lane, ConsistencyLane) for lane in timeline.lanes)


def test_results_are_measured_once_and_shown(
    qtbot: QtBot, control: SessionControl, timeline: Timeline, measuring: ConsistencyControl
) -> None:
    inputs = scene(pose=True)
    assert inputs.tracks is not None
    heard: list[object] = []
    measuring.measured.connect(heard.append)
    show(control, inputs)
    qtbot.waitUntil(lambda: measuring.consistency is not None)
    found = measuring.consistency
    assert found is not None
    assert found.rigid.shape == inputs.tracks.visible.shape
    assert np.isfinite(found.rigid).any()
    assert has_lane(timeline)
    control.document.set_frame(7, "test")
    control.document.select_candidate(1, "test")
    assert heard == [found]


def test_other_results_replace_them_and_none_are_shown_in_between(
    qtbot: QtBot, control: SessionControl, timeline: Timeline, measuring: ConsistencyControl
) -> None:
    show(control, scene())
    qtbot.waitUntil(lambda: has_lane(timeline))
    first = measuring.consistency
    heard: list[object] = []
    measuring.measured.connect(heard.append)
    put_results(control, scene(points=30), suffix="2")
    assert measuring.consistency is None
    assert not has_lane(timeline)
    qtbot.waitUntil(lambda: measuring.consistency is not None)
    second = measuring.consistency
    assert second is not first
    assert second is not None
    assert len(second.candidate) == 90
    assert heard == [None, second]


def test_without_geometry_there_is_no_lane(
    qtbot: QtBot, control: SessionControl, timeline: Timeline, measuring: ConsistencyControl
) -> None:
    show(control, scene())
    qtbot.waitUntil(lambda: has_lane(timeline))
    put_results(control, scene(geometry=False), suffix="2")
    qtbot.waitUntil(lambda: control.background.idle)
    assert measuring.consistency is None
    assert not has_lane(timeline)


def test_a_late_answer_of_another_episode_is_dropped(
    qtbot: QtBot, control: SessionControl, timeline: Timeline, measuring: ConsistencyControl
) -> None:
    inputs = scene()
    show(control, inputs)
    other = replace(inputs.demonstration, ref=replace(inputs.demonstration.ref, episode=9))
    control.document.open_episode(other, ())
    qtbot.waitUntil(lambda: control.background.idle)
    assert measuring.consistency is None
    assert not has_lane(timeline)
