"""The embedded tracker against rendered scenes whose motion is known to the pixel."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from pipeline.backends.tracking.lucas_kanade import LucasKanadeTracker
from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest
from pipeline.model.arrays import U8
from pipeline.model.score import box_iou

WIDTH, HEIGHT, SIDE = 320, 240, 48
Pose = Callable[[int], tuple[float, float, float, float]]
"""Frame -> centre x, y, angle in degrees, scale."""


def textured(size: tuple[int, int], seed: int, base: tuple[int, int, int]) -> U8:
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (*size, 3)).astype(np.float32), (0, 0), 1.5)
    return np.clip(np.array(base) + 30 * grain / grain.std(), 0, 255).astype(np.uint8)


class Moving:
    """A textured square that moves over a table; `after` paints over the finished picture."""

    def __init__(self, pose: Pose, after: Callable[[U8, int], None] | None = None) -> None:
        self.pose, self.after = pose, after
        self.table = cv2.GaussianBlur(textured((HEIGHT, WIDTH), 1, (150, 140, 120)), (0, 0), 2)
        self.square = textured((SIDE, SIDE), 2, (190, 60, 50))
        self.reads: list[int] = []

    def transform(self, frame: int) -> np.ndarray:
        """(2, 3) from the square's own pixels to the picture."""
        x, y, angle, scale = self.pose(frame)
        middle = (SIDE - 1) / 2
        matrix = cv2.getRotationMatrix2D((middle, middle), angle, scale)
        matrix[:, 2] += np.array([x, y]) - middle
        return matrix

    def frame_at(self, index: int) -> U8:
        self.reads.append(index)
        matrix, image = self.transform(index), self.table.copy()
        size = (WIDTH, HEIGHT)
        mask = cv2.warpAffine(np.full((SIDE, SIDE), 255, np.uint8), matrix, size)
        inner = cv2.warpAffine(
            self.square, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        image[mask > 127] = inner[mask > 127]
        if self.after is not None:
            self.after(image, index)
        noise = np.random.default_rng(index).normal(0, 1.0, image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)

    def track(self, count: int = 30, keyframe: int = 0, every: int = 3) -> PointTracks:
        own = np.stack(np.meshgrid(*[np.arange(6, SIDE - 5, 6)] * 2), axis=-1).reshape(-1, 2)
        self.own = own.astype(np.float32)
        points = self.truth(keyframe)
        mask = cv2.warpAffine(
            np.full((SIDE, SIDE), 255, np.uint8), self.transform(keyframe), (WIDTH, HEIGHT)
        )
        self.frames = np.unique([*range(0, count, every), count - 1]).astype(np.int32)
        steps = np.union1d(np.arange(count), [keyframe]).astype(np.int32)
        request = TrackingRequest(
            frame_at=self.frame_at,
            frames=self.frames,
            steps=steps,
            keyframe=keyframe,
            points=points,
            candidate=np.zeros(len(points), np.int32),
            masks=(mask > 127)[None],
            interaction=np.zeros(len(self.frames), np.bool_),
        )
        return LucasKanadeTracker().track(request, lambda share, what: None)

    def truth(self, frame: int) -> np.ndarray:
        matrix = self.transform(frame)
        return (self.own @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    def errors(self, tracks: PointTracks) -> np.ndarray:
        """(F, N) pixels."""
        true = np.stack([self.truth(int(f)) for f in self.frames])
        return np.linalg.norm(tracks.points - true, axis=2)


def still(frame: int) -> tuple[float, float, float, float]:
    return (150.0, 120.0, 0.0, 1.0)


def straight(frame: int) -> tuple[float, float, float, float]:
    return (70.0 + 4.0 * frame, 90.0 + 1.5 * frame, 0.0, 1.0)


@pytest.mark.parametrize(
    ("pose", "worst"),
    [
        (straight, 1.0),
        (lambda f: (160.0, 120.0, 3.0 * f, 1.0), 1.5),
        (lambda f: (160.0, 120.0, 0.0, 1.0 + 0.02 * f), 1.5),
        (lambda f: (90 + 4 * f, 120 + 40 * np.sin(f / 5), 1.5 * f, 1 - 0.01 * f), 2.0),
    ],
    ids=["moved", "turned", "nearer", "all of it"],
)
@pytest.mark.parametrize("keyframe", [0, 15, 29])
def test_known_motion_in_both_directions(pose: Pose, worst: float, keyframe: int) -> None:
    scene = Moving(pose)
    tracks = scene.track(keyframe=keyframe)
    errors = scene.errors(tracks)
    assert tracks.visible.mean() > 0.9
    assert np.median(errors[tracks.visible]) < 0.5
    assert np.quantile(errors[tracks.visible], 0.95) < worst


def test_points_that_do_not_come_back_do_not_count() -> None:
    """Half of the points lie on what stays: they return elsewhere, and follow the object."""

    def bar(image: U8, index: int) -> None:
        image[:, 140:150] = (90, 90, 95)

    scene = Moving(straight, bar)
    tracks = scene.track()
    errors = scene.errors(tracks)
    true = np.stack([scene.truth(int(f)) for f in scene.frames])
    behind = (true[..., 0] > 141) & (true[..., 0] < 148)
    assert tracks.visible[behind].mean() < 0.2
    assert np.median(errors[behind]) < 2  # carried by the others
    assert tracks.visible[~behind].mean() > 0.85
    assert np.quantile(errors[tracks.visible], 0.95) < 1.5


def test_something_that_passes_drags_nothing_along() -> None:
    def arm(image: U8, index: int) -> None:
        x = 60 + 8 * index
        image[:, max(0, x - 20) : max(0, x + 20)] = textured((HEIGHT, 40), 5, (70, 72, 80))[
            :, : len(range(max(0, x - 20), min(WIDTH, x + 20)))
        ]

    scene = Moving(still, arm)
    tracks = scene.track()
    errors = scene.errors(tracks)
    assert np.quantile(errors[tracks.visible], 0.99) < 1.5
    assert tracks.visible[-1].mean() > 0.9  # seen again behind it
    x = 60 + 8 * scene.frames
    covered = np.abs(x - 150) < 8
    assert covered.any()
    assert tracks.visible[covered].mean() < 0.4


def test_what_reappears_elsewhere_is_found_again() -> None:
    """Behind a screen from frame 10 to 19, and 60 px further when it comes out."""

    def pose(frame: int) -> tuple[float, float, float, float]:
        return (110.0 if frame < 15 else 170.0, 120.0, 0.0, 1.0)

    def screen(image: U8, index: int) -> None:
        if 10 <= index < 20:
            image[60:200, 60:230] = (60, 90, 60)

    scene = Moving(pose, screen)
    tracks = scene.track(count=36)
    errors = scene.errors(tracks)
    rows = scene.frames
    assert not tracks.visible[(rows >= 11) & (rows < 20)].any()
    assert np.isnan(tracks.boxes[(rows >= 11) & (rows < 20), 0]).all()
    after = rows >= 27
    assert tracks.visible[after].mean() > 0.8
    assert np.median(errors[after]) < 3


def test_a_piece_of_table_is_not_found_elsewhere() -> None:
    """What looks like its surroundings waits until its place is free again."""

    def slab(image: U8, index: int) -> None:
        if 8 <= index < 24:
            image[60:180, 90:210] = (60, 90, 60)

    scene = Moving(still, slab)
    scene.square[:] = (150, 140, 120)
    scene.table[:] = (150, 140, 120)
    tracks = scene.track()
    hidden = (scene.frames >= 9) & (scene.frames < 24)
    assert not tracks.visible[hidden].any()
    assert tracks.visible[~hidden].mean() > 0.9
    assert np.median(scene.errors(tracks)[~hidden]) < 1


def test_a_shadow_hides_nothing_and_a_covered_object_never_moves() -> None:
    def shadow(image: U8, index: int) -> None:
        if index >= 10:
            image[:] = (0.78 * image).astype(np.uint8)

    scene = Moving(straight, shadow)
    tracks = scene.track()
    assert tracks.visible.mean() > 0.8
    assert np.quantile(scene.errors(tracks)[tracks.visible], 0.95) < 1.5

    def cover(image: U8, index: int) -> None:
        if index >= 10:
            image[40:220, 20 + 6 * index : 140 + 6 * index] = (60, 90, 60)

    scene = Moving(still, cover)
    tracks = scene.track(count=16)
    assert np.nanmax(scene.errors(tracks)) < 2


def test_out_of_the_picture_is_invisible() -> None:
    scene = Moving(lambda f: (200.0 + 6.0 * f, 120.0, 0.0, 1.0))
    tracks = scene.track()
    true = np.stack([scene.truth(int(f)) for f in scene.frames])
    outside = true[..., 0] > WIDTH
    assert outside.any()
    assert not tracks.visible[outside].any()
    assert tracks.visible[true[..., 0] < WIDTH - 30].mean() > 0.9


def test_boxes_follow_size_and_place() -> None:
    scene = Moving(lambda f: (90.0 + 4.0 * f, 120.0, 0.0, 1.0 + 0.01 * f))
    tracks = scene.track(keyframe=12)
    for i, frame in enumerate(scene.frames):
        x, y, _, scale = scene.pose(int(frame))
        half = SIDE / 2 * scale
        box = tuple(float(v) for v in tracks.boxes[i, 0])
        assert box_iou(box, (x - half, y - half, x + half, y + half)) > 0.9


def test_frames_are_read_forward_in_blocks() -> None:
    """Seeking backward decodes whole groups of pictures."""
    scene = Moving(still)
    scene.track(count=60, keyframe=59)
    falls = sum(b < a for a, b in zip(scene.reads, scene.reads[1:], strict=False))
    assert falls <= 4
