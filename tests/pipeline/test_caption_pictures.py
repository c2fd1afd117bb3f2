"""What a caption model is shown: the right frames in the right places, at the stated sizes."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends.backend import Progress
from pipeline.backends.captioning import clip
from pipeline.backends.captioning.clip import clip_frames, clip_part, middle
from pipeline.backends.captioning.collage import GAP, grid_part, grid_shape
from pipeline.backends.captioning.features import MOST_FRAMES, frame_features
from pipeline.backends.captioning.hand_crop import (
    LARGEST,
    SMALLEST,
    Follows,
    HandCrop,
    close_up_parts,
    smoothed,
)
from pipeline.backends.captioning.material import CaptionMaterial, Outline
from pipeline.backends.captioning.pictures import shown_frame
from pipeline.model.candidate import Box
from pipeline.model.drafting import PartKind
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.recipe import PictureOptions, PromptParts
from tests.pipeline.caption_material_scene import SIZE, NumberedReader, decoded, material
from tests.video_files import is_upright, number_of

PLAIN = PromptParts()


def silent(share: float, what: str) -> None:
    assert 0.0 <= share <= 1.0


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7])
def test_cell_k_of_a_grid_shows_frame_k(count: int) -> None:
    options = PictureOptions(columns=3, cell_width=160)
    frames = tuple(range(60, 60 + 3 * count, 3))
    part = grid_part(material(), "present", frames, options, PLAIN, silent)
    shape = grid_shape(count, SIZE, options)
    assert (part.width, part.height) == shape.size
    assert part.frames == frames
    grid = decoded(part.data)
    assert grid.shape == (part.height, part.width, 3)
    for place, frame in enumerate(frames):
        x, y = shape.corner(place)
        cell = grid[y : y + shape.height, x : x + shape.width]
        assert number_of(cell) == frame
        assert is_upright(cell)


def test_a_grid_has_the_stated_size() -> None:
    options = PictureOptions(columns=3, cell_width=384)
    shape = grid_shape(6, (640, 480), options)
    assert (shape.columns, shape.rows, shape.width, shape.height) == (3, 2, 384, 288)
    assert shape.size == (3 * 384 + 2 * GAP, 2 * 288 + GAP)


@given(
    count=st.integers(1, 24),
    columns=st.integers(1, 8),
    width=st.integers(32, 512),
    picture=st.tuples(st.integers(8, 4000), st.integers(8, 4000)),
)
def test_cells_of_a_grid_do_not_meet(
    count: int, columns: int, width: int, picture: tuple[int, int]
) -> None:
    options = PictureOptions(columns=columns, cell_width=width)
    shape = grid_shape(count, picture, options)
    wide, high = shape.size
    assert high <= 4096
    seen = np.zeros((high, wide), np.int32)
    for place in range(count):
        x, y = shape.corner(place)
        assert x + shape.width <= wide
        assert y + shape.height <= high
        seen[y : y + shape.height, x : x + shape.width] += 1
    assert seen.max() == 1


def test_equal_frames_give_equal_bytes() -> None:
    options = PictureOptions()
    frames = (60, 70, 80)
    first, again = (
        grid_part(material(), "past", frames, options, PLAIN, silent).data for _ in range(2)
    )
    assert first.tobytes() == again.tobytes()
    other = grid_part(material(), "past", (60, 70, 81), options, PLAIN, silent).data
    assert first.tobytes() != other.tobytes()


def spotted(reference: np.ndarray) -> CaptionMaterial:
    """A scene in which a red spot is where the reference is, frame by frame."""
    rows = material(reference=reference)

    def draw(index: int) -> np.ndarray:
        rgb = np.full((SIZE[1], SIZE[0], 3), 60, np.uint8)
        x = np.interp(index, rows.frames, reference[:, 0])
        y = np.interp(index, rows.frames, reference[:, 1])
        across, down = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
        rgb[np.hypot(across - x, down - y) <= 4] = (230, 20, 20)
        return rgb

    return material(NumberedReader(draw), reference=reference)


def moving(start: tuple[float, float], step: tuple[float, float]) -> np.ndarray:
    return np.array(start) + np.arange(40)[:, None] * np.array(step)


@pytest.mark.parametrize("step", [(0.0, 0.0), (1.0, 0.5), (-1.5, 1.0)])
def test_a_close_up_is_centred_on_the_reference(step: tuple[float, float]) -> None:
    reference = moving((170.0, 100.0), step)
    scene = spotted(reference)
    options = PictureOptions(crop_side=192, crop_scale=16.0)
    frames = (61, 70, 79, 88, 97)
    parts = close_up_parts(scene, frames, options, PLAIN, silent)
    for frame, part in zip(frames, parts, strict=True):
        assert (part.width, part.height, part.frames, part.note) == (192, 192, (frame,), "")
        (box,) = part.boxes
        wanted = [np.interp(frame, scene.frames, reference[:, axis]) for axis in (0, 1)]
        middle_of = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        assert max(abs(a - b) for a, b in zip(middle_of, wanted, strict=True)) <= 1.0
        rgb = decoded(part.data)
        assert rgb.shape == (192, 192, 3)
        red = (rgb[..., 0] > 150) & (rgb[..., 1] < 90)
        rows, columns = np.nonzero(red)
        factor = 192 / (box[2] - box[0])
        assert abs(columns.mean() - 96) <= 1.5 * factor
        assert abs(rows.mean() - 96) <= 1.5 * factor


def test_the_side_follows_the_scale_of_the_gripper() -> None:
    reference = moving((160.0, 120.0), (0.0, 0.0))
    options = PictureOptions(crop_scale=20.0)
    for scale in (4.0, 6.0):
        crop = HandCrop(material(reference=reference, scale=scale), options).at(80, SIZE)
        assert crop.side == 20 * scale
    for scale, share in ((0.1, SMALLEST), (500.0, LARGEST)):
        crop = HandCrop(material(reference=reference, scale=scale), options).at(80, SIZE)
        assert crop.side == round(share * SIZE[1])


def test_a_close_up_grows_until_it_shows_the_object() -> None:
    reference = moving((160.0, 120.0), (0.0, 0.0))
    options = PictureOptions(crop_scale=16.0)
    box = (190.0, 120.0, 210.0, 140.0)
    crop = HandCrop(material(reference=reference, mask_box=box), options).at(80, SIZE)
    assert crop.side > 64
    x0, y0, x1, y1 = crop.box
    assert x0 < box[0]
    assert y0 < box[1]
    assert x1 > box[2]
    assert y1 > box[3]
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == (160, 120)
    for other in ((110, 110, 130, 130), (150, 80, 170, 90), (150, 150, 170, 160)):
        wide = HandCrop(material(reference=reference, mask_box=other), options).at(80, SIZE)
        assert wide.side > 64
        assert wide.box[0] < other[0] < other[2] < wide.box[2]
        assert wide.box[1] < other[1] < other[3] < wide.box[3]
    # Room around it: 15 % of the side, half of it on either side (a pixel is lost by rounding).
    assert x1 - box[2] >= 0.15 / 2 * crop.side - 1
    far = HandCrop(material(reference=reference, mask_box=(0, 0, 10, 10)), options).at(80, SIZE)
    assert far.side == 64


def test_a_close_up_of_a_box_holds_it_whatever_the_gripper_measures() -> None:
    nowhere = np.full((40, 2), np.nan)
    options = PictureOptions(crop_scale=16.0)
    small, large = (40.0, 60.0, 80.0, 80.0), (40.0, 40.0, 160.0, 100.0)

    def side(box: Box, scale: float) -> int:
        scene = material(reference=nowhere, mask_box=box, scale=scale)
        return HandCrop(scene, options).at(80, SIZE).side

    assert side(small, 5.0) == 80  # the gripper's scale decides: 16 x 5
    assert side(large, 5.0) == 144  # the box decides: 1.2 x 120
    assert side(small, math.nan) == 100  # no scale: 2.5 x 40


def test_a_mask_that_was_lost_long_ago_is_not_followed() -> None:
    scene = material(reference=np.full((40, 2), np.nan), mask_box=(40.0, 60.0, 80.0, 100.0))
    assert scene.mask_box is not None
    scene.mask_box[5:] = np.nan  # last seen at frame 58, ten frames a second
    crops = HandCrop(scene, PictureOptions())
    assert crops.at(63, SIZE).follows is Follows.MASK
    assert crops.at(64, SIZE).follows is Follows.CENTER


def test_one_wrong_scale_does_not_change_the_side_much() -> None:
    scene = material(reference=moving((160.0, 120.0), (0.0, 0.0)), scale=4.0)
    scene.scale[30:] = 40.0  # for a quarter of the time: the usual one is 4
    crops = HandCrop(scene, PictureOptions(crop_scale=16.0))
    assert crops.at(52, SIZE).side == 16 * 4
    assert crops.at(126, SIZE).side == 16 * 4 * 2
    scene.scale[30:] = 0.1
    crops = HandCrop(scene, PictureOptions(crop_scale=36.0))
    assert crops.at(52, SIZE).side == 36 * 4
    assert crops.at(126, SIZE).side == 36 * 4 / 2


def test_smoothing_leaves_steady_motion_where_it_is() -> None:
    frames = np.arange(0.0, 60.0, 2.0)
    steady = np.stack([3.0 * frames, 100.0 - frames], axis=1)
    found = smoothed(frames, steady.astype(np.float32), 10.0)
    assert np.allclose(found, steady, atol=1e-9)
    steady[12] = np.nan
    found = smoothed(frames, steady.astype(np.float32), 10.0)
    assert np.isnan(found[12]).all()
    assert np.isfinite(np.delete(found, 12, axis=0)).all()


@given(
    x=st.floats(-50, 400) | st.just(math.nan),
    y=st.floats(-50, 300),
    scale=st.floats(-1, 300) | st.just(math.nan),
    box=st.none() | st.tuples(*[st.floats(-400, 900)] * 4) | st.just((math.nan,) * 4),
    size=st.tuples(st.integers(1, 900), st.integers(1, 900)),
    frame=st.integers(0, 199),
)
def test_a_crop_is_a_square_inside_the_picture(
    x: float, y: float, scale: float, box: Box | None, size: tuple[int, int], frame: int
) -> None:
    reference = np.tile([[x, y]], (40, 1))
    scene = material(reference=reference, scale=scale, mask_box=box)
    crop = HandCrop(scene, PictureOptions()).at(frame, size)
    assert 1 <= crop.side <= min(size)
    assert 0 <= crop.left <= size[0] - crop.side
    assert 0 <= crop.top <= size[1] - crop.side


def test_a_missing_reference_falls_back_visibly() -> None:
    options = PictureOptions()
    nowhere = np.full((40, 2), np.nan)
    box = (40.0, 60.0, 80.0, 100.0)
    cases = (
        (Follows.MASK, material(reference=nowhere, mask_box=box), (60, 80)),
        (Follows.DETECTION, material(reference=nowhere, start_box=box), (60, 80)),
        (Follows.CENTER, material(reference=nowhere), (160, 120)),
    )
    for follows, scene, middle_of in cases:
        (part,) = close_up_parts(scene, (80,), options, PLAIN, silent)
        (found,) = part.boxes
        assert part.note == follows.note != ""
        assert ((found[0] + found[2]) / 2, (found[1] + found[3]) / 2) == middle_of


def test_a_short_gap_of_the_reference_is_bridged() -> None:
    reference = moving((100.0, 100.0), (2.0, 0.0))
    reference[15:18] = np.nan  # frames 80..84
    crops = HandCrop(material(reference=reference), PictureOptions(crop_scale=16.0))
    crop = crops.at(82, SIZE)
    assert crop.follows is Follows.GRIPPER
    assert abs(crop.left + crop.side / 2 - 132) <= 1
    reference[8:26] = np.nan
    crops = HandCrop(material(reference=reference), PictureOptions(crop_scale=16.0))
    assert crops.at(82, SIZE).follows is Follows.CENTER


def test_a_close_up_does_not_jump_with_one_wrong_reference() -> None:
    reference = moving((150.0, 110.0), (0.5, 0.0))
    reference[15] = (20.0, 20.0)
    crops = HandCrop(material(reference=reference), PictureOptions(crop_scale=16.0))
    lefts = [crops.at(frame, SIZE).left for frame in range(70, 92)]
    assert max(abs(a - b) for a, b in pairwise(lefts)) <= 2


def test_without_tracks_there_is_a_picture_all_the_same() -> None:
    scene = material()
    nothing = CaptionMaterial(
        reader=scene.reader,
        camera=scene.camera,
        fps=scene.fps,
        length=scene.length,
        spans=scene.spans,
        frames=np.zeros(0, np.int32),
        reference=np.zeros((0, 2), np.float32),
    )
    crop = HandCrop(nothing, PictureOptions()).at(80, SIZE)
    assert crop.follows is Follows.CENTER


def test_marks_are_drawn_where_the_candidate_is_now() -> None:
    square = np.array([[0, 0], [20, 0], [20, 20], [0, 20]], np.float32)
    boxes = np.tile(np.array([100, 60, 160, 120], np.float32), (40, 1))
    outline = Outline(3, square, (0, 0, 20, 20), boxes)

    def grey(index: int) -> np.ndarray:
        return np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)

    scene = material(NumberedReader(grey), outlines=(outline,))
    options = PictureOptions(columns=1, cell_width=320)
    marked = decoded(
        grid_part(scene, "present", (80,), options, PromptParts(marks=True), silent).data
    ).astype(int)
    changed = np.abs(marked - 90).max(axis=2) > 40
    rows, columns = np.nonzero(changed)
    assert abs(columns.min() - 100) <= 3
    assert abs(columns.max() - 160) <= 3
    assert abs(rows.max() - 120) <= 3
    assert not changed[75:110, 115:150].any()  # what is inside stays visible
    plain = decoded(grid_part(scene, "present", (80,), options, PLAIN, silent).data).astype(int)
    assert np.abs(plain - 90).max() < 10


def test_the_hand_trace_ends_at_the_reference() -> None:
    reference = moving((100.0, 100.0), (2.0, 1.0))

    def grey(index: int) -> np.ndarray:
        return np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)

    scene = material(NumberedReader(grey), reference=reference)
    options = PictureOptions(columns=1, cell_width=320)
    trace = PromptParts(hand_trace=True)
    drawn = decoded(grid_part(scene, "present", (80,), options, trace, silent).data)
    rows, columns = np.nonzero(drawn.min(axis=2) > 200)
    assert abs(columns.max() - 130) <= 5
    assert abs(rows.max() - 115) <= 5
    assert columns.min() >= 130 - 2 * 5 - 5  # one second back


def video_frames(data: np.ndarray) -> tuple[list[np.ndarray], float, str]:
    with av.open(io.BytesIO(data.tobytes())) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 0)
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
        return pictures, rate, stream.codec_context.name


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_a_clip_shows_the_middle_of_the_present(share: float) -> None:
    options = PictureOptions(clip_share=share, clip_fps=5.0, clip_side=160)
    part = clip_part(material(), options, silent)
    assert (part.kind, part.mime) == (PartKind.VIDEO, "video/mp4")
    first, end = (60, 120) if share == 1.0 else (72, 108)
    assert part.frames == tuple(range(first, end, 2))
    pictures, rate, codec = video_frames(part.data)
    assert codec == "h264"
    assert rate == 5.0
    assert (part.width, part.height) == (160, 120)
    assert [number_of(p) for p in pictures] == list(part.frames)
    again = clip_part(material(), options, silent)
    assert again.data.tobytes() == part.data.tobytes()


@given(
    start=st.integers(0, 500),
    size=st.integers(1, 40_000),
    fps=st.floats(0.5, 240),
    share=st.floats(0.05, 1),
    rate=st.floats(0.5, 30),
)
def test_clips_are_bounded_and_play_as_fast_as_it_happened(
    start: int, size: int, fps: float, share: float, rate: float
) -> None:
    span = (start, start + size)
    frames, played = clip_frames(span, fps, PictureOptions(clip_share=share, clip_fps=rate))
    low, high = middle(span, share)
    assert 1 <= len(frames) <= 600
    assert low <= frames[0]
    assert frames[-1] < high
    assert list(frames) == sorted(set(frames))
    assert played <= min(fps, rate) * (1 + 1e-9)
    assert abs(len(frames) / played - (high - low) / fps) <= 1 / played + 1 / fps


def test_without_x264_another_encoder_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    options = PictureOptions(clip_side=160)
    monkeypatch.setattr(clip, "_ENCODERS", ("no_such_encoder", "h264"))
    part = clip_part(material(), options, silent)
    pictures, _, codec = video_frames(part.data)
    assert codec == "h264"
    assert [number_of(p) for p in pictures] == list(part.frames)
    monkeypatch.setattr(clip, "_ENCODERS", ("no_such_encoder",))
    with pytest.raises(DataError) as error:
        clip_part(material(), options, silent)
    assert error.value.code == "no_encoder"


def test_a_clip_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "MOST_BYTES", 100)
    with pytest.raises(DataError) as error:
        clip_part(material(), PictureOptions(clip_side=64), silent)
    assert error.value.code == "clip_too_large"


def test_a_damaged_frame_is_replaced_by_the_nearest_with_a_note() -> None:
    reader = NumberedReader(damaged=frozenset({80, 81, 79}))
    shown = shown_frame(material(reader), 80)
    assert number_of(shown.rgb) == 78
    assert "Frame 80 cannot be read" in shown.note
    assert "frame 78 is shown" in shown.note
    part = grid_part(material(reader), "present", (80, 90), PictureOptions(), PLAIN, silent)
    assert part.frames == (80, 90)
    assert part.note == shown.note


def test_a_picture_of_the_reader_keeps_its_note() -> None:
    reader = NumberedReader()
    reader.noted[80] = "Frame 79 instead."
    part = grid_part(material(reader), "present", (80, 90), PictureOptions(), PLAIN, silent)
    assert part.note == "Frame 79 instead."


def test_a_camera_without_any_frame_is_an_error() -> None:
    reader = NumberedReader(damaged=frozenset(range(200)))
    with pytest.raises(DataError, match="frame 80 is damaged"):
        shown_frame(material(reader), 80)
    assert len(reader.asked) <= 61


def test_features_of_long_spans_are_bounded() -> None:
    reader = NumberedReader(lambda index: np.full((48, 64, 3), index % 251, np.uint8))
    scene = material(reader)
    found = frame_features(scene, (0, 200), 6, silent)
    assert len(found.frames) == 200
    assert len(reader.asked) == 200
    assert found.rgb[40].max() == pytest.approx(40 / 255)
    assert MOST_FRAMES == 256


OPTIONS, SHOWN = PictureOptions(), (60, 70, 80, 90)
MAKERS: dict[str, Callable[[CaptionMaterial, Progress], object]] = {
    "grid": lambda scene, stop: grid_part(scene, "present", SHOWN, OPTIONS, PLAIN, stop),
    "close-ups": lambda scene, stop: close_up_parts(scene, SHOWN, OPTIONS, PLAIN, stop),
    "clip": lambda scene, stop: clip_part(scene, OPTIONS, stop),
    "features": lambda scene, stop: frame_features(scene, (60, 120), 6, stop),
}


@pytest.mark.parametrize("make", MAKERS)
def test_every_picture_can_be_cancelled(make: str) -> None:
    reader = NumberedReader()
    scene = material(reader)

    def stop(share: float, what: str) -> None:
        if len(reader.asked) >= 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        MAKERS[make](scene, stop)
    assert len(reader.asked) == 2
