"""Presets of robots: shipped ones are sound, people's own are read, wrong ones are a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.model.demonstration import (
    ClosedIs,
    Combine,
    GripperChannels,
    MotionChannels,
    MotionKind,
)
from pipeline.model.problem import DataError
from pipeline.sources.gripper_channels import guess_channels
from pipeline.sources.robot_presets import (
    grippers_by,
    load_presets,
    matching_presets,
    preset_of,
    save_preset,
    shipped_folder,
    user_folder,
)

G1 = tuple(
    f"k{side}{part}"
    for side in ("Left", "Right")
    for part in ("ShoulderPitch", "Elbow", "WristYaw")
) + tuple(
    f"k{side}Hand{finger}{i}"
    for side in ("Left", "Right")
    for finger in ("Thumb", "Middle", "Index")
    for i in (0, 1)
)
JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
ALOHA = tuple(f"{side}_{part}" for side in ("left", "right") for part in (*JOINTS, "gripper"))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the user's presets."""
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path))
    folder = tmp_path / "robots"
    folder.mkdir()
    assert user_folder() == folder
    return folder


def preset(name: str, **changes: object) -> dict[str, object]:
    arm = {"arm": "arm", "signal": "state", "channels": ["claw*"], "closed": "high"} | changes
    return {"name": name, "robot_types": ["mine*"], "arms": [arm], "source": "measured"}


def write(path: Path, *presets: object, version: int = 1) -> None:
    path.write_text(json.dumps({"version": version, "presets": presets}))


def test_shipped_presets_are_sound_and_say_where_they_are_from(own: Path) -> None:
    found = load_presets()
    assert found.problems == ()
    assert len(found.presets) >= 15
    assert len({p.name for p in found.presets}) == len(found.presets)
    for known in found.presets:
        assert len(known.source) > 20, known.name
    assert len(list(shipped_folder().glob("*.json"))) >= 8


@pytest.mark.parametrize(
    ("robot", "names", "expected"),
    [
        ("aloha", ALOHA, [("left", (6,), "low"), ("right", (13,), "low")]),
        ("", ALOHA, [("left", (6,), "low"), ("right", (13,), "low")]),
        ("so101_follower", ("shoulder_pan.pos", "gripper.pos"), [("arm", (1,), "low")]),
        ("so100", ("main_shoulder_pan", "main_gripper"), [("arm", (1,), "low")]),
        ("google_robot", ("base_pose_tool_reached.0", "gripper_closed"), [("arm", (1,), "high")]),
        ("WidowX", tuple("xyzabcg"), [("arm", (6,), "low")]),
        (
            "Unitree_G1_Dex3_Single_Cam",
            G1,
            [("left", (8, 9, 10, 11), "low"), ("right", (14, 15, 16, 17), "high")],
        ),
    ],
)
def test_known_robots(
    own: Path, robot: str, names: tuple[str, ...], expected: list[tuple[str, tuple[int, ...], str]]
) -> None:
    found = guess_channels(names, (), robot)
    assert [(g.arm, g.indices, g.closed_is.value) for g in found] == expected
    assert all(g.origin == "preset" and "preset" in g.reason for g in found)


def test_an_arm_that_a_preset_does_not_know_is_not_lost(own: Path) -> None:
    names = ("panda_joint1", "gripper.pos", *ALOHA)
    found = guess_channels(names, (), "panda_and_aloha")
    assert sorted(g.arm for g in found) == ["arm", "left", "right"]


def test_indices_count_only_in_signals_of_their_size(own: Path) -> None:
    found = guess_channels(tuple("abcdefgh"), (), "widowx")
    assert all(g.origin == "guessed" for g in found)


def test_an_open_end_is_left_to_the_values(own: Path) -> None:
    found = guess_channels(("shoulder_pan.pos", "gripper.pos"), (), "koch_follower")
    assert [(g.arm, g.origin) for g in found] == [("arm", "guessed")]


def test_own_presets_win_and_edited_files_are_read_again(own: Path) -> None:
    write(own / "mine.json", preset("Mine", combine="max", percentiles=[5, 95]))
    gripper = guess_channels(("j", "claw_a", "claw_b"), (), "mine_2")[0]
    assert gripper.indices == (1, 2)
    assert (gripper.closed_is, gripper.combine) == (ClosedIs.HIGH, Combine.MAX)
    assert gripper.percentiles == (5, 95)
    write(own / "mine.json", preset("Mine", closed="low", unit="longer than before"))
    assert guess_channels(("j", "claw_a"), (), "mine_2")[0].closed_is is ClosedIs.LOW


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "Invalid JSON"),
        (json.dumps({"version": 2, "presets": []}), "version"),
        (json.dumps({"version": 1, "presets": [{"name": "x"}]}), "presets.0"),
        (json.dumps({"version": 1, "presets": [preset("x", channels=[])]}), "either channels"),
        (json.dumps({"version": 1, "presets": [preset("x", channels=["*" * 20])]}), "at most"),
        (json.dumps({"version": 1, "presets": [preset("x", percentiles=[90, 10])]}), "rise"),
        (json.dumps({"version": 1, "presets": [preset("x", closed="ajar")]}), "closed"),
    ],
)
def test_a_bad_file_is_a_sentence_and_stops_nothing(own: Path, content: str, says: str) -> None:
    (own / "bad.json").write_text(content)
    write(own / "good.json", preset("Good"))
    found = load_presets()
    assert len(found.problems) == 1
    assert "bad.json" in found.problems[0]
    assert says in found.problems[0]
    assert "\n" not in found.problems[0]
    assert "Good" in [p.name for p in found.presets]


def test_a_mapping_can_be_saved_and_is_found_again(own: Path) -> None:
    names = ("odd [1]*", "claw", "elbow")
    gripper = GripperChannels(
        "arm", "state", (0,), names[:1], ClosedIs.HIGH, "user", "", Combine.MIN, (2.0, 98.0)
    )
    motion = MotionChannels("arm", "state", (2,), names[2:], MotionKind.JOINT, "user")
    path = save_preset(preset_of("My robot", "Mine-1", (gripper,), (motion,)))
    assert path.parent == own
    found = guess_channels(names, (), "mine-1")
    assert [(g.indices, g.closed_is, g.combine, g.percentiles) for g in found] == [
        ((0,), ClosedIs.HIGH, Combine.MIN, (2.0, 98.0))
    ]
    saved = next(p for p in load_presets().presets if p.name == "My robot")
    assert saved.arms[0].motion is not None
    assert saved.arms[0].motion.columns(names) == (2,)
    assert grippers_by(saved, ("nothing",), ()) == ()


def test_a_mapping_without_arms_is_no_preset(own: Path) -> None:
    with pytest.raises(DataError) as caught:
        preset_of("x", "", (), ())
    assert caught.value.code == "bad_preset"


def test_types_come_before_names(own: Path) -> None:
    write(own / "mine.json", preset("Mine", channels=["left_gripper"]))
    ranked = matching_presets(load_presets().presets, ALOHA, (), "Mine 7")
    assert [p.name for p, _ in ranked][:2] == ["Mine", "ALOHA (ViperX 300, two arms)"]
