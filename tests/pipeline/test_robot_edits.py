"""Clicks, painted and imported masks: they change the robot, survive a re-run, and stay honest."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.backends.robot.mask_file import import_robot_mask, read_mask
from pipeline.model.edits import MarkRobot, PaintRobot
from pipeline.model.mask_runs import mask_of, runs_of
from pipeline.model.problem import DataError
from pipeline.stages.robot import RobotOptions, RobotStage
from tests.pipeline.bimanual_scene import Bimanual, mean_iou
from tests.pipeline.rendered_scene import HEIGHT, WIDTH, run

STAGE = RobotStage()


@pytest.fixture(scope="module")
def found() -> Any:
    """The embedded finder, asked for an arm that rests in the approach: it sees little."""
    scene = Bimanual()
    results = scene.results("left")
    return scene, results, run(scene, STAGE, results)


def click(frame: int, x: float, y: float, inside: bool = True) -> MarkRobot:
    return MarkRobot(subtask=0, frame=frame, point=(x, y), inside=inside)


def paint(mask: Any, frame: int) -> PaintRobot:
    return PaintRobot(subtask=0, frame=frame, height=HEIGHT, width=WIDTH, runs=runs_of(mask))


def test_one_click_finds_the_arm_in_all_frames(found: Any) -> None:
    scene, results, alone = found
    assert mean_iou(scene, alone, "left") < 0.7
    x, y = scene.tip("left", 30)
    # Between tracked frames, on the arm behind the gripper, and one on the gripper.
    edits = (click(31, x - 30, y + 8), click(31, *scene.tip("left", 31)))
    robot = run(scene, STAGE, results, edits=edits)
    assert mean_iou(scene, robot, "left") > 0.8
    assert mean_iou(scene, robot, "right") < 0.05
    problem = next(p for p in robot.problems if p.code == "robot_grown")
    assert "2 clicks" in problem.message
    again = run(scene, STAGE, results, edits=tuple(reversed(edits)))
    np.testing.assert_array_equal(again.packed, robot.packed)


def test_a_click_beside_the_robot_takes_that_part_away(found: Any) -> None:
    scene, results, _ = found
    inside = click(30, *scene.tip("left", 30))
    barred = click(30, 170.0, 60.0, inside=False)
    mask = scene.part("left", "whole", 30) | scene.part("right", "whole", 30)
    both = run(scene, STAGE, results, edits=(paint(mask, 33), inside))
    one = run(scene, STAGE, results, edits=(inside, barred))
    row = int(np.flatnonzero(one.frames == 30)[0])
    other = scene.part("right", "whole", 30)
    assert (one.mask(row) & other).sum() < 0.05 * other.sum()
    assert (both.mask(row + 1) & other).sum() > 0.5 * other.sum()


def test_a_painted_mask_is_exactly_its_frame_and_seeds_the_others(found: Any) -> None:
    scene, results, alone = found
    mask = scene.part("left", "whole", 30)
    mask[100:104, 300:304] = True
    edit = paint(mask, 30)
    grown = run(scene, STAGE, results, edits=(edit,))
    row = int(np.flatnonzero(grown.frames == 30)[0])
    np.testing.assert_array_equal(grown.mask(row), mask)
    assert mean_iou(scene, grown, "left") > 0.8
    assert np.isfinite(grown.reference[row]).all()
    only = run(scene, STAGE, results, edits=(edit,), options=RobotOptions(grow_painted=False))
    np.testing.assert_array_equal(only.mask(row), mask)
    others = np.arange(len(only.frames)) != row
    np.testing.assert_array_equal(only.packed[others], alone.packed[others])
    assert "robot_grown" not in [p.code for p in only.problems]


def test_a_mask_between_tracked_frames_counts_for_the_nearer_one(found: Any) -> None:
    scene, results, _ = found
    mask, other = scene.part("left", "whole", 31), scene.part("left", "whole", 30)
    options = RobotOptions(grow_painted=False)
    robot = run(scene, STAGE, results, edits=(paint(mask, 31),), options=options)
    np.testing.assert_array_equal(robot.mask(10), mask)
    assert [(p.code, p.frame) for p in robot.problems if p.frame] == [("painted_between", 31)]
    both = run(scene, STAGE, results, edits=(paint(other, 30), paint(mask, 31)), options=options)
    np.testing.assert_array_equal(both.mask(10), other)


def test_edits_that_do_not_fit_are_left_out_and_said(found: Any) -> None:
    scene, results, alone = found
    small = PaintRobot(subtask=0, frame=30, height=2, width=2, runs=(0, 4))
    mask = scene.part("left", "whole", 30)
    edits = (small, paint(mask, 5000), click(30, 900.0, 5.0), click(900, 10.0, 10.0))
    robot = run(scene, STAGE, results, edits=edits)
    assert [p.code for p in robot.problems].count("edit_not_applicable") == 4
    np.testing.assert_array_equal(robot.packed, alone.packed)


def test_an_empty_painted_mask_says_that_there_is_no_robot(found: Any) -> None:
    scene, results, _ = found
    options = RobotOptions(grow_painted=False)
    nothing = np.zeros((HEIGHT, WIDTH), np.bool_)
    robot = run(scene, STAGE, results, edits=(paint(nothing, 30),), options=options)
    assert not robot.mask(10).any()
    assert np.isnan(robot.reference[10]).all()


def test_estimated_depth_lifts_the_gripper(found: Any) -> None:
    """The gripper is lifted by the kept depth, not by what the reader has."""
    scene, results, _ = found
    lifting = results["lifting"]
    frames = len(lifting.frames)
    depth = np.full((frames, HEIGHT // 2, WIDTH // 2), 2.0, np.float16)
    depth[5] = 0
    lifting = replace(
        lifting,
        available=True,
        xyz=np.zeros((frames, 0, 3), np.float32),
        intrinsics=np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]]),
        depth=depth,
        scale_drifts=True,
    )
    mask = scene.part("left", "whole", 30)
    whole = Bimanual(with_depth=True)
    robot = run(whole, STAGE, results | {"lifting": lifting}, edits=(paint(mask, 30),))
    assert robot.is_3d
    known = np.isfinite(robot.reference_xyz[:, 2])
    assert not known[5]
    assert known.sum() > 15
    assert (robot.reference_xyz[known, 2] == 2.0).all()
    x = (robot.reference[10, 0] - 160) / 300 * 2.0
    assert robot.reference_xyz[10, 0] == pytest.approx(x, abs=1e-4)


def test_a_mask_is_imported_from_png_and_npy(tmp_path: Path) -> None:
    mask = Bimanual().part("left", "whole", 30)
    png, npy = tmp_path / "mask.png", tmp_path / "mask.npy"
    cv2.imwrite(str(png), mask.astype(np.uint8) * 255)
    np.save(npy, mask)
    for path in (png, npy):
        edit = import_robot_mask(path, 30, WIDTH, HEIGHT, 2)
        assert (edit.frame, edit.subtask) == (30, 2)
        np.testing.assert_array_equal(mask_of(edit.runs, HEIGHT, WIDTH), mask)
    cv2.imwrite(str(png), mask.astype(np.uint8))
    np.testing.assert_array_equal(read_mask(png), mask)
    see_through = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    see_through[..., 3] = mask * 255
    cv2.imwrite(str(png), see_through)
    np.testing.assert_array_equal(read_mask(png), mask)
    np.save(npy, np.where(mask, 0.5, np.nan)[None])
    np.testing.assert_array_equal(read_mask(npy), mask)


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes that claims to be a large picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    data = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


def test_files_that_are_no_masks_are_a_sentence(tmp_path: Path) -> None:
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    flat = tmp_path / "flat.npy"
    np.save(flat, np.zeros(5))
    huge = tmp_path / "huge.npy"
    with huge.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "|b1", "fortran_order": False, "shape": (90_000, 90_000)}
        )
    text = tmp_path / "mask.txt"
    text.write_text("1")
    folder = tmp_path / "folder.png"
    folder.mkdir()
    cut = tmp_path / "cut.png"
    cut.write_bytes(b"\x89PNG")
    cases = [
        (objects, "no .npy file of numbers"),
        (flat, r"expected \(height, width\)"),
        (huge, "no .npy file of numbers"),
        (text, "expected a .png or a .npy"),
        (folder, "is no file"),
        (tmp_path / "gone.png", "is no file"),
        (cut, "no PNG file"),
        (bomb(tmp_path / "bomb.png", 2**31 - 1, 2**31 - 1), "no picture"),
        (bomb(tmp_path / "empty.png", 20, 20), "does not decode"),
    ]
    for path, says in cases:
        with pytest.raises(DataError, match=says) as caught:
            read_mask(path)
        assert caught.value.code == "bad_mask"
        assert path.name in str(caught.value)
    other = tmp_path / "other.npy"
    np.save(other, np.ones((4, 6), bool))
    with pytest.raises(DataError, match="has 6x4 pixels"):
        import_robot_mask(other, 0, WIDTH, HEIGHT, 0)
