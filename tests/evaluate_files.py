"""Predictions and ground truth to evaluate, and the command's outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.main import main
from pipeline.model.annotation import Annotation, CandidateRecord, PhaseRecord

Line = dict[str, Any]
RIGHT, NEAR, WRONG = (0, 0, 10, 10), (0, 0, 10, 5), (50, 50, 60, 60)
"""True box; IoU 0.5 with it; beside it."""


def candidate(number: int, box: Sequence[float], detector: float, moved: float) -> CandidateRecord:
    return CandidateRecord(
        id=number, box=tuple(box), detector=detector, motion_in=moved, motion_out=0.0,
        mean_motion=moved, path_length=moved / 100, proximity=0.5, overlap=0.0, relief=0.0,
        points=9,
    )  # fmt: skip


def prediction(
    episode: int, box: Sequence[float] | None, score: float | None, **more: Any
) -> Annotation:
    values: Line = {
        "episode_index": episode, "subtask_index": 0, "arm": "arm", "camera": "front",
        "instruction": "", "object": "", "start_box": box, "target_box": None, "score": score,
        "phases": (PhaseRecord(name="grasp", arm="arm", start=0, end=20),), "caption": "",
        "warnings": (), "terms": {}, "keyframe": 3, "dataset": "set", "task": "pick_and_place",
    }  # fmt: skip
    return Annotation(**values | more)


PREDICTIONS = [
    prediction(0, RIGHT, 0.9, target_box=RIGHT),
    prediction(1, NEAR, 0.8, task="open_close"),
    prediction(2, WRONG, 0.7),
    prediction(3, RIGHT, None),
    prediction(9, RIGHT, 0.99),
]
TRUTH: list[Line] = [
    *({"episode_index": e, "start_box": list(RIGHT)} for e in (1, 2, 3)),
    {"episode_index": 0, "subtask_index": 0, "start_box": list(RIGHT), "target_box": list(RIGHT)},
    {"episode_index": 4, "start_box": list(RIGHT), "target_box": list(RIGHT)},
]
"""Right 0.9, right 0.8, wrong 0.7, right without a score, not predicted; one without truth."""


class Ran:
    """Outcome of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert "Traceback" not in err
        assert "internal error" not in err

    @property
    def json(self) -> Any:
        def refused(name: str) -> None:
            raise AssertionError(f"{name} is no JSON")

        return json.loads(self.out, parse_constant=refused)

    @property
    def full(self) -> Line:
        found: Line = self.json["methods"][-1]
        assert found["method"] == "full"
        return found


Evaluate = Callable[..., Ran]


def write_lines(path: Path, lines: Sequence[Any]) -> Path:
    texts = [
        x.model_dump_json()
        if isinstance(x, Annotation)
        else x
        if isinstance(x, str)
        else json.dumps(x)
        for x in lines
    ]
    path.write_text("".join(t + "\n" for t in texts))
    return path


def both_files(tmp_path: Path) -> tuple[Path, Path]:
    """The files of `PREDICTIONS` and `TRUTH`."""
    return (
        write_lines(tmp_path / "predictions.jsonl", PREDICTIONS),
        write_lines(tmp_path / "truth.jsonl", TRUTH),
    )


def evaluator(capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Runs the command in this process."""

    def run(*arguments: object) -> Ran:
        code = main(["evaluate", *map(str, arguments)])
        return Ran(code, *capsys.readouterr())

    return run


def value(cell: Line) -> float:
    return float(cell["value"])
