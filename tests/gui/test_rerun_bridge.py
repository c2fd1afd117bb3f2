"""The bridge against a page and a viewer that are played by the test."""

from __future__ import annotations

from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from tests.gui.rerun_fake import FakePage, open_page, starting_page

POINTS = "/world/candidates/1/points"


@pytest.fixture
def starting(qtbot: QtBot) -> FakePage:
    return starting_page()


@pytest.fixture
def page(qtbot: QtBot) -> FakePage:
    return open_page(qtbot)


class TestTime:
    def test_a_recording_opens_paused_at_the_frame(self, starting: FakePage) -> None:
        page = starting
        page.say("play")
        page.say("time_update", time=1.0)
        page.say("recording_open", application_id="a:b", recording_id="one")
        (order,) = page.of("time")
        assert (order.frame, order.playing) == (40, False)
        assert not page.bridge.is_open
        page.answer_all()
        assert page.bridge.is_open
        assert page.emitted == [("opened",)]

    def test_a_recording_whose_data_have_not_arrived_is_asked_again(
        self, qtbot: QtBot, starting: FakePage
    ) -> None:
        page = starting
        page.answer()
        page.say("recording_open", application_id="demoscope", recording_id="one")
        page.refuse(page.waiting[-1], "recording one has no timelines yet")
        qtbot.waitUntil(lambda: len(page.of("time")) == 2)
        page.answer_all()
        assert page.emitted == [("opened",)]

    def test_the_first_step_goes_at_once_and_of_those_that_follow_the_newest(
        self, qtbot: QtBot, page: FakePage
    ) -> None:
        for frame in (3, 4, 5):
            page.bridge.time.set_frame(frame)
        assert [order.frame for order in page.of("time")] == [3]
        page.answer_all()
        qtbot.waitUntil(lambda: len(page.of("time")) == 2)
        page.answer_all()
        assert page.of("time")[1].frame == 5
        assert page.bridge.is_settled
        assert page.emitted == []

    def test_a_frame_set_while_a_recording_opens_arrives(self, starting: FakePage) -> None:
        starting.say("recording_open", application_id="a", recording_id="one")
        starting.bridge.time.set_frame(41)
        starting.answer_all()
        assert starting.of("time")[-1].frame == 41

    def test_the_viewers_own_move_is_told_once(self, page: FakePage) -> None:
        page.say("time_update", time=17.5)
        page.say("time_update", time=17.9)
        assert page.emitted == [("frameChanged", 17)]
        page.bridge.time.set_frame(17)  # the window follows
        assert page.of("time") == []

    def test_a_click_while_an_order_is_under_way_is_not_lost(self, page: FakePage) -> None:
        page.bridge.time.set_frame(5)
        page.say("time_update", time=5.0)
        page.say("time_update", time=80.0)  # after our order, before its answer
        (order,) = page.waiting
        page.state = (5, False)
        page.answer(order)
        assert page.emitted == [("frameChanged", 80)]

    def test_a_click_that_our_order_overtook_is_not_told(self, page: FakePage) -> None:
        page.bridge.time.set_frame(5)
        page.say("time_update", time=80.0)
        page.answer()
        assert page.emitted == []

    def test_a_late_echo_is_not_told(self, page: FakePage) -> None:
        page.bridge.time.set_frame(5)
        page.answer()
        page.say("time_update", time=5.0)
        assert page.emitted == []

    def test_while_playing_time_is_fractional_and_late_frames_do_no_harm(
        self, page: FakePage
    ) -> None:
        page.say("play")
        page.say("time_update", time=41.25)
        page.say("time_update", time=42.5)
        page.bridge.time.set_frame(41)
        assert page.of("time") == []
        assert page.emitted == [
            ("playingChanged", True),
            ("frameChanged", 41),
            ("timeChanged", 41.25),
            ("frameChanged", 42),
            ("timeChanged", 42.5),
        ]

    def test_when_it_stops_between_two_frames_both_agree_on_one(self, page: FakePage) -> None:
        page.say("play")
        page.say("time_update", time=42.5)
        page.emitted.clear()
        page.say("pause")
        page.state = (43, False)  # it had gone on
        page.answer_all()
        assert page.emitted == [("playingChanged", False), ("frameChanged", 43)]
        assert (page.of("time")[-1].frame, page.of("time")[-1].playing) == (43, False)

    def test_the_window_plays_and_pauses_without_echo(self, page: FakePage) -> None:
        page.bridge.time.set_playing(True)
        page.answer_all()
        assert page.of("time")[-1].playing
        page.say("time_update", time=41.5)
        page.bridge.time.set_playing(False)
        page.say("time_update", time=41.9)
        page.answer_all()
        assert page.state == (41, False)
        assert page.emitted == [("frameChanged", 41), ("timeChanged", 41.5)]

    def test_it_stops_where_the_window_went_last(self, page: FakePage) -> None:
        page.say("play")
        for frame in (41, 42, 43):
            page.say("time_update", time=frame + 0.5)
        page.bridge.time.set_frame(41)  # a click in the window's own timeline, then a pause
        page.bridge.time.set_playing(False)
        page.answer_all()
        assert page.state == (41, False)
        assert page.bridge.time.frame == 41

    def test_other_timelines_do_not_move_the_window(self, page: FakePage) -> None:
        page.say("timeline_change", timeline="time", time=2.5e9)
        page.say("time_update", time=2.6e9)
        assert page.emitted == []
        page.say("timeline_change", timeline="frame", time=9.0)
        assert page.emitted == [("frameChanged", 9)]


