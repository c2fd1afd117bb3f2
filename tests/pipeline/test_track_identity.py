from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest
from pipeline.model.arrays import U8
from pipeline.stages.track_appearance import appearance_of, relit, similarity
from pipeline.stages.track_identity import IdentityLimits, switches

LIMITS = IdentityLimits(switch_similarity=0.45, twin_similarity=0.8)
WIDTH, HEIGHT, SIDE, COUNT = 320, 240, 30, 31
RED, GREEN, BLUE = (200, 40, 35), (40, 150, 60), (40, 70, 190)
Path = list[tuple[float, float]]


class Things:
    """Squares with a lighter top that move; tracks follow whichever path they are told to."""

    def __init__(self, colors: list[tuple[int, int, int]], paths: list[Path]) -> None:
        self.colors, self.paths = colors, paths
        self.light = np.ones(COUNT)
        self.table = np.full((HEIGHT, WIDTH, 3), (175, 160, 130), np.uint8)

    def frame_at(self, index: int) -> U8:
        image = self.table.copy()
        for color, path in zip(self.colors, self.paths, strict=True):
            x, y = (round(v) for v in path[index])
            h = SIDE // 2
            cv2.rectangle(image, (x - h, y - h), (x + h, y + h), color, -1)
            top = tuple(min(255, int(1.3 * c)) for c in color)
            cv2.rectangle(image, (x - h, y - h), (x + h, y - h + 8), top, -1)
        noise = np.random.default_rng(index).normal(0, 2, image.shape)
        return np.clip(self.light[index] * image + noise, 0, 255).astype(np.uint8)

    def problems(self, followed: list[Path], keyframe: int = 0):
        grid = np.stack(np.meshgrid(*[np.arange(-12, 13, 4)] * 2), axis=-1).reshape(-1, 2)
        start = [grid + np.array(p[keyframe]) for p in self.paths]
        offsets = np.array(followed, np.float32).transpose(1, 0, 2)
        points = np.concatenate(
            [grid[None] + offsets[:, k, None] for k in range(len(followed))], axis=1
        ).astype(np.float32)
        frames = np.arange(COUNT, dtype=np.int32)
        masks = np.zeros((len(self.paths), HEIGHT, WIDTH), np.bool_)
        half = np.array([SIDE / 2] * 2)
        boxes = np.concatenate([offsets - half, offsets + half], axis=2).astype(np.float32)
        request = TrackingRequest(
            frame_at=self.frame_at,
            frames=frames,
            steps=frames,
            keyframe=keyframe,
            points=np.concatenate(start).astype(np.float32),
            candidate=np.repeat(np.arange(len(start)), len(grid)).astype(np.int32),
            masks=masks,
            interaction=np.zeros(COUNT, np.bool_),
        )
        tracks = PointTracks(points, np.ones(points.shape[:2], np.bool_), boxes)
        self.appearance, self.alike = appearance_of(
            request, tracks, self.frame_at, lambda share, what: None
        )
        return switches(request, boxes, self.appearance, self.alike, LIMITS)


def line(start: tuple[float, float], end: tuple[float, float]) -> Path:
    return [
        (float(x), float(y))
        for x, y in zip(
            np.linspace(start[0], end[0], COUNT), np.linspace(start[1], end[1], COUNT), strict=True
        )
    ]


def test_faithful_tracks_are_alike_all_the_time() -> None:
    paths = [line((60, 80), (250, 80)), line((250, 180), (60, 180))]
    things = Things([RED, BLUE], paths)
    assert things.problems(paths) == ()
    assert things.appearance.shape == (COUNT, 2)
    assert things.appearance.dtype == np.float32
    assert things.appearance.min() > 0.95
    assert things.alike[0, 1] < 0.1


def test_light_is_no_other_thing() -> None:
    paths = [line((60, 80), (250, 80))]
    things = Things([RED], paths)
    things.light = np.linspace(1.0, 0.65, COUNT)
    assert things.problems(paths) == ()
    assert things.appearance.min() > 0.7


@pytest.mark.parametrize("color", [GREEN, BLUE, (235, 235, 235)])
def test_a_track_that_goes_over_to_another_thing(color: tuple[int, int, int]) -> None:
    one, other = line((60, 80), (250, 80)), line((155, 20), (155, 140))
    things = Things([RED, color], [one, other])
    switched = one[:15] + other[15:]
    (problem,) = things.problems([switched, other])
    assert (problem.code, problem.candidate) == ("identity_switch", 0)
    assert problem.frame in (13, 14, 15, 16)
    assert things.appearance[20:, 0].max() < 0.45


