"""Real recordings: what a person says of them is not contradicted, where the object is right.

All of BridgeData and G1 that is at hand is measured by `tools/caption_checks.py --captions`; here
are the recordings by which rules became more careful (docs/caption-checks.md).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.model.checks import Outcome
from pipeline.sources.detect import open_dataset
from tools.caption_checks import TRUE, WRONG, Written, answers_written, written

TRUTH = Path(__file__).parent / "ground_truth"
DATA = Path(
    os.environ.get(
        "DEMOSCOPE_TEST_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"
    )
)
BRIDGE = DATA / "bridge_rlds"


@pytest.mark.skipif(not BRIDGE.is_dir(), reason="BridgeData is not here (DEMOSCOPE_TEST_DATA)")
@pytest.mark.parametrize("episode", [30, 32, 48], ids=["pot in the sink", "carrot", "teal cup"])
def test_the_start_of_an_action_contradicts_no_true_caption(episode: int) -> None:
    texts = tuple(t for t in written(TRUTH / "bridge_captions.jsonl") if t.episode == episode)
    found = list(answers_written(open_dataset(BRIDGE), texts, "person"))
    assert found
    assert all(right for _, _, _, right in found)
    true = [(c.claim, c.why) for kind, _, r, _ in found if kind == TRUE for c in r.constraints]
    assert true
    failed = [
        (c.claim, c.why)
        for kind, _, r, _ in found
        if kind == TRUE
        for c in r.constraints
        if c.outcome is Outcome.FAIL
    ]
    assert failed == []
    wrong = {caption: r.contradicted for kind, caption, r, _ in found if kind == WRONG}
    assert any(wrong.values()), "a wrong colour is still caught"


@pytest.mark.parametrize("name", ["bridge", "g1"])
def test_what_people_wrote_can_be_read(name: str) -> None:
    file = TRUTH / f"{name}_captions.jsonl"
    texts = written(file)
    assert len(texts) == len(file.read_text(encoding="utf-8").splitlines())
    assert all(t.right and t.wrong for t in texts)
    assert all(isinstance(t, Written) and len(t.choice) == 2 for t in texts)
    assert all(json.loads(line)["object_name"] for line in file.read_text("utf-8").splitlines())