class TestSelection:
    def test_of_several_the_newest_wins_and_nothing_comes_back(self, page: FakePage) -> None:
        for instance in range(5):
            page.bridge.selection.set_selection(POINTS, instance)
        page.answer_all()
        urls = [order.url for order in page.of("open")]
        assert urls == [f"recording:/{POINTS}[#0]", f"recording:/{POINTS}[#4]"]
        assert page.emitted == []
        assert page.bridge.is_settled

    def test_a_click_is_told_with_its_instance(self, page: FakePage) -> None:
        page.select(POINTS, 7)
        page.bridge.selection.set_selection(POINTS, 7)  # the window follows
        page.select("world/gripper")
        assert page.emitted == [
            ("entitySelected", POINTS, 7),
            ("entitySelected", "/world/gripper", -1),
        ]
        assert page.of("open") == []

    def test_a_click_while_an_order_is_under_way_is_told(self, page: FakePage) -> None:
        page.bridge.selection.set_selection(POINTS, 1)
        page.select(POINTS, 9)
        assert page.emitted == [("entitySelected", POINTS, 9)]
        page.answer_all()  # ours came after it: the newest is put back
        assert page.emitted == [("entitySelected", POINTS, 9)]
        assert page.of("open")[-1].url.endswith("[#9]")

    def test_nothing_is_selected_by_the_escape_key(self, page: FakePage) -> None:
        page.bridge.selection.set_selection(POINTS)
        page.bridge.selection.set_selection("")
        page.answer_all()
        assert [order.kind for order in page.orders] == ["open", "deselect"]
        assert page.emitted == []

    def test_the_user_ends_the_selection(self, page: FakePage) -> None:
        page.select(POINTS, 2)
        page.say("selection_change", items=[])
        assert page.emitted[-1] == ("entitySelected", "", -1)

    def test_a_view_is_no_entity_but_ours_is_selected_again(self, page: FakePage) -> None:
        page.select(POINTS, 2)
        page.say("selection_change", items=[{"type": "view", "view_name": "3D"}])
        assert len(page.emitted) == 1
        page.bridge.selection.set_selection(POINTS, 2)
        assert len(page.of("open")) == 1

    def test_a_refused_entity_is_not_tried_for_ever(self, page: FakePage) -> None:
        page.bridge.selection.set_selection("world/?")
        page.refuse(page.waiting[0], "no such thing")
        assert page.waiting == []
        page.bridge.selection.set_selection(POINTS)
        assert len(page.waiting) == 1

    def test_it_waits_for_the_recording_and_is_kept_for_the_next(self, starting: FakePage) -> None:
        starting.bridge.selection.set_selection(POINTS, 3)
        assert len(starting.of("open")) == 1
        starting.open()
        assert starting.of("open")[-1].url == f"recording:/{POINTS}[#3]"
        starting.bridge.open("http://127.0.0.1/two")
        starting.say("selection_change", items=[])  # the viewer clears it with the recording
        starting.open("two")
        assert starting.of("open")[-1].url == f"recording:/{POINTS}[#3]"
        assert [event[0] for event in starting.emitted] == ["opened", "opened"]


