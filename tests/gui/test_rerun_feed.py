"""When a recording is built, of what, and what the 3D panel says meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app import rerun_feed
from app.layout_store import LayoutStore
from app.rerun_feed import BUILDING_TEXT, WAITING_TEXT, RerunFeed, _Built
from app.rerun_layout import RerunLayout
from app.session_control import SessionControl
from pipeline.document import Session, StageFailure
from pipeline.model.problem import DataError
from pipeline.model.subtask import SubtasksResult
from tests.gui.recording_panel import (
    RecordingPanel,
    control_of,
    put_results,
    recording_panel,
)
from tests.rerun_scenes import scene, without
from viewers.rerun_inputs import RerunInputs


@dataclass
class Builds:
    """Stands for the building: notes what is asked for, waits if told to.

    Attributes:
        asked: Sessions, in the order of the builds.
        stopped: Which were told to stop, by the time they ended.
        gate: They end when it is set.
        error: Raised instead.
    """

    asked: list[Session] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def __call__(
        self,
        session: Session,
        source: object,
        dataset: str,
        layouts: RerunLayout,
        cancelled: Callable[[], bool],
    ) -> _Built:
        number = len(self.asked)
        self.asked.append(session)
        assert self.gate.wait(5.0)
        self.stopped.append(cancelled())
        if self.error is not None:
            raise self.error
        return _Built(b"recording %d" % number, "3d", layouts.kept(dataset, "3d"))


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Builds:
    made = Builds()
    made.gate.set()
    monkeypatch.setattr(rerun_feed, "_build", made)
    return made


@pytest.fixture
def control(qtbot: QtBot, tmp_path: Path) -> Iterator[SessionControl]:
    with control_of(tmp_path) as made:
        made.source = object()  # type: ignore[assignment]
        yield made
        made.source = None


@pytest.fixture
def panel() -> Iterator[RecordingPanel]:
    with recording_panel() as made:
        yield made


@pytest.fixture
def layouts(control: SessionControl, panel: RecordingPanel, tmp_path: Path) -> RerunLayout:
    return RerunLayout(panel, LayoutStore(tmp_path / "layouts"), control.background, control)


@pytest.fixture
def feed(
    control: SessionControl, panel: RecordingPanel, layouts: RerunLayout, builds: Builds
) -> RerunFeed:
    made: Any = RerunFeed(control, panel, layouts, control)  # type: ignore[arg-type]
    return made


def be_busy(control: SessionControl, busy: bool) -> None:
    control.jobs._set_busy(busy)


def recordings(panel: RecordingPanel) -> list[bytes]:
    return [order[1] for order in panel.orders if order[0] == "recording"]


def complete(control: SessionControl, inputs: RerunInputs, *, suffix: str = "") -> None:
    """The results of all stages: the made-up ones, any caption and any checks of it."""
    from pipeline.engine.cache import StageOutcome

    put_results(control, inputs, suffix=suffix)
    for stage in ("captions", "checks"):
        node = control.document.node(stage)
        control.document.put_result(StageOutcome(*node, f"{stage}{suffix}", object(), 0.1, False))


def test_nothing_is_built_before_the_run_has_ended(
    qtbot: QtBot, feed: RerunFeed, panel: RecordingPanel, control: SessionControl, builds: Builds
) -> None:
    inputs = scene()
    control.document.open_episode(inputs.demonstration, ())
    be_busy(control, True)
    put_results(control, inputs)
    assert panel.message == WAITING_TEXT
    assert builds.asked == []
    builds.gate.clear()
    complete(control, inputs)  # The selected subtask is done, others may follow.
    assert panel.message == BUILDING_TEXT
    builds.gate.set()
    qtbot.waitUntil(lambda: recordings(panel) == [b"recording 0"], timeout=5000)
    be_busy(control, False)
    control.jobEnded.emit("done")
    assert len(builds.asked) == 1


def test_a_run_that_changes_nothing_leaves_what_the_panel_says(
    qtbot: QtBot, feed: RerunFeed, panel: RecordingPanel, control: SessionControl, builds: Builds
) -> None:
    builds.error = DataError("no_video", "the pictures cannot be read")
    inputs = without(scene(), "scores", "target")
    control.document.open_episode(inputs.demonstration, ())
    put_results(control, inputs)
    qtbot.waitUntil(lambda: "cannot be read" in panel.message, timeout=5000)
    qtbot.waitUntil(lambda: control.background.idle, timeout=5000)
    asked = len(builds.asked)
    be_busy(control, True)
    assert panel.message == WAITING_TEXT
    be_busy(control, False)
    assert "cannot be read" in panel.message
    assert len(builds.asked) == asked


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_what_exists_is_shown_when_a_run_ends_early(
    qtbot: QtBot,
    feed: RerunFeed,
    panel: RecordingPanel,
    control: SessionControl,
    builds: Builds,
    how: str,
) -> None:
    inputs = without(scene(), "scores", "target", "robot")
    control.document.open_episode(inputs.demonstration, ())
    be_busy(control, True)
    put_results(control, inputs)
    be_busy(control, False)
    control.jobEnded.emit(how)
    qtbot.waitUntil(lambda: len(recordings(panel)) == 1, timeout=5000)
    assert builds.asked[0].result("lifting") is not None
    assert builds.asked[0].result("scores") is None


def test_results_of_earlier_ones_that_are_gone_are_left_out(
    qtbot: QtBot, feed: RerunFeed, panel: RecordingPanel, control: SessionControl, builds: Builds
) -> None:
    inputs = scene()
    control.document.open_episode(inputs.demonstration, ())
    complete(control, inputs)
    qtbot.waitUntil(lambda: control.background.idle, timeout=5000)
    # Another run, cancelled after its proposals: tracks and scores are of other candidates.
    be_busy(control, True)
    node = control.document.node("proposals")
    outcome = control.document.session.results[node]
    control.document.put_result(replace(outcome, key="other"))
    shown = len(builds.asked)
    be_busy(control, False)
    control.jobEnded.emit("cancelled")
    qtbot.waitUntil(lambda: control.background.idle, timeout=5000)
    assert len(builds.asked) == shown + 1
    last = builds.asked[-1]
    assert last.result("proposals") is not None
    assert last.result("tracks") is None
    assert last.result("scores") is None
    assert last.result("phases") is not None


def test_the_same_results_are_built_once(
    qtbot: QtBot, feed: RerunFeed, panel: RecordingPanel, control: SessionControl, builds: Builds
) -> None:
    inputs = scene()
    control.document.open_episode(inputs.demonstration, ())
    be_busy(control, True)
    complete(control, inputs)
    be_busy(control, False)
    for _ in range(5):
        control.jobEnded.emit("done")
        feed.refresh()
    qtbot.waitUntil(lambda: control.background.idle, timeout=5000)
    assert len(builds.asked) == 1


def test_changed_results_replace_the_recording_without_a_gap(
    qtbot: QtBot, feed: RerunFeed, panel: RecordingPanel, control: SessionControl, builds: Builds
) -> None:
    inputs = scene()
    control.document.open_episode(inputs.demonstration, ())
    be_busy(control, True)
    complete(control, inputs)
    be_busy(control, False)
    qtbot.waitUntil(lambda: len(recordings(panel)) == 1, timeout=5000)
    panel.taken()
    be_busy(control, True)
    complete(control, inputs, suffix=" again")
    be_busy(control, False)
    qtbot.waitUntil(lambda: len(recordings(panel)) == 1, timeout=5000)
    assert [order[0] for order in panel.taken()] == ["recording"]  # never cleared


def test_the_newest_wins_and_the_older_build_is_told_to_stop(
    qtbot: QtBot, feed: RerunFeed, panel: RecordingPanel, control: SessionControl, builds: Builds
) -> None:
    inputs = scene()
    control.document.open_episode(inputs.demonstration, ())
    builds.gate.clear()
    be_busy(control, True)
    complete(control, inputs)
    complete(control, inputs, suffix=" again")
    qtbot.waitUntil(lambda: len(builds.asked) == 2, timeout=5000)
    builds.gate.set()
    qtbot.waitUntil(lambda: control.background.idle, timeout=5000)
    qtbot.waitUntil(lambda: len(builds.stopped) == 2, timeout=5000)
    assert sorted(builds.stopped) == [False, True]
    assert recordings(panel) == [b"recording 1"]


def test_another_episode_drops_the_recording_and_stops_its_build(
    qtbot: QtBot, feed: RerunFeed, panel: RecordingPanel, control: SessionControl, builds: Builds
) -> None:
    inputs = scene()
    control.document.open_episode(inputs.demonstration, ())
    builds.gate.clear()
    be_busy(control, True)
    complete(control, inputs)
    qtbot.waitUntil(lambda: len(builds.asked) == 1, timeout=5000)
    panel.taken()
    be_busy(control, False)
    control.document.open_episode(inputs.demonstration, ())
    assert panel.taken()[0][0] == "clear"
    builds.gate.set()
    qtbot.waitUntil(lambda: builds.stopped == [True], timeout=5000)
    qtbot.waitUntil(lambda: control.background.idle, timeout=5000)
    assert recordings(panel) == []


def test_a_failed_build_says_why_and_is_not_tried_again(
    qtbot: QtBot, feed: RerunFeed, panel: RecordingPanel, control: SessionControl, builds: Builds
) -> None:
    builds.error = DataError("no_video", "the pictures cannot be read")
    inputs = scene()
    control.document.open_episode(inputs.demonstration, ())
    be_busy(control, True)
    complete(control, inputs)
    be_busy(control, False)
    qtbot.waitUntil(lambda: "cannot be read" in panel.message, timeout=5000)
    assert panel.message == "No 3D view: the pictures cannot be read"
    feed.refresh()
    qtbot.waitUntil(lambda: control.background.idle, timeout=5000)
    assert len(builds.asked) == 1
    assert panel.message == "No 3D view: the pictures cannot be read"
    builds.error = None
    assert feed.try_again()  # unless the user wants it
    qtbot.waitUntil(lambda: len(recordings(panel)) == 1, timeout=5000)
    assert not feed.try_again()


def test_a_run_without_candidates_says_what_failed(
    qtbot: QtBot, feed: RerunFeed, panel: RecordingPanel, control: SessionControl, builds: Builds
) -> None:
    control.document.open_episode(scene().demonstration, ())
    control.document.put_failure(("phases", -1), StageFailure("no_gripper", "no gripper channel"))
    control.jobEnded.emit("failed")
    assert panel.message == "No 3D view: no gripper channel"
    assert builds.asked == []


def test_the_kept_layout_comes_with_the_next_recording(
    qtbot: QtBot,
    feed: RerunFeed,
    panel: RecordingPanel,
    control: SessionControl,
    layouts: RerunLayout,
    builds: Builds,
) -> None:
    inputs = scene()
    assert isinstance(inputs.subtasks, SubtasksResult | None)
    given: list[object] = []
    feed.recordingGiven.connect(lambda: given.append(panel.orders[-1]))
    control.document.open_episode(inputs.demonstration, ())
    be_busy(control, True)
    complete(control, inputs)
    qtbot.waitUntil(lambda: len(given) == 1, timeout=5000)
    panel.layoutChanged.emit("mine")
    be_busy(control, False)
    control.document.open_episode(inputs.demonstration, ())
    be_busy(control, True)
    complete(control, inputs)
    qtbot.waitUntil(lambda: len(given) == 2, timeout=5000)
    assert given == [("recording", b"recording 0", ""), ("recording", b"recording 1", "mine")]
