"""Order of the episodes of a batch run, the time that is left, and how many processes it takes."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.annotate import standard_graph
from pipeline.batch import capacity
from pipeline.batch.order import EpisodeQueue, long_first
from pipeline.batch.progress import Eta, duration_text

# -- order -----------------------------------------------------------------------------------


def test_long_episodes_come_first_and_neighbours_stay_together() -> None:
    frames = {0: 100, 1: 900, 2: 105, 3: 110, 4: 950, 5: 0}
    assert long_first(range(6), frames) == (5, 1, 4, 0, 2, 3)


@given(st.dictionaries(st.integers(0, 999), st.integers(0, 10_000), max_size=50))
def test_order_loses_no_episode_and_never_strays_far(frames: dict[int, int]) -> None:
    found = long_first(tuple(frames), frames)
    assert sorted(found) == sorted(frames)
    lengths = [frames[e] for e in found if frames[e]]
    # An episode never stands behind one of less than 1/sqrt(2) of its length.
    assert all(a >= b / 2**0.5 for a, b in itertools.pairwise(lengths))


def test_equal_questions_are_asked_one_after_the_other() -> None:
    queue = EpisodeQueue([0, 1, 2, 3], {0: "a", 1: "a", 2: "b"})
    assert (queue.next(), queue.next(), queue.next(), queue.next()) == (0, 2, 3, None)
    assert len(queue) == 1
    queue.answered(2)
    assert queue.next() is None
    queue.answered(0)
    assert queue.next() == 1
    assert queue.waiting == ()


def test_an_episode_put_back_lets_others_ask_first() -> None:
    queue = EpisodeQueue([0, 1], {0: "a", 1: "a"})
    assert queue.next() == 0
    queue.put_back(0)
    assert (queue.next(), queue.next()) == (1, None)
    queue.answered(1)
    assert queue.next() == 0


# -- time left -------------------------------------------------------------------------------


def test_time_left_by_frames() -> None:
    eta = Eta((0, 1, 2), {0: 100, 1: 300, 2: 200}, jobs=1)
    assert eta.left() is None
    eta.add(0, 10.0, computed=True)
    assert eta.left() == pytest.approx(50)
    assert eta.left({1: 20.0}) == pytest.approx(30)
    assert eta.left({1: 99.0}) == pytest.approx(20)  # it is overdue, and done any moment
    eta.add(1, 30.0, computed=True)
    eta.add(2, 20.0, computed=True)
    assert eta.left() == 0


def test_the_longest_episode_bounds_the_time_left() -> None:
    eta = Eta((0, 1, 2), {0: 100, 1: 900, 2: 100}, jobs=4)
    eta.add(0, 1.0, computed=True)
    assert eta.left({1: 0.0, 2: 0.0}) == pytest.approx(9)
    assert eta.left({1: 3.0, 2: 0.0}) == pytest.approx(6)


def test_cached_episodes_do_not_promise_a_fast_rest() -> None:
    eta = Eta(range(100), dict.fromkeys(range(100), 100), jobs=1)
    for episode in range(30):
        eta.add(episode, 0.01, computed=False)
    assert eta.left() == pytest.approx(0.7)
    for episode in range(30, 54):
        eta.add(episode, 10.0, computed=True)
    # All of the latest were computed: so is the rest.
    assert eta.left() == pytest.approx(460)


def test_time_left_without_lengths() -> None:
    eta = Eta((0, 1, 2), {}, jobs=2)
    eta.add(0, 4.0, computed=True)
    assert eta.left({1: 0.0, 2: 0.0}) == pytest.approx(4)
    eta = Eta((0,), {0: 10}, jobs=1)
    eta.learn(10, 3.0)  # an earlier session
    assert eta.left() == pytest.approx(3)


def test_durations_for_people() -> None:
    seconds = (0.2, 40, 89, 91, 754, 5399, 5401, 12_000, 36_000)
    words = ["1 s", "40 s", "89 s", "2 min", "13 min", "1 h 30 min", "1 h 30 min", "3 h 20 min",
             "10 h"]  # fmt: skip
    assert [duration_text(s) for s in seconds] == words


# -- capacity --------------------------------------------------------------------------------


def test_processes_by_cpus_memory_and_models(monkeypatch: pytest.MonkeyPatch) -> None:
    options = standard_graph().default_options()
    monkeypatch.setattr(capacity, "cpu_count", lambda: 8)
    monkeypatch.setattr(capacity, "available_memory", lambda: None)
    assert capacity.default_jobs(options).jobs == 8
    monkeypatch.setattr(capacity, "available_memory", lambda: 5 << 29)
    found = capacity.default_jobs(options)
    assert found.jobs == 2
    assert "2.5 are free" in found.reason
    monkeypatch.setattr(capacity, "available_memory", lambda: 1000)
    assert capacity.default_jobs(options).jobs == 1
    monkeypatch.setattr(capacity, "available_memory", lambda: None)
    masks = dataclasses.replace(options["masks"], backend="sam2")
    found = capacity.default_jobs(options | {"masks": masks})
    assert found.jobs == 1
    assert "sam2" in found.reason
    # A server answers many at a time.
    language = dataclasses.replace(options["subtasks"], backend="openai_compatible")
    assert capacity.default_jobs(options | {"subtasks": language}).jobs == 8


def test_this_machine_has_cpus_and_memory() -> None:
    assert capacity.cpu_count() >= 1
    free = capacity.available_memory()
    assert free is None or free > 0
