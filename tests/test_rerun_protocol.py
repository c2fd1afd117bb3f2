"""Orders to Rerun's viewer as bytes, its answers, and layouts as JSON."""

from __future__ import annotations

import json

import pytest

from viewers import rerun_protocol as protocol
from viewers.rerun_layout import (
    LONGEST_LAYOUT,
    layout_of,
    loop_text,
    shows_anything,
    with_time_panel,
)
from viewers.rerun_protocol import ProtocolError, fields


def test_time_is_written_as_protobuf_has_it() -> None:
    request = protocol.time_request(300, playing=True)
    assert request == bytes.fromhex("3210 12070a056672616d65 1a0308ac02 2802")


@pytest.mark.parametrize("frame", [0, 1, 127, 128, 70_000, -1, 2**40])
def test_a_frame_survives_the_way_there_and_back(frame: int) -> None:
    ((_, content),) = fields(protocol.time_request(frame, playing=False))
    assert isinstance(content, bytes)
    time = dict(fields(content))[3]
    answer = protocol._message(6, protocol._message(4, time))
    assert protocol.frame_of(answer) == frame


def test_a_selection_is_a_link_into_the_recording() -> None:
    assert b"recording://world/a/points[#3]" in protocol.selection_request("/world/a/points", 3)
    assert protocol.selection_request("world/a/").endswith(b"recording://world/a")
    with pytest.raises(ValueError, match="path"):
        protocol.selection_request("/")


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x80", b"\x0a\xff\x01", b"\x0b", b"\x32\x00", b"\xff" * 40, b"\x62\x03\x12\x01\xff"],
)
def test_what_is_cut_off_or_of_another_kind_is_an_error(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.report_of(answer)
    with pytest.raises(ProtocolError):
        protocol.picture_of(answer)
    with pytest.raises(ProtocolError):
        protocol.blueprint_of(answer)


def test_a_viewer_without_a_recording_has_no_frame() -> None:
    report = protocol.report_of(protocol._message(3, b""))
    assert (report.frame, report.playing, report.recordings) == (-1, False, ())


BLUEPRINT = {
    "/view/a": {"ViewBlueprint": {"space_origin": "camera/cam_high"}},
    "/view/a/ViewContents": {"ViewContents": {"query": ["+ $origin/**", "- $origin/image/**"]}},
    "/time_panel": {
        "TimePanelBlueprint": {
            "fps": 30.0,
            "loop_mode": "Selection",
            "time_selection": {"min": 60, "max": 30.4},
        }
    },
}


def test_a_layout_is_the_blueprint_without_its_time_panel() -> None:
    layout = layout_of(json.dumps(BLUEPRINT))
    assert "time_panel" not in layout.text
    assert layout.loop == (30, 60)
    assert layout == layout_of(json.dumps(dict(reversed(BLUEPRINT.items()))))
    whole = json.loads(with_time_panel(layout.text, layout.time_panel, playing=False))
    assert whole["/time_panel"]["TimePanelBlueprint"]["play_state"] == "Paused"
    assert whole["/time_panel"]["TimePanelBlueprint"]["fps"] == 30.0
    assert whole["/view/a"] == BLUEPRINT["/view/a"]


@pytest.mark.parametrize(
    "span",
    [
        None,
        3,
        {},
        {"min": "a", "max": 3},
        {"min": True, "max": 3},
        {"min": 1, "max": 1e300},
        {"min": 1, "max": 10**400},
    ],
)
def test_a_loop_that_is_none_of_ours_is_no_loop(span: object) -> None:
    panel = {"TimePanelBlueprint": {"loop_mode": "Selection", "time_selection": span}}
    assert layout_of(json.dumps({"/time_panel": panel})).loop is None


def test_a_loop_is_part_of_a_blueprint() -> None:
    assert layout_of(loop_text((3, 9))).loop == (3, 9)
    assert layout_of(loop_text(None)).loop is None


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"a": 1}', "{" * 9000, " " * LONGEST_LAYOUT + "{}"]
)
def test_what_is_no_layout_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  json's own error is one
        layout_of(text)


@pytest.mark.parametrize(
    ("query", "entity", "shows"),
    [
        (None, "/camera/cam_high/boxes", True),
        (None, "/camera/cam_left/boxes", False),
        ("$origin/**", "/camera/cam_high", True),
        ("+ /camera/cam_high", "/camera/cam_high/boxes", False),
        (["+ /camera/**", "- /camera/cam_left/**"], "/camera/cam_left/image", False),
        (["- /camera/**", "+ /camera/cam_high/**"], "/camera/cam_high/image", True),
        ("/**", "/note", True),
        ("+ /a/**\n- /a/b/**", "/a/b/c", False),
        ("+ /a/**\n- /a/b/**", "/a/c", True),
        (7, "/camera/cam_high/boxes", True),
    ],
)
def test_a_view_shows_what_its_rules_include(query: object, entity: str, shows: bool) -> None:
    layout = {"/view/a": BLUEPRINT["/view/a"]}
    if query is not None:
        layout["/view/a/ViewContents"] = {"ViewContents": {"query": query}}  # type: ignore[dict-item]
    assert shows_anything(json.dumps(layout), [entity]) is shows
    assert not shows_anything("{}", [entity])
