"""Samplers: what each of them means, and that all are well defined on any span."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends.captioning.samplers import (
    FrameFeatures,
    by_mass,
    diverse_path,
    motion_mass,
    needs_features,
    rising,
    sample,
)
from pipeline.model.recipe import Sampler

LOOKING = tuple(s for s in Sampler if needs_features(s))


def features(values: np.ndarray, start: int = 0, step: int = 1) -> FrameFeatures:
    frames = (start + step * np.arange(len(values))).astype(np.int32)
    look = np.asarray(values, np.float32).reshape(len(values), -1)
    return FrameFeatures(frames, look, look)


@given(
    sampler=st.sampled_from(Sampler),
    start=st.integers(0, 500),
    size=st.integers(1, 80),
    count=st.integers(1, 24),
    seed=st.integers(0, 2**16),
    still=st.booleans(),
    fps=st.sampled_from([0.5, 10.0, 30.0, 240.0]),
)
def test_frames_rise_within_the_span(
    sampler: Sampler, start: int, size: int, count: int, seed: int, still: bool, fps: float
) -> None:
    look = np.random.default_rng(seed).random((size, 5)) * (0.0 if still else 1.0)
    span = (start, start + size)
    chosen = sample(sampler, span, count, features(look, start), fps)
    assert len(chosen) == min(count, size)
    assert all(a < b for a, b in pairwise(chosen))
    assert start <= chosen[0]
    assert chosen[-1] < start + size
    assert chosen == sample(sampler, span, count, features(look, start), fps)
    if still and needs_features(sampler):
        assert chosen == sample(Sampler.UNIFORM, span, count)


@given(
    sampler=st.sampled_from(LOOKING),
    size=st.integers(2, 40),
    step=st.integers(2, 9),
    count=st.integers(1, 12),
    fps=st.sampled_from([1.0, 30.0]),
)
def test_sparse_features_are_enough(
    sampler: Sampler, size: int, step: int, count: int, fps: float
) -> None:
    """Of long spans only some frames are looked at."""
    count = min(count, size)
    look = np.random.default_rng(size).random((size, 3))
    chosen = sample(sampler, (0, size * step), count, features(look, 0, step), fps)
    assert len(chosen) == count
    assert all(f % step == 0 for f in chosen)


def test_uniform_shows_first_and_last() -> None:
    assert sample(Sampler.UNIFORM, (10, 61), 6) == (10, 20, 30, 40, 50, 60)


def test_middle_leaves_out_a_fifth_at_either_end() -> None:
    assert sample(Sampler.MIDDLE, (0, 101), 4) == (20, 40, 60, 80)


def test_late_last_skips_the_first_fifth_and_pins_the_last() -> None:
    assert sample(Sampler.LATE_LAST, (0, 101), 5) == (20, 40, 60, 80, 100)
    assert sample(Sampler.LATE_LAST, (0, 101), 1) == (100,)


def test_middle_widens_where_it_would_have_too_few_frames() -> None:
    assert sample(Sampler.MIDDLE, (0, 7), 6) == (1, 2, 3, 4, 5, 6)


@given(
    size=st.integers(2, 9),
    count=st.integers(1, 5),
    gap=st.integers(1, 4),
    seed=st.integers(0, 2**16),
)
def test_dp_finds_the_longest_path(size: int, count: int, gap: int, seed: int) -> None:
    """Against all paths that keep the gap."""
    distances = np.random.default_rng(seed).random((size, size))
    distances = distances + distances.T
    frames = np.cumsum(np.random.default_rng(seed + 1).integers(1, 4, size))
    paths = [
        p
        for p in combinations(range(size), count)
        if all(frames[b] - frames[a] >= gap for a, b in pairwise(p))
    ]
    if not paths:
        with pytest.raises(ValueError, match="apart"):
            diverse_path(distances, count, frames, gap)
        return

    def length(path: tuple[int, ...]) -> float:
        return sum(distances[a, b] for a, b in pairwise(path))

    found = tuple(int(i) for i in diverse_path(distances, count, frames, gap))
    assert found in paths
    assert length(found) == pytest.approx(max(length(p) for p in paths))


def test_dp_takes_the_frames_that_differ() -> None:
    look = np.zeros((40, 2))
    look[10:20, 0] = 1.0  # one scene, then another, then a third
    look[20:, 1] = 1.0
    chosen = sample(Sampler.DP, (0, 40), 3, features(look))
    assert chosen[0] < 10 <= chosen[1] < 20 <= chosen[2]


def test_dp_fps_keeps_frames_apart_where_dp_does_not() -> None:
    look = np.zeros((61, 1))
    look[30:34, 0] = (5.0, -5.0, 5.0, -5.0)  # all that differs lies in four frames
    free = sample(Sampler.DP, (0, 61), 4, features(look), fps=20.0)
    kept = sample(Sampler.DP_FPS, (0, 61), 4, features(look), fps=20.0)
    assert min(np.diff(free)) == 1
    assert min(np.diff(kept)) >= 10  # two frames a second


def test_dp_fps_asks_for_no_more_than_half_a_second() -> None:
    look = np.zeros((61, 1))
    look[[20, 30, 40, 50], 0] = (5.0, -5.0, 5.0, -5.0)
    assert sample(Sampler.DP_FPS, (0, 61), 4, features(look), fps=20.0) == (20, 30, 40, 50)


def test_mg_takes_more_frames_where_more_moves() -> None:
    look = np.zeros((100, 1))
    look[50:, 0] = np.arange(50)  # still, then steady motion
    for sampler in (Sampler.MG_RGB, Sampler.MG_FEATURE):
        chosen = sample(sampler, (0, 100), 5, features(look))
        assert chosen[0] >= 50
        assert np.ptp(np.diff(chosen)) <= 1


def test_each_sampler_looks_at_its_own_features() -> None:
    early, late = np.zeros((100, 1), np.float32), np.zeros((100, 1), np.float32)
    early[:20, 0] = np.arange(20)
    early[20:] = 19
    late[80:, 0] = np.arange(20)
    both = FrameFeatures(np.arange(100, dtype=np.int32), early, late)
    assert max(sample(Sampler.MG_RGB, (0, 100), 4, both)) < 20
    assert min(sample(Sampler.MG_FEATURE, (0, 100), 4, both)) >= 80
    assert sample(Sampler.DP, (0, 100), 2, both)[1] == 99
    swapped = FrameFeatures(both.frames, late, early)
    assert sample(Sampler.DP, (0, 100), 2, swapped)[1] < 20


@pytest.mark.parametrize("sampler", Sampler)
def test_all_of_a_short_span_are_taken(sampler: Sampler) -> None:
    look = np.random.default_rng(1).random((3, 2))
    for count in (3, 5):
        assert sample(sampler, (7, 10), count, features(look, 7)) == (7, 8, 9)


def test_motion_mass_is_the_mean_difference_to_the_frame_before() -> None:
    mass = motion_mass(np.array([[0.0, 0.0], [1.0, 3.0], [1.0, 3.0]], np.float32))
    assert mass.tolist() == [0.0, 2.0, 0.0]


def test_mass_is_shared_equally() -> None:
    # Four frames with equal mass, one sample each: the frame in which each quarter is reached.
    mass = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    rows = by_mass(mass, 4)
    assert rows is not None
    assert rows.tolist() == [1, 3, 5, 7]


@given(st.lists(st.floats(0, 30), min_size=1, max_size=12), st.integers(1, 31))
def test_rising_moves_places_only_as_far_as_needed(places: list[float], size: int) -> None:
    wanted = np.sort(np.array([p for p in places if p <= size - 1] or [0.0]))
    chosen = rising(wanted, size)
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] >= 0
    assert chosen[-1] < size
    rounded = np.floor(wanted + 0.5)
    if len(rounded) <= size and (np.diff(rounded) > 0).all():
        assert (chosen == rounded).all()


def test_what_cannot_be_sampled_is_said() -> None:
    with pytest.raises(ValueError, match=r"5\.\.5"):
        sample(Sampler.UNIFORM, (5, 5), 6)
    with pytest.raises(ValueError, match="needs features"):
        sample(Sampler.DP, (0, 50), 6)
    with pytest.raises(ValueError, match="2 have features"):
        sample(Sampler.DP, (0, 50), 6, features(np.zeros((2, 1))))
    with pytest.raises(ValueError, match=r"0 of 0\.\.5"):
        sample(Sampler.UNIFORM, (0, 5), 0)
    for span in ((0, 3), (2, 12)):
        with pytest.raises(ValueError, match="outside"):
            sample(Sampler.DP, span, 2, features(np.zeros((9, 1))))
    with pytest.raises(ValueError, match="not ascending"):
        sample(Sampler.DP, (0, 9), 2, features(np.zeros((9, 1)), 8, -1))
