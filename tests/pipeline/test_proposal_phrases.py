"""The proposals with a detector that reads phrases: robot, targets, further frames, fallback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from pipeline.backends import registry
from pipeline.backends.detection.protocol import Detection, DetectionRequest
from pipeline.model.edits import AddBox
from pipeline.model.problem import Cancelled, DataError, Severity
from pipeline.stages.backend_options import FALLBACK
from pipeline.stages.proposal_search import REDETECTIONS, ROBOT_PHRASES
from pipeline.stages.proposals import ProposalsOptions, ProposalsStage
from pipeline.stages.stage import StageContext, StageInputs
from tests.pipeline.rendered_scene import Scene, run

STAGE = ProposalsStage()
OBJECT = (60.0, 140.0, 90.0, 170.0)
ARM = (150.0, 0.0, 230.0, 120.0)
GRIPPER = (61.0, 140.0, 91.0, 170.0)


class Reader:
    """A detector that reads phrases and finds what it is told."""

    name = "reader"
    licence = "MIT"
    reads_phrases = True
    placement = "cuda:1, bfloat16"
    asked: ClassVar[list[DetectionRequest]] = []
    answer: ClassVar[Callable[[DetectionRequest], tuple[Detection, ...]]]

    def available(self) -> None:
        return None

    def detect(self, request: DetectionRequest, progress: Any) -> tuple[Detection, ...]:
        progress(0.0, "reading")
        Reader.asked.append(request)
        return Reader.answer(request)


class Simple:
    """Stands in for the embedded detector: as quick as a test should be."""

    name = "simple"
    licence = "MIT"

    def available(self) -> None:
        return None

    def detect(self, request: DetectionRequest, progress: Any) -> tuple[Detection, ...]:
        progress(0.0, "looking")
        Reader.asked.append(request)
        return (Detection((30.0, 30.0, 60.0, 60.0), 0.4, "motion", "simple"),)


def found(box: Any, score: float, **more: Any) -> Detection:
    return Detection(box, score, "phrase", f"“it” {score:.2f}", **more)


def plain(request: DetectionRequest) -> tuple[Detection, ...]:
    """The object, and the robot where it is asked for."""
    further = tuple(
        found(box, score, label=name, is_further=True)
        for name, box, score in zip(ROBOT_PHRASES, (ARM, GRIPPER), (0.8, 0.6), strict=True)
        if name in request.further
    )
    return (found(OBJECT, 0.7), found((200, 60, 240, 90), 0.3), *further)


@pytest.fixture(autouse=True)
def _reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.MODELS["detection"], "reader", f"{__name__}:Reader")
    monkeypatch.setattr(Reader, "asked", [])
    monkeypatch.setattr(Reader, "answer", staticmethod(plain), raising=False)


def propose(scene: Scene | None = None, **given: Any) -> Any:
    scene = scene or Scene()
    subtasks = given.pop("subtasks", scene.subtasks())
    edits, cancel = given.pop("edits", ()), given.pop("cancel_after", None)
    options = ProposalsOptions(**{"backend": "reader", **given})
    return run(
        scene, STAGE, {"subtasks": subtasks}, options=options, edits=edits, cancel_after=cancel
    )


def test_robot_boxes_are_kept_apart_by_frame() -> None:
    result = propose()
    assert result.keyframe == 12
    frames = sorted({p.frame for p in result.robot})
    assert {0, 12, 59} < set(frames)
    for at in frames:
        boxes = [(p.label, p.box, p.score) for p in result.robot if p.frame == at]
        assert boxes == [("robot arm", ARM, 0.8), ("robot gripper", GRIPPER, 0.6)]
    assert [p.id for p in result.robot] == list(range(len(result.robot)))
    everything = (*result.candidates, *result.targets, *result.again)
    assert not {p.label for p in everything} & set(ROBOT_PHRASES)
    assert (result.backend, result.placement) == ("reader", "cuda:1, bfloat16")


def test_a_candidate_on_the_robot_stays_and_is_marked() -> None:
    first, second = propose().candidates
    assert first.box == OBJECT
    assert first.evidence == "“it” 0.70; coincides with robot gripper 0.60"
    assert "coincides" not in second.evidence
    assert (first.origin, first.label, first.score) == ("phrase", "red block", 0.7)


def test_what_is_asked_of_each_frame() -> None:
    scene = Scene()
    result = propose(scene, robot_threshold=0.33, min_candidates=7)
    asked = Reader.asked
    phrases = [r.phrase for r in asked]
    # One of the further frames is the keyframe itself here.
    assert phrases == ["red block", "plate", "plate"] + ["red block"] * (REDETECTIONS - 1)
    assert {r.further for r in asked} == {ROBOT_PHRASES}
    assert {r.further_threshold for r in asked} == {0.33}
    assert all(r.still == () and r.later == () for r in asked)
    assert [r.least for r in asked[:2]] == [7, 1]
    # No frame is decoded that nobody looks at.
    assert set(scene.reads) == {result.keyframe, 0, 59, *(p.frame for p in result.again)}


def test_targets_without_a_phrase_are_the_object_on_the_last_frame() -> None:
    scene = Scene()
    result = propose(scene, subtasks=scene.subtasks(target_name=""), redetections=0)
    assert [r.phrase for r in Reader.asked] == ["red block", "red block"]
    assert {p.frame for p in result.targets} == {59}
    assert result.again == ()


def test_targets_of_both_frames_are_merged() -> None:
    late = [False]

    def answer(request: DetectionRequest) -> tuple[Detection, ...]:
        if request.phrase != "plate":
            return plain(request)
        late.append(True)
        first = len(late) == 2
        box = (100.0, 100.0, 140.0, 140.0) if first else (101.0, 100.0, 141.0, 140.0)
        return (found(box, 0.4 if first else 0.5), found((0, 0, 20, 20), 0.2 if first else 0.1))

    Reader.answer = staticmethod(answer)
    targets = propose().targets
    assert [(p.score, p.frame) for p in targets] == [(0.5, 59), (0.2, 0)]
    assert [p.id for p in targets] == [0, 1]


def test_the_object_is_looked_for_again_between_the_ends() -> None:
    result = propose(redetections=6)
    frames = [p.frame for p in result.again]
    assert frames == sorted(frames)
    assert len(set(frames)) == 6
    assert 0 < min(frames) <= max(frames) < 59
    assert result.keyframe not in frames
    assert [p.id for p in result.again] == list(range(12))
    assert propose(redetections=0).again == ()


def test_short_clips_have_no_frames_to_look_at_again() -> None:
    scene = Scene(length=3)
    result = propose(scene, subtasks=scene.subtasks(interaction=False))
    assert len({p.frame for p in result.again}) <= 1


@pytest.fixture
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.EMBEDDED, "detection", {"simple": f"{__name__}:Simple"})


@pytest.mark.usefixtures("simple")
def test_detectors_that_read_nothing_are_asked_as_before_unless_told() -> None:
    quiet = propose(backend="simple")
    assert (quiet.robot, quiet.again, quiet.placement) == ((), (), "")
    assert [r.phrase for r in Reader.asked] == ["red block", "plate", "plate"]
    assert all(r.further == () for r in Reader.asked)
    at_key, early, late = Reader.asked
    assert (len(at_key.still), len(at_key.later)) == (1, 5)
    assert (early.still, early.later) == ((), ())
    assert (len(late.still), len(late.later)) == (1, 1)
    assert [(p.origin, p.frame) for p in quiet.targets] == [("motion", 0)]
    told = propose(backend="simple", redetections=1)
    assert {p.frame for p in told.again} == {30}
    assert (told.candidates, told.targets) == (quiet.candidates, quiet.targets)


def test_doubts_are_problems() -> None:
    Reader.answer = staticmethod(
        lambda request: (
            found(OBJECT, 0.07, label="object"),
            found((200, 60, 240, 90), 0.03, label="object", is_below=True),
        )
    )
    scene = Scene()
    unnamed = propose(scene, subtasks=scene.subtasks(object_name=""))
    problems = {p.code: p for p in unnamed.problems}
    assert "asked for “object”: no object is named" in problems["generic_phrase"].message
    below = problems["below_threshold"]
    assert "1 of the 2 boxes of “object” reach the threshold 0.05" in below.message
    assert below.severity is Severity.INFO
    assert {p.label for p in unnamed.candidates} == {"object"}
    named = propose(scene, subtasks=scene.subtasks(object_name="kupa"))
    assert "no word of “kupa” is known" in named.problems[0].message


def test_drawn_boxes_join() -> None:
    drawn = (10.0, 10.0, 40.0, 40.0)
    result = propose(edits=(AddBox(subtask=0, box=drawn),))
    assert result.candidates[0].box == drawn
    assert len(result.candidates) == 3


@pytest.mark.usefixtures("simple")
def test_a_failure_half_way_falls_back_for_everything() -> None:
    """No result is made of two detectors."""

    def answer(request: DetectionRequest) -> tuple[Detection, ...]:
        if request.phrase == "plate":
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")
        return plain(request)

    Reader.answer = staticmethod(answer)
    scene = Scene()
    with pytest.raises(DataError) as caught:
        propose(scene)
    assert caught.value.code == "backend_failed"
    assert "\n" not in str(caught.value)
    fallen = propose(scene, allow_fallback=True)
    embedded = propose(scene, backend="simple")
    assert (fallen.candidates, fallen.targets) == (embedded.candidates, embedded.targets)
    assert (fallen.robot, fallen.again, fallen.placement) == ((), (), "")
    assert fallen.backend == "simple"
    (problem,) = fallen.problems
    assert problem.code == FALLBACK
    assert problem.message.startswith("simple ran instead of reader: ")


def test_it_can_be_cancelled_between_frames() -> None:
    for count in (2, 5, 8):
        with pytest.raises(Cancelled):
            propose(cancel_after=count, allow_fallback=True)


def test_progress_only_rises() -> None:
    scene = Scene()
    shares: list[float] = []
    context = StageContext(scene, lambda share, what: shares.append(share), lambda: False)
    inputs = StageInputs({"subtasks": scene.subtasks()}, 0)
    STAGE.run(scene.demonstration, inputs, ProposalsOptions(backend="reader"), (), context)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
