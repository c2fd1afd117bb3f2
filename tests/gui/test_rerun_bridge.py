"""The bridge against a page that is played by the test."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from viewers.rerun_bridge import RerunBridge


class FakePage:
    """Answers as the page does, when told to."""

    def __init__(self, bridge: RerunBridge) -> None:
        self.bridge = bridge
        self.orders: list[dict[str, Any]] = []
        self.emitted: list[tuple[str, Any]] = []
        bridge.toViewer.connect(lambda line: self.orders.append(json.loads(line)))
        for name in ("frameChanged", "playingChanged", "entitySelected"):
            signal = getattr(bridge, name)
            signal.connect(lambda value, name=name: self.emitted.append((name, value)))

    def say(self, kind: str, **fields: Any) -> None:
        self.bridge.fromViewer(json.dumps({"type": kind, **fields}))

    def time_orders(self) -> list[dict[str, Any]]:
        return [order for order in self.orders if order["type"] == "time"]

    def finish(self) -> None:
        """Carry out the newest order."""
        self.say("done", number=self.time_orders()[-1]["number"])


@pytest.fixture
def page(qtbot: QtBot) -> FakePage:
    bridge = RerunBridge()
    page = FakePage(bridge)
    page.say("ready")
    bridge.open("http://127.0.0.1/recording")
    page.say("recording_open", application_id="demoscope", recording_id="one")
    page.finish()
    page.orders.clear()
    return page


def test_scrubbing_sends_the_newest_and_hears_no_echo(qtbot: QtBot, page: FakePage) -> None:
    for frame in (3, 4, 5):
        page.bridge.set_frame(frame)
    qtbot.waitUntil(lambda: len(page.time_orders()) == 1)
    assert page.time_orders()[0]["frame"] == 5
    page.say("time_update", time=4.0)  # a late answer to an order before
    page.say("time_update", time=5.0)
    page.finish()
    page.say("time_update", time=5.0)
    assert page.emitted == []


def test_the_viewers_own_move_is_told_once(qtbot: QtBot, page: FakePage) -> None:
    page.say("time_update", time=17.5)
    page.say("time_update", time=17.9)
    assert page.emitted == [("frameChanged", 17)]
    page.bridge.set_frame(17)  # the window follows
    assert page.bridge.is_settled
    assert page.time_orders() == []


def test_playback_is_not_disturbed_by_frames_handed_back_late(page: FakePage) -> None:
    page.say("play")
    page.say("time_update", time=1.0)
    page.say("time_update", time=2.0)
    page.bridge.set_frame(1)
    assert page.bridge.frame == 2
    assert page.bridge.is_settled
    assert page.emitted == [("playingChanged", True), ("frameChanged", 1), ("frameChanged", 2)]


def test_a_recording_opens_paused_at_the_frame(qtbot: QtBot) -> None:
    bridge = RerunBridge()
    page = FakePage(bridge)
    bridge.set_frame(40)
    page.say("ready")
    bridge.open("http://127.0.0.1/recording")
    page.say("play")
    page.say("time_update", time=1.0)
    page.say("recording_open", application_id="a:b", recording_id="one")
    assert page.orders[-1]["frame"] == 40
    assert page.orders[-1]["playing"] is False
    with qtbot.waitSignal(bridge.opened):
        # Announced before its data have arrived: asked again until it takes the order.
        page.say("refused", message="recording one has no timelines yet")
        page.finish()
        qtbot.waitUntil(lambda: len(page.time_orders()) == 2)
        page.finish()
    assert page.emitted == []


def test_an_order_to_the_recording_before_does_not_open_the_next(
    qtbot: QtBot, page: FakePage
) -> None:
    page.bridge.set_frame(8)
    qtbot.waitUntil(lambda: bool(page.time_orders()))
    with qtbot.assertNotEmitted(page.bridge.opened):
        page.bridge.open("http://127.0.0.1/second")
        page.finish()
    page.say("recording_open", application_id="demoscope", recording_id="two")
    assert {"type": "close", "store": "Recording:demoscope:one"} in page.orders
    with qtbot.waitSignal(page.bridge.opened):
        page.finish()


def test_other_timelines_do_not_move_the_window(page: FakePage) -> None:
    page.say("timeline_change", timeline="time", time=2.5e9)
    page.say("time_update", time=2.6e9)
    assert page.emitted == []
    page.say("timeline_change", timeline="frame", time=9.0)
    assert page.emitted == [("frameChanged", 9)]


def test_selection_gives_the_entity(page: FakePage) -> None:
    page.say(
        "selection_change",
        items=[{"type": "view", "view_name": "3D"}, {"type": "entity", "entity_path": "/world/x"}],
    )
    assert page.emitted == [("entitySelected", "/world/x")]


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", "7"])
def test_nonsense_is_ignored(page: FakePage, line: str) -> None:
    page.bridge.fromViewer(line)
    assert page.emitted == []


def test_a_calm_viewer_moves_seldom_and_ends_at_the_newest(qtbot: QtBot, page: FakePage) -> None:
    page.bridge.set_calm(True)
    steps = iter(range(1, 10_000))
    timer = QTimer()
    timer.timeout.connect(lambda: page.bridge.set_frame(next(steps)))
    timer.start(10)
    # It moves although the cursor never rests, but not at every step.
    qtbot.waitUntil(lambda: len(page.time_orders()) == 2, timeout=10_000)
    timer.stop()
    assert page.bridge.frame > 6
    qtbot.waitUntil(lambda: page.time_orders()[-1]["frame"] == page.bridge.frame)


def test_additions_belong_to_the_open_recording(page: FakePage) -> None:
    assert page.bridge.recording == ("demoscope", "one")
    page.bridge.add(b"rrd")
    assert page.orders == [{"type": "add", "data": "cnJk"}]
    page.bridge.close_recording()
    page.orders.clear()
    page.bridge.add(b"rrd")
    assert page.bridge.recording is None
    assert page.orders == []
