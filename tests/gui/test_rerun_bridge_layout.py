"""Layout and loop of the bridge, against a page that is played by the test."""

from __future__ import annotations

import json

import pytest
from pytestqt.qtbot import QtBot

from tests.gui.rerun_fake import LAYOUT, FakePage, open_page, starting_page
from viewers.rerun_layout import layout_of

KEPT = layout_of(
    json.dumps(
        {
            **LAYOUT,
            "/view/v/EyeControls3D": {"EyeControls3D": {"position": [1, 2, 3]}},
        }
    )
).text


@pytest.fixture
def starting(qtbot: QtBot) -> FakePage:
    return starting_page()


@pytest.fixture
def page(qtbot: QtBot) -> FakePage:
    return open_page(qtbot)


class TestLayoutAndLoop:
    def touch(self, page: FakePage, qtbot: QtBot) -> None:
        page.say("touched")
        qtbot.waitUntil(lambda: bool(page.waiting))
        page.answer_all()

    def test_what_the_user_changes_is_told(self, qtbot: QtBot, page: FakePage) -> None:
        page.blueprint["/container/c"]["ContainerBlueprint"]["active_tab"] = "view/v"
        self.touch(page, qtbot)
        ((name, text),) = page.emitted
        assert name == "layoutChanged"
        assert page.bridge.layouts.layout == text
        assert "time_panel" not in text
        assert json.loads(text)["/container/c"]["ContainerBlueprint"]["active_tab"] == "view/v"
        self.touch(page, qtbot)
        assert len(page.emitted) == 1

    def test_time_panel_is_no_layout(self, qtbot: QtBot, page: FakePage) -> None:
        page.blueprint["/time_panel"]["TimePanelBlueprint"]["play_state"] = "Playing"
        self.touch(page, qtbot)
        assert page.emitted == []

    def test_a_kept_layout_is_put_in_before_the_recording_is_shown(
        self, starting: FakePage
    ) -> None:
        page = starting
        page.bridge.open("http://127.0.0.1/two", KEPT)
        page.answer_all()
        page.open("two")
        (order,) = page.of("set_blueprint")
        panel = order.json.pop("/time_panel")["TimePanelBlueprint"]
        assert panel == {"fps": 30.0, "timeline": "frame", "play_state": "Paused"}
        assert layout_of(json.dumps(order.json)).text == KEPT
        assert page.emitted == [("opened",)]

    @pytest.mark.parametrize("kept", ["{", "[]", '{"/view/x": 7}', KEPT.replace("world", "moon")])
    def test_a_layout_that_does_not_fit_is_the_recordings_own(
        self, qtbot: QtBot, starting: FakePage, kept: str
    ) -> None:
        starting.bridge.open("http://127.0.0.1/two", kept)
        starting.answer_all()
        starting.say("recording_open", application_id="demoscope", recording_id="two")
        starting.answer_until(qtbot, lambda: bool(starting.emitted))
        assert starting.of("set_blueprint") == []
        assert len(starting.of("command")) == 1
        assert starting.emitted == [("opened",)]

    def test_a_layout_fits_once_the_recordings_entities_have_arrived(
        self, qtbot: QtBot, starting: FakePage
    ) -> None:
        starting.bridge.open("http://127.0.0.1/two", KEPT)
        entities, starting.entities = starting.entities, ["/note"]
        starting.answer_all()
        starting.say("recording_open", application_id="demoscope", recording_id="two")
        starting.answer_until(qtbot, lambda: bool(starting.of("entities")))
        starting.entities = entities
        starting.answer_until(qtbot, lambda: bool(starting.emitted))
        assert len(starting.of("set_blueprint")) == 1
        assert starting.emitted == [("opened",)]

    def test_a_refused_layout_is_the_recordings_own(self, starting: FakePage) -> None:
        page = starting
        page.bridge.open("http://127.0.0.1/two", KEPT)
        page.answer_all()
        page.say("recording_open", application_id="demoscope", recording_id="two")
        while not page.of("set_blueprint"):
            page.answer()
        page.refuse(page.of("set_blueprint")[0], "broken references")
        page.answer_all()
        assert len(page.of("command")) == 1
        assert page.emitted == [("opened",)]

    def test_set_layout_at_once_and_reset(self, qtbot: QtBot, page: FakePage) -> None:
        page.bridge.layouts.set_layout(KEPT)
        page.answer_all()
        qtbot.waitUntil(lambda: bool(page.waiting))
        page.answer_all()
        assert page.bridge.layouts.layout == KEPT
        page.bridge.layouts.set_layout("")
        page.answer_all()
        qtbot.waitUntil(lambda: bool(page.waiting))
        page.answer_all()
        assert page.bridge.layouts.layout == layout_of(json.dumps(LAYOUT)).text
        assert page.emitted == []

    def test_loop_of_the_window(self, qtbot: QtBot, page: FakePage) -> None:
        page.bridge.layouts.set_loop((30, 60))
        page.answer_all()
        panel = page.blueprint["/time_panel"]["TimePanelBlueprint"]
        assert panel["loop_mode"] == "Selection"
        assert panel["time_selection"] == {"min": 30, "max": 60}
        self.touch(page, qtbot)
        page.bridge.layouts.set_loop(None)
        page.answer_all()
        assert panel["loop_mode"] == "Off"
        assert page.emitted == []

    def test_loop_of_the_user(self, qtbot: QtBot, page: FakePage) -> None:
        panel = page.blueprint["/time_panel"]["TimePanelBlueprint"]
        panel.update(loop_mode="Selection", time_selection={"min": 12.2, "max": 20})
        self.touch(page, qtbot)
        panel["loop_mode"] = "Off"
        self.touch(page, qtbot)
        assert page.emitted == [("loopChanged", 12, 20), ("loopChanged", None, None)]

    def test_the_loop_is_kept_for_the_next_recording(
        self, qtbot: QtBot, starting: FakePage
    ) -> None:
        starting.bridge.layouts.set_loop((3, 9))
        starting.open()
        qtbot.waitUntil(lambda: bool(starting.waiting))
        starting.answer_all()
        panel = starting.blueprint["/time_panel"]["TimePanelBlueprint"]
        assert panel["time_selection"] == {"min": 3, "max": 9}

    def test_what_was_asked_before_a_change_of_ours_is_not_taken_for_the_users(
        self, qtbot: QtBot, page: FakePage
    ) -> None:
        page.say("touched")
        qtbot.waitUntil(lambda: bool(page.waiting))
        page.bridge.layouts.set_loop((30, 60))
        page.answer_all()
        assert page.emitted == []
