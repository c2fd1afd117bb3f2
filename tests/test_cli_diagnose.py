"""`demoscope diagnose`: counts, a line per wrong annotation, exit codes."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.main import main
from pipeline.model.annotation import Annotation, CandidateRecord
from pipeline.model.edits import AddBox
from pipeline.review.store import ReviewStore
from tests.broken_datasets import table_of, truncate
from tests.datasets import FRONT, write_v2

TRUE_BOX, FAR = (10.0, 10.0, 20.0, 20.0), (40.0, 30.0, 60.0, 45.0)


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return write_v2(tmp_path / "v2")


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["diagnose", *(str(a) for a in arguments)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


def line(episode: int, box: tuple[float, ...], *warnings: str, task: str = "tool") -> str:
    candidate = CandidateRecord(
        id=0, box=box, detector=0.5, motion_in=1, motion_out=1, proximity=0, overlap=0, relief=0,
        points=4,
    )  # fmt: skip
    return Annotation(
        episode_index=episode, subtask_index=0, arm="arm", camera=FRONT, instruction="", object="",
        start_box=box, target_box=None, score=1.0, phases=(), caption="", warnings=warnings,
        terms={}, keyframe=0, dataset="v2", task=task, winner=0, candidates=(candidate,),
    ).model_dump_json()  # fmt: skip


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    path = tmp_path / "annotations.jsonl"
    lines = [line(0, FAR, "near_tie", "closed_at_start"), line(1, TRUE_BOX, task="fluid")]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.jsonl"
    entries: list[dict[str, Any]] = [
        {"episode_index": i, "start_box": TRUE_BOX, "contact": [[8, 13]]} for i in (0, 1)
    ]
    path.write_text("\n".join(json.dumps(e) for e in entries) + "\n")
    return path


def test_codes_only(v2: Path, annotations: Path, truth: Path, ran) -> None:
    code, out, err = ran(v2, "--annotations", annotations, "--truth", truth, "--codes-only")
    assert (code, err) == (0, "")
    assert "phases" in out.splitlines()[1]
    assert "episode 0 subtask 1: Wrong; phases suspected" in out
    assert "episode 1" not in out
    assert out.splitlines()[-1] == "2 annotations, 2 judged, 1 wrong, 0 with a stage at fault"


def test_without_truth_nothing_is_called_wrong(v2: Path, annotations: Path, ran) -> None:
    code, out, _ = ran(v2, "--annotations", annotations)
    assert code == 0
    assert "0 judged, 0 wrong" in out
    assert "episode 0" not in out


def test_substitution_of_a_real_episode(v2: Path, annotations: Path, truth: Path, ran) -> None:
    code, out, err = ran(v2, "--annotations", annotations, "--truth", truth, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["count"] == 2
    (one,) = [d for d in found["diagnoses"] if d["episode"] == 0]
    # Nothing stands out in these pictures: no candidate is on the object.
    assert (one["outcome"], one["stage"]) == ("wrong", "proposals")
    assert one["steps"]
    assert found["failures"][0]["certainty"] == "fault"
    assert "other options" in err  # the file's box is not what these options give


def test_a_persons_box_is_the_truth_where_there_is_no_other(
    v2: Path, annotations: Path, ran
) -> None:
    with closing(ReviewStore.open(v2)) as store:
        store.append(0, AddBox(subtask=0, box=TRUE_BOX))
    code, out, _ = ran(v2, "--annotations", annotations)
    assert code == 0
    assert "episode 0 subtask 1: Proposals: no candidate is on the object" in out


def test_groups(v2: Path, annotations: Path, truth: Path, ran) -> None:
    arguments = (v2, "--annotations", annotations, "--truth", truth, "--codes-only", "--json")
    _, out, _ = ran(*arguments, "--by", "task")
    groups = {(p["by"], p["group"]): p for p in json.loads(out)["paretos"]}
    assert set(groups) == {("stage", "tool"), ("code", "tool")}
    (bar,) = groups["code", "tool"]["bars"]
    assert (bar["label"], bar["suspect"], bar["cumulative"]) == ("closed_at_start", 1, 1.0)
    assert bar["annotations"] == [[0, 0]]


def test_episodes(v2: Path, annotations: Path, truth: Path, ran) -> None:
    arguments = (v2, "--annotations", annotations, "--truth", truth, "--codes-only")
    _, out, _ = ran(*arguments, "--episodes", "1")
    assert out.splitlines()[-1] == "1 annotations, 1 judged, 0 wrong, 0 with a stage at fault"


def test_a_damaged_episode_is_annotated_by_nobody_and_names_its_stage(
    v2: Path, truth: Path, ran
) -> None:
    truncate(table_of(v2, 0))
    code, out, _ = ran(v2, "--truth", truth)
    assert code == 0
    assert "episode 0: Recording: failed" in out
    assert "episode 1" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--annotations", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--truth", "nowhere.jsonl", "--set", "phases.rule=checked"), "nowhere.jsonl"),
        (("--set", "phases.nothing=1"), "phases has no option nothing"),
        (("--episodes", "9"), "no episode 9"),
    ],
)
def test_one_sentence_where_it_cannot_work(
    v2: Path, ran, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = ran(v2, *arguments)
    assert (code, out) == (1, "")
    assert said in err.splitlines()[-1]


def test_both_ways_at_once_are_refused(v2: Path, ran) -> None:
    with pytest.raises(SystemExit) as refused:
        ran(v2, "--codes-only", "--substitute")
    assert refused.value.code == 2
