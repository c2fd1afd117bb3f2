"""Every rule finds its defect, and nothing else does; odd data makes none of them fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.health.codes import HEALTH_CODES
from pipeline.health.dataset import DatasetHealth
from pipeline.health.examination import examine_episode
from pipeline.health.options import HealthOptions
from pipeline.health.text import instruction_problems
from pipeline.health.values import CameraTiming, EpisodeHealth, Exactness
from pipeline.model.demonstration import ClosedIs, EpisodeInfo, GripperChannels
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.detect import open_dataset
from pipeline.sources.gripper_channels import infer_direction
from tests.datasets import REPOSITORY, SAMPLE, shared_data
from tests.health_defects import (
    ALONG,
    DEFECTS,
    ROW_TIMES,
    filmed,
    many,
    no_pictures,
    one,
    open_gripper,
    stamped,
    with_state,
)
from tests.health_sources import FRONT, GRIPPER, Dataset, commands, demonstration, signals

DEEP = HealthOptions(deep=True)


def examined(dataset: Dataset, options: HealthOptions = DEEP) -> DatasetHealth:
    health = DatasetHealth(dataset.info, options)
    for episode in dataset.info.episodes:
        health.add(examine_episode(dataset, episode, options))
    health.compare()
    return health


def codes(dataset: Dataset, options: HealthOptions = DEEP) -> set[str]:
    health = examined(dataset, options)
    return set(health.counts()) | {p.code for p in health.problems}


def test_a_healthy_dataset_has_no_findings() -> None:
    health = examined(many())
    assert health.counts() == {}
    assert health.problems == ()
    assert health.exactness == {"exact": 12}


@pytest.mark.parametrize("code", DEFECTS)
def test_a_defect_is_found_and_nothing_else_is_claimed(code: str) -> None:
    found = codes(DEFECTS[code]())
    assert code in found
    assert found - {code} <= ALONG.get(code, set())


def test_every_code_has_a_defect() -> None:
    assert set(DEFECTS) | {"scan_crashed", "scan_timed_out"} == set(HEALTH_CODES)


def test_the_page_tells_the_codes() -> None:
    text = (REPOSITORY / "docs/health.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    expected = [(c.code, c.severity.value, c.meaning, c.remedy) for c in HEALTH_CODES.values()]
    assert rows == expected


def test_pictures_are_decoded_only_when_asked() -> None:
    dataset = Dataset({0: demonstration()}, pictures=no_pictures)
    assert codes(dataset, HealthOptions()) == set()


# -- where and how much ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "frame"),
    [
        ("timestamp_gap", 50),
        ("timestamp_repeat", 50),
        ("state_jump", 60),
        ("gripper_spike", 20),
        ("video_shorter", 80),
    ],
)
def test_findings_name_their_frame(code: str, frame: int) -> None:
    health = examined(DEFECTS[code]())
    (found,) = [p for p in health.problems_of(0) if p.code == code]
    assert found.frame == frame


@pytest.mark.parametrize(
    ("times", "badge", "text"),
    [
        (ROW_TIMES, Exactness.EXACT, "exact"),
        (ROW_TIMES + 0.0004, Exactness.EXACT, "exact"),
        (ROW_TIMES + 0.03, Exactness.HALF_FRAME, "within half a frame"),
        (np.delete(ROW_TIMES, [40, 41]), Exactness.OFF, "off by 100 ms at frame 40"),
        (ROW_TIMES[:-1], Exactness.EXACT, "exact"),
        (ROW_TIMES * 1.02, Exactness.DRIFT, "drifts by 198 ms"),
        (np.zeros(0), Exactness.UNKNOWN, "unknown"),
    ],
)
def test_the_timing_badge(times: np.ndarray, badge: Exactness, text: str) -> None:
    dataset = filmed(times)
    timing = examine_episode(dataset, dataset.info.episodes[0]).timing
    assert timing is not None
    assert (timing.exactness, timing.text) == (badge, text)


def test_pictures_without_times_are_no_fault() -> None:
    dataset = Dataset({0: demonstration()}, times={0: None})
    health = examine_episode(dataset, dataset.info.episodes[0])
    assert health.problems == ()
    assert health.timing == CameraTiming(FRONT, Exactness.UNKNOWN)


def test_an_episode_of_other_length_among_equal_ones_is_no_outlier() -> None:
    assert codes(Dataset({i: demonstration(i, 130 if i == 3 else 100) for i in range(20)})) == set()


def test_the_same_start_and_instruction_make_no_duplicate() -> None:
    state = signals(seed=0)
    state[50:] = signals(seed=7)[50:] - signals(seed=7)[50] + state[49]
    assert "duplicate_episode" not in codes(
        Dataset({0: demonstration(0), 1: demonstration(1, state=state)})
    )


def test_a_duplicate_is_told_at_both_episodes() -> None:
    health = examined(DEFECTS["duplicate_episode"]())
    assert "episode 3" in health.problems_of(0)[0].message
    assert "episode 0" in health.problems_of(3)[0].message


def test_tasks_without_a_grasp_are_usual_in_some_datasets() -> None:
    opened = with_state(open_gripper).episodes[0]
    idle = {i: replace(opened, ref=replace(opened.ref, episode=i)) for i in range(20, 25)}
    assert "gripper_never_closes" not in codes(Dataset({**many().episodes, **idle}))


def test_a_command_beyond_the_fingers_confirms_a_doubtful_direction() -> None:
    weak = replace(GRIPPER, reason="named; no evidence; low is the usual closed end")
    assert codes(Dataset({0: demonstration()}, meant={"grippers": (weak,)})) == set()
    wrong = replace(weak, closed_is=ClosedIs.HIGH)
    dataset = Dataset({i: demonstration(i) for i in range(3)}, meant={"grippers": (wrong,)})
    assert codes(dataset) == {"gripper_direction_contradicts"}
    user = replace(wrong, origin="user")
    assert codes(Dataset(dataset.episodes, meant={"grippers": (user,)})) == set()


def test_the_evidence_is_what_the_gripper_channels_call_it() -> None:
    state = signals()[:, 4:]
    _, strong = infer_direction(state, commands(signals())[:, 4:], ())
    _, none = infer_direction(np.full((50, 1), 0.5, np.float32), None, ())
    assert strong.startswith("the command stays")
    assert none.startswith("the signal never moves")


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("pick up the can", True),
        ("put pot on the stove", True),
        ("la croix can to the left", True),
        ("open drawer", True),
        ("Das Tuch falten und in die Kiste legen", False),
        ("把红色方块放到碗里", False),
        ("Prends le cube rouge et mets le sur la table", False),
        ("Coge el cubo rojo y ponlo en la caja", False),
        ("подними красный куб", False),
        ("42", False),
    ],
)
def test_english(text: str, english: bool) -> None:
    assert (not instruction_problems(text, HealthOptions())) is english


# -- odd data ----------------------------------------------------------------------------------


_NAN = np.full((100, 5), np.nan, np.float32)
ODD: dict[str, Callable[[], Dataset]] = {
    "one frame": lambda: one(length=1),
    "two frames": lambda: one(length=2),
    "nan everywhere": lambda: one(state=_NAN, action=_NAN),
    "nan in places": lambda: one(state=np.where(signals() > 0.9, np.nan, signals())),
    "infinite": lambda: one(state=np.where(signals() > 0.9, np.inf, signals())),
    "no columns, grippers all the same": lambda: one(
        state=np.zeros((100, 0), np.float32), state_names=()
    ),
    "huge": lambda: one(state=(signals() * 3e38).astype(np.float32)),
    "channels that are not there": lambda: one(
        grippers=(GripperChannels("arm", "action", (9,), ("x",), ClosedIs.LOW),)
    ),
    "same time throughout": lambda: stamped(np.zeros(100)),
    "no rate": lambda: one(fps=0.001),
    "no pictures": lambda: filmed(np.zeros(0)),
    "one picture": lambda: filmed(np.zeros(1)),
    "times of nothing": lambda: filmed(np.full(100, np.nan)),
    "pictures of another size": lambda: Dataset(
        {0: demonstration()}, pictures=lambda i: np.zeros((4 + i % 2, 4, 3), np.uint8)
    ),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_data_fails_no_rule(odd: str) -> None:
    found = codes(ODD[odd]())
    assert "scan_crashed" not in found
    assert codes(many(ODD[odd]())).isdisjoint({"scan_crashed"})


def test_an_episode_that_cannot_be_opened_says_why() -> None:
    class Broken(Dataset):
        def open(self, episode: int):
            raise DataError("bad_table", "a.parquet: is truncated")

    dataset = Broken({0: demonstration()})
    (problem,) = examine_episode(dataset, dataset.info.episodes[0]).problems
    assert (problem.code, problem.severity) == ("bad_table", Severity.ERROR)


def test_what_the_metadata_said_is_not_repeated() -> None:
    said = Problem("missing_video", "front.mp4 is not on disk", Severity.ERROR)
    dataset = Dataset(
        {0: demonstration(problems=(said,), cameras=())},
        listed={0: EpisodeInfo(0, 100, "Pick up the cube.", True, (said,))},
    )
    assert [p.code for p in examine_episode(dataset, dataset.info.episodes[0]).problems] == []


def test_health_survives_being_written() -> None:
    for make in DEFECTS.values():
        dataset = make()
        for episode in dataset.info.episodes:
            health = examine_episode(dataset, episode, DEEP)
            assert EpisodeHealth.from_dict(health.as_dict()) == health


# -- real data ---------------------------------------------------------------------------------


def real(path: Path) -> DatasetHealth:
    source = open_dataset(path)
    health = DatasetHealth(source.info)
    for episode in source.info.episodes:
        if episode.present:
            health.add(examine_episode(source, episode))
    health.compare()
    return health


def test_the_sample_dataset() -> None:
    health = real(SAMPLE)
    assert health.exactness == {"exact": 8}
    assert health.problems == ()
    # The second camera was not rendered everywhere; in one episode the gripper never closes.
    assert set(health.counts()) <= {"camera_missing", "gripper_idle"}
    assert [e for e in range(8) if "gripper_idle" in {p.code for p in health.problems_of(e)}] == [6]


def test_real_demonstrations_raise_no_false_alarm() -> None:
    path = shared_data("g1_pick_bottle")
    if path is None:
        pytest.skip("shared/data/g1_pick_bottle is not here")
    health = real(path)
    assert health.counts() == {}
    assert health.exactness == {"exact": 3}
    assert {p.code for p in health.problems} <= {"gripper_direction_doubtful"}


def test_real_bridge_data_raises_no_false_alarm() -> None:
    path = shared_data("bridge_rlds")
    if path is None:
        pytest.skip("shared/data/bridge_rlds is not here")
    health = real(path)
    ours = {code for code in health.counts() if code in HEALTH_CODES}
    # The clips are cut to ten frames: in a third of them the gripper has nothing to do. One of
    # the four cameras was not there.
    assert ours <= {"gripper_idle", "channel_constant", "camera_missing"}