class TestRecordings:
    def test_the_one_before_is_closed_when_the_next_is_there(self, page: FakePage) -> None:
        page.bridge.open("http://127.0.0.1/two")
        assert page.of("close") == []
        page.open("two", "a:b")
        assert [order.store for order in page.of("close")] == ["Recording:demoscope:one"]
        assert page.bridge.recording == ("a:b", "two")
        page.bridge.close_recording()
        assert page.of("close")[-1].store == "Recording:a\\:b:two"
        assert page.bridge.recording is None

    def test_of_ten_in_a_row_the_newest_is_shown(self, starting: FakePage) -> None:
        page = starting
        for number in range(10):
            page.bridge.open(f"http://127.0.0.1/{number}")
        page.say("recording_open", application_id="demoscope", recording_id="one")  # too late
        page.answer_all()
        loaded = [order.url for order in page.of("open")]
        assert loaded == ["http://127.0.0.1/one", "http://127.0.0.1/9"]
        assert len(page.of("close")) == 1
        page.open("nine")
        assert page.bridge.recording == ("demoscope", "nine")
        assert page.emitted == [("opened",)]

    def test_cleared_while_it_loads(self, starting: FakePage) -> None:
        starting.bridge.close_recording()
        starting.answer_all()
        starting.open("late")
        assert starting.of("close")[-1].store == "Recording:demoscope:late"
        assert starting.emitted == []

    def test_cleared_while_the_next_one_but_one_waits(self, page: FakePage) -> None:
        shown = f"Recording:{page.bridge.recording[0]}:{page.bridge.recording[1]}"
        page.bridge.open("http://127.0.0.1/two")
        page.bridge.open("http://127.0.0.1/three")  # cancels the second one
        page.bridge.close_recording()
        assert shown in [o.store for o in page.of("close") if 3 in o.content]
        page.answer_all()
        assert page.emitted == []

    def test_a_page_that_answers_nothing_is_not_asked_again(
        self, qtbot: QtBot, starting: FakePage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        starting.bridge._doubt.setInterval(1)
        starting.bridge.open("http://127.0.0.1/one")
        starting.answer_all()
        starting.bridge._doubt.start()
        qtbot.waitUntil(lambda: bool(starting.of("logs")))
        assert not starting.bridge._doubt.isActive()
        starting.answer_all()
        qtbot.waitUntil(lambda: len(starting.of("logs")) == 2)

    def test_the_next_one_while_the_first_is_placed(self, starting: FakePage) -> None:
        page = starting
        page.answer_all()
        page.say("recording_open", application_id="demoscope", recording_id="one")
        page.bridge.open("http://127.0.0.1/two")
        page.answer_all()
        assert page.emitted == []
        page.open("two")
        assert page.emitted == [("opened",)]
        assert page.bridge.recording == ("demoscope", "two")

    def test_a_recording_that_cannot_be_read_is_one_sentence(
        self, qtbot: QtBot, starting: FakePage
    ) -> None:
        starting.answer_all()
        url = "http://127.0.0.1/one"
        starting.errors = [f"Data source failed: Not an RRD file, url: {url}\n- Source: {url}"]
        qtbot.waitUntil(lambda: bool(starting.of("logs")))
        starting.answer_all()
        ((name, sentence),) = starting.emitted
        assert name == "failed"
        assert "Not an RRD file" in sentence
        assert "http" not in sentence

    def test_the_same_recording_again_is_noticed(self, qtbot: QtBot, page: FakePage) -> None:
        page.recordings = ["Recording:demoscope:one"]
        page.bridge.open("http://127.0.0.1/the-same")
        page.answer_until(qtbot, lambda: bool(page.emitted))
        assert page.emitted == [("opened",)]
        assert page.of("close") == []

    def test_renewed_it_is_paused_at_our_frame_in_its_own_layout(
        self, qtbot: QtBot, page: FakePage
    ) -> None:
        page.say("play")
        page.say("time_update", time=44.0)
        page.emitted.clear()
        page.bridge.renew("")
        page.answer_until(qtbot, lambda: bool(page.emitted))
        assert page.emitted == [("opened",)]
        assert page.state == (44, False)
        assert len(page.of("command")) == 1

    def test_a_viewer_that_hangs_is_noticed_while_it_is_seen(
        self, qtbot: QtBot, page: FakePage
    ) -> None:
        page.bridge._requests._stall.setInterval(20)
        page.bridge.time.set_frame(3)
        page.bridge.set_watched(True)
        page.bridge.set_watched(False)
        with qtbot.assertNotEmitted(page.bridge.failed, wait=60):
            pass
        with qtbot.waitSignal(page.bridge.failed):
            page.bridge.set_watched(True)

    def test_additions_belong_to_the_open_recording(self, page: FakePage) -> None:
        page.bridge.add(b"rrd")
        assert page.said[-1] == {"type": "add", "data": "cnJk"}
        page.bridge.close_recording()
        page.said.clear()
        page.bridge.add(b"rrd")
        assert page.said == []

    def test_state_and_screenshot(self, page: FakePage) -> None:
        got: list[Any] = []
        page.bridge.ask_state(got.append)
        page.bridge.take_screenshot(got.append)
        page.answer_all()
        assert (got[0].frame, got[0].playing, got[0].timeline) == (40, False, "frame")
        assert got[1] == b"\x89PNG picture"

    def test_without_a_viewer_there_is_no_state(self, qtbot: QtBot, page: FakePage) -> None:
        got: list[Any] = []
        page.bridge.ask_state(got.append)
        page.bridge.take_screenshot(got.append)
        page.bridge.reset()
        page.bridge.ask_state(got.append)
        assert got == [None, None, None]


class TestUntrusted:
    @pytest.mark.parametrize(
        ("said", "memory"), [(7 << 20, 7 << 20), (-5, 0), ("many", 0), (2**60, 0), (True, 0)]
    )
    def test_memory_is_a_number_or_nothing(self, page: FakePage, said: Any, memory: int) -> None:
        page.say("memory", bytes=said)
        assert page.bridge.memory == memory

    def test_a_new_page_has_taken_nothing_yet(self, page: FakePage) -> None:
        page.say("memory", bytes=1 << 30)
        page.bridge.reset()
        assert page.bridge.memory == 0

    @pytest.mark.parametrize(
        "line",
        [
            *("", "{", "[]", "{}", "7", "null", '{"type": 7}', "[" * 100_000),
            '{"type": "time_update"}',
            '{"type": "time_update", "time": "17"}',
            '{"type": "time_update", "time": 1e400}',
            '{"type": "time_update", "time": 1099511627776}',
            f'{{"type": "time_update", "time": {10**400}}}',
            f'{{"type": "answer", "number": {10**400}}}',
            '{"type": "time_update", "time": NaN}',
            '{"type": "time_update", "time": true}',
            '{"type": "selection_change", "items": 3}',
            '{"type": "selection_change", "items": [3, null, {"type": "entity"}]}',
            '{"type": "selection_change", "items": [{"type": "entity", "entity_path": [1]}]}',
            '{"type": "answer"}',
            '{"type": "answer", "number": "x", "data": 7}',
            '{"type": "answer", "number": 1e15, "data": "###"}',
            '{"type": "refused", "number": -4}',
            '{"type": "drawn", "ms": "soon"}',
            '{"type": "deleteLater"}',
        ],
    )
    def test_nonsense_is_ignored(self, page: FakePage, line: str) -> None:
        page.bridge.take_line(line)
        assert page.emitted == []
        assert page.waiting == []

    def test_a_wrong_answer_is_no_answer(self, page: FakePage) -> None:
        got: list[Any] = []
        for data in ("", "AAAA", "/////w==", "Kg=="):
            page.bridge.ask_state(got.append)
            order = page.waiting.pop()
            page.say("answer", number=order.number, data=data)
            page.say("answer", number=order.number, data=data)  # nobody asked twice
        assert got == [None] * 4

    def test_an_instance_is_a_small_number(self, page: FakePage) -> None:
        for instance in (-5, 2**40, "3", 1.5, True):
            item = {"type": "entity", "entity_path": "/a", "instance_id": instance}
            page.say("selection_change", items=[item])
        assert page.emitted == [("entitySelected", "/a", -1)]

    def test_a_panic_is_one_short_sentence(self, page: FakePage) -> None:
        page.say("failed", message="panicked at 'x'\n" + "stack " * 900)
        assert page.emitted == [("failed", "panicked at 'x'")]

    def test_the_page_reaches_one_slot_only(self, page: FakePage) -> None:
        meta = page.bridge.channel.metaObject()
        own = [
            meta.method(i).name().data().decode()
            for i in range(meta.methodOffset(), meta.methodCount())
        ]
        assert sorted(own) == ["fromViewer", "toViewer"]
