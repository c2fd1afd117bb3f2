"""RLDS features: numbers, pictures, depth, actions and instructions of every encoding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.model.demonstration import ClosedIs
from pipeline.model.problem import Severity
from pipeline.sources.detect import open_dataset
from tests.datasets import codes, picture
from tests.tfrecord_files import (
    STEPS,
    episode_fields,
    features_dict,
    image,
    jpeg,
    png,
    rlds_features,
    sequence,
    tensor,
    text,
    write_rlds,
    zlib_rows,
)


def with_observation(root: Path, length: int, observation: dict[str, Any], fields: Any) -> Path:
    """A one-episode dataset with more features in its observation."""
    steps = STEPS | {"observation": features_dict({"image": image(), **observation})}
    episode = episode_fields(length)
    episode.pop("steps/observation/state")
    return write_rlds(root, {"train": [[episode | fields]]}, features=rlds_features(steps))


# -- numbers ---------------------------------------------------------------------------------


def test_numbers_of_every_encoding(tmp_path: Path) -> None:
    rows = np.arange(12, dtype=np.float64).reshape(6, 2)
    root = with_observation(
        tmp_path / "d",
        6,
        {
            "packed": tensor((2,), "float64", "zlib"),
            "raw": tensor((2,), "int16", "bytes"),
            "counts": tensor((), "int64"),
            "touch": tensor((), "bool"),
            "inner": sequence(tensor((), "float32"), length=2),
            "ragged": sequence(tensor((), "float32")),
            "map": tensor((20, 20), "float32"),
        },
        {
            "steps/observation/packed": (zlib_rows(rows), "byte"),
            "steps/observation/raw": ([r.astype("<i2").tobytes() for r in rows], "byte"),
            "steps/observation/counts": (list(range(6)), "int"),
            "steps/observation/touch": ([0, 1] * 3, "int"),
            "steps/observation/inner/ragged_flat_values": (rows.reshape(-1).tolist(), "float"),
            "steps/observation/inner/ragged_row_lengths_0": ([2] * 6, "int"),
            "steps/observation/ragged/ragged_flat_values": ([1.0, 2.0], "float"),
            "steps/observation/ragged/ragged_row_lengths_0": ([2, 0, 0, 0, 0, 0], "int"),
            "steps/observation/map": ([0.0] * 2400, "float"),
        },
    )
    source = open_dataset(root)
    opened = source.open(0)
    for name in ("packed", "raw", "inner"):
        first = opened.state_names.index(f"{name}.0")
        np.testing.assert_array_equal(opened.state[:, first : first + 2], rows)
    assert opened.state[:, opened.state_names.index("counts")].tolist() == [0, 1, 2, 3, 4, 5]
    assert opened.state[:, opened.state_names.index("touch")].tolist() == [0, 1] * 3
    said = "; ".join(source.info.ignored)
    assert "ragged: of another length at each step" in said
    assert "map: 400 values per step" in said


def test_a_packed_bomb_is_not_unpacked(tmp_path: Path) -> None:
    import zlib

    root = with_observation(
        tmp_path / "d",
        3,
        {"packed": tensor((2,), "float32", "zlib")},
        {"steps/observation/packed": ([zlib.compress(bytes(1 << 26))] * 3, "byte")},
    )
    opened = open_dataset(root).open(0)
    assert np.isnan(opened.state).all()
    assert "bad_feature" in codes(opened.problems)


def test_a_feature_that_is_missing_keeps_the_columns_in_place(tmp_path: Path) -> None:
    whole, part = episode_fields(6), episode_fields(7)
    part.pop("steps/observation/state")
    root = write_rlds(tmp_path / "d", {"train": [[whole, part]]})
    source = open_dataset(root)
    opened = source.open(1)
    assert opened.state_names == source.open(0).state_names
    assert np.isnan(opened.state).all()
    assert "bad_feature" in codes(opened.problems)


def test_actions_in_a_dictionary(tmp_path: Path) -> None:
    steps = STEPS | {
        "action": features_dict(
            {"world_vector": tensor((3,)), "gripper_closedness_action": tensor((1,))}
        )
    }
    fields = episode_fields(8)
    fields.pop("steps/action")
    fields["steps/action/world_vector"] = ([0.0] * 24, "float")
    fields["steps/action/gripper_closedness_action"] = ([0, 0, 0, 1, 1, 1, 0, 0], "float")
    root = write_rlds(tmp_path / "d", {"train": [[fields]]}, features=rlds_features(steps))
    opened = open_dataset(root).open(0)
    (gripper,) = opened.grippers
    assert (gripper.signal, gripper.closed_is) == ("action", ClosedIs.HIGH)
    assert gripper.names == ("action/gripper_closedness_action",)


# -- pictures --------------------------------------------------------------------------------


def test_raw_and_png_pictures_and_depth(tmp_path: Path) -> None:
    steps = 4
    frames = np.stack([picture(f) for f in range(steps)])
    millimetres = np.full((48, 64, 1), 1500, np.uint16)
    metres = np.linspace(0, 2, 48 * 64, dtype=np.float32).reshape(48, 64, 1)
    # TFDS: the bytes of a float are the channels R, G, B, A; OpenCV wants B, G, R, A.
    floats = metres.view(np.uint8).reshape(48, 64, 4)[:, :, [2, 1, 0, 3]]
    root = with_observation(
        tmp_path / "d",
        steps,
        {
            "wrist_image": tensor((48, 64, 3), "uint8"),
            "png_image": image(form="png"),
            "depth": image((48, 64, 1), "uint16", "png"),
            "wrist_depth": tensor((48, 64), "float32"),
            "png_depth": image((48, 64, 1), "float32", "png"),
            "lonely_depth": image((48, 64, 1), "uint16", "png"),
        },
        {
            "steps/observation/wrist_image": (frames.reshape(-1).tolist(), "int"),
            "steps/observation/png_image": ([png(f[:, :, ::-1]) for f in frames], "byte"),
            "steps/observation/depth": ([png(millimetres)] * steps, "byte"),
            "steps/observation/wrist_depth": (
                np.tile(metres, (steps, 1, 1, 1)).reshape(-1),
                "float",
            ),
            "steps/observation/png_depth": ([png(floats)] * steps, "byte"),
            "steps/observation/lonely_depth": ([png(millimetres)] * steps, "byte"),
        },
    )
    source = open_dataset(root)
    opened = source.open(0)
    assert {c.key for c in opened.cameras} == {"image", "wrist_image", "png_image"}
    reader = source.reader(opened)
    for camera in ("wrist_image", "png_image"):
        np.testing.assert_array_equal(reader.frame(camera, 2), frames[2])
    np.testing.assert_allclose(reader.depth("image", 1), 1.5)
    np.testing.assert_allclose(reader.depth("wrist_image", 3), metres[:, :, 0])
    np.testing.assert_allclose(reader.depth("png_image", 0), metres[:, :, 0])
    assert "lonely_depth: depth of no camera" in source.info.ignored
    assert any("depth of image: taken as millimetres" in f for f in source.info.found)


@pytest.mark.parametrize("content", [b"", jpeg(np.zeros((48, 64, 3), np.uint8))])
def test_a_camera_that_was_not_there_is_left_out(tmp_path: Path, content: bytes) -> None:
    root = with_observation(
        tmp_path / "d",
        5,
        {"image_2": image()},
        {"steps/observation/image_2": ([content] * 5, "byte")},
    )
    source = open_dataset(root)
    opened = source.open(0)
    assert [c.key for c in opened.cameras] == ["image"]
    (problem,) = [p for p in opened.problems if p.code == "camera_missing"]
    assert "image_2" in problem.message
    assert problem.severity is Severity.INFO


def test_a_broken_picture_shows_its_neighbour(tmp_path: Path) -> None:
    fields = episode_fields(5)
    pictures = fields["steps/observation/image"][0]
    pictures[2] = b""
    root = write_rlds(tmp_path / "d", {"train": [[fields]]})
    source = open_dataset(root)
    opened = source.open(0)
    assert "frame 1 is shown" in source.reader(opened).picture("image", 2).note


# -- instructions ----------------------------------------------------------------------------


def test_instructions_elsewhere_and_changing(tmp_path: Path) -> None:
    steps = {k: v for k, v in STEPS.items() if k != "language_instruction"}
    steps["observation"] = features_dict(
        {"image": image(), "state": tensor((3,)), "natural_language_instruction": text()}
    )
    fields = episode_fields(6)
    fields.pop("steps/language_instruction")
    said = ["", "open  the\tdrawer\0", "open the drawer", "close it", "close it", "close it"]
    fields["steps/observation/natural_language_instruction"] = ([s.encode() for s in said], "byte")
    root = write_rlds(tmp_path / "d", {"train": [[fields]]}, features=rlds_features(steps))
    opened = open_dataset(root).open(0)
    assert opened.instruction == "open the drawer"
    (problem,) = opened.problems
    assert (problem.code, problem.frame) == ("instruction_changes", 3)


def test_an_instruction_of_code_points(tmp_path: Path) -> None:
    steps = {k: v for k, v in STEPS.items() if k != "language_instruction"}
    steps["observation"] = features_dict(
        {"image": image(), "state": tensor((3,)), "instruction": tensor((16,), "int32")}
    )
    fields = episode_fields(4)
    fields.pop("steps/language_instruction")
    row = [ord(c) for c in "push the star"] + [0] * 3
    fields["steps/observation/instruction"] = (row * 4, "int")
    root = write_rlds(tmp_path / "d", {"train": [[fields]]}, features=rlds_features(steps))
    assert open_dataset(root).open(0).instruction == "push the star"


def test_no_instruction_is_said(tmp_path: Path) -> None:
    root = write_rlds(tmp_path / "d", {"train": [[episode_fields(4, task="")]]})
    assert codes(open_dataset(root).info.episodes[0].problems) == {"instruction_empty"}