def test_a_track_that_stays_behind_on_the_table() -> None:
    path = line((60, 80), (250, 80))
    things = Things([RED], [path])
    (problem,) = things.problems([[path[0]] * COUNT])
    assert problem.candidate == 0
    assert 3 <= problem.frame <= 8


def test_a_hand_that_wipes_across_is_not_enough() -> None:
    path = [(100.0, 100.0)] * COUNT
    things = Things(
        [RED, GREEN],
        [path, [(100.0, 100.0) if f in (9, 10) else (30.0, 200.0) for f in range(COUNT)]],
    )
    assert things.problems([path, [(30.0, 200.0)] * COUNT])[:1] == ()
    assert things.appearance[9, 0] < 0.45


def test_twins_that_were_exchanged() -> None:
    """Two red squares cross; the tracks go away with the wrong one."""
    one, other = line((60, 100), (260, 100)), line((260, 110), (60, 110))
    things = Things([RED, RED], [one, other])
    swapped = [one[:16] + other[16:], other[:16] + one[16:]]
    (problem,) = things.problems(swapped)
    assert (problem.code, problem.candidate) == ("identity_switch", 0)
    assert abs(problem.frame - 15) <= 2
    assert "exchanged" in problem.message
    assert things.appearance.min() > 0.9  # the picture cannot tell


def test_a_twin_that_rests_while_the_other_passes_was_not_exchanged() -> None:
    one, other = line((60, 100), (260, 100)), [(160.0, 110.0)] * COUNT
    things = Things([RED, RED], [one, other])
    assert things.problems([one, other]) == ()
    swapped = [one[:16] + other[16:], other[:16] + one[16:]]
    (problem,) = things.problems(swapped)
    assert abs(problem.frame - 15) <= 2


def test_a_lost_track_that_is_found_on_the_twin() -> None:
    one, other = line((60, 60), (60, 220)), [(200.0, 110.0)] * COUNT
    things = Things([RED, RED], [one, other])
    (problem,) = things.problems([one[:16] + other[16:], other])
    assert "lie on one thing" in problem.message


def test_before_the_keyframe_too() -> None:
    one, other = line((60, 100), (260, 100)), line((260, 110), (60, 110))
    things = Things([RED, RED], [one, other])
    (problem,) = things.problems([other[:15] + one[15:], one[:15] + other[15:]], keyframe=COUNT - 1)
    assert abs(problem.frame - 15) <= 2


def test_other_colours_other_sizes_neighbours_and_duplicates_are_no_twins() -> None:
    one, other = line((60, 100), (260, 100)), line((260, 110), (60, 110))
    assert Things([RED, BLUE], [one, other]).problems([one, other]) == ()
    # Put down beside each other, at rest there.
    beside = line((60, 100), (124, 100))
    rest = [(154.0, 100.0)] * COUNT
    assert Things([RED, RED], [beside, rest]).problems([beside, rest]) == ()
    # Two boxes of one object.
    assert Things([RED, RED], [one, one]).problems([one, one]) == ()


def test_many_alarms_are_counted() -> None:
    paths = [line((30 + 40 * k, 20), (30 + 40 * k, 220)) for k in range(7)]
    things = Things([RED] * 7, paths)
    problems = things.problems([[p[0]] * COUNT for p in paths])
    assert len(problems) == 5
    assert "3 more" in problems[-1].message


def test_similarity_and_light() -> None:
    rng = np.random.default_rng(0)
    colors = rng.normal(0, 20, (60, 3)).astype(np.float32) + np.array([30, 0, 0], np.float32)
    assert similarity(colors, colors[::-1]) == pytest.approx(1.0)
    assert similarity(colors, colors + np.float32(100)) < 0.01
    assert similarity(colors, colors[:0]) == 0.0
    black = np.array([8, 0, 0], np.float32)
    darker = (colors + black) * np.float32(0.8) - black
    np.testing.assert_allclose(relit(darker, colors), colors, atol=1e-3)
    # More than light can do stays visible.
    assert similarity(relit((colors + black) * np.float32(0.3) - black, colors), colors) < 0.8
