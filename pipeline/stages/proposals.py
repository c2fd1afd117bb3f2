"""Stage 2a: boxes that might hold the object, and boxes where it might end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from pipeline.backends.detection.colors import color_words
from pipeline.backends.detection.protocol import Detection, DetectionRequest, Detector
from pipeline.backends.registry import load_backend
from pipeline.model.arrays import U8
from pipeline.model.candidate import Box, Proposal, ProposalsResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import AddBox, Edit, FixBox
from pipeline.model.options import option
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.model.score import box_area, box_iou
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.stages.backend_options import BackendOptions
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

WRIST_WORDS = ("wrist", "hand", "gripper", "ego_arm")
"""Words in a camera's name that say it moves with the arm."""
USER_SCORE = 0.9
"""D of a box that a person drew: sure of the object, but motion may still disagree."""
SAME_OBJECT = 0.7
"""A box that overlaps a person's box more than this is that box."""


@dataclass(frozen=True)
class ProposalsOptions(BackendOptions):
    """Options of the proposals."""

    backend: str = option(
        "regions",
        "Detector that proposes boxes. `regions` needs no model.",
        capability="detection",
    )
    camera: str = option(
        "",
        "Camera all later stages work on. Empty: the first camera that is not on the wrist, or "
        "another one that shows clearly more motion during the interaction.",
    )
    detector_threshold: float = option(
        0.05,
        "Boxes of lower confidence are dropped. Very low: the detector only proposes.",
        low=0.0,
        high=1.0,
        source="SPARC, table of hyperparameters",
    )
    max_candidates: int = option(
        20, "Largest number of object boxes.", low=1, high=25, source="SPARC 3.2: 5 to 25"
    )
    max_targets: int = option(10, "Largest number of target boxes.", low=0, high=25)
    nms_iou: float = option(
        0.7, "Boxes that overlap more than this are one box.", unit="IoU", low=0.1, high=1.0
    )
    min_area: float = option(
        0.0008,
        "Smallest box as a share of the picture; 245 px in 640x480.",
        unit="share",
        low=0.0,
        high=0.5,
    )
    max_area: float = option(
        0.25, "Largest box as a share of the picture.", unit="share", low=0.01, high=1.0
    )


class ProposalsStage(Stage[ProposalsOptions, ProposalsResult]):
    """Finds object boxes at the keyframe and target boxes on early and late frames."""

    name: ClassVar[str] = "proposals"
    title: ClassVar[str] = "Proposals"
    version: ClassVar[int] = 1
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = ("subtasks",)
    options_type: ClassVar[type] = ProposalsOptions
    result_type: ClassVar[type] = ProposalsResult
    capability: ClassVar[str] = "detection"

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: ProposalsOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> ProposalsResult:
        """Propose boxes. Raises DataError `no_camera`, `no_backend`, or Cancelled."""
        subtask = inputs.get(SubtasksResult).subtasks[inputs.subtask]
        detector: Detector = load_backend("detection", options.backend, options.settings)
        context.progress(0.0, "choosing the camera")
        camera = choose_camera(demonstration, subtask, options.camera, context)
        keyframe = keyframe_of(subtask, demonstration.length)

        def frame(index: int) -> U8:
            context.progress(0.05, "reading frames")
            return context.reader.frame(camera, min(max(index, 0), demonstration.length - 1))

        image = frame(keyframe)
        still, later = _other_frames(subtask, keyframe, frame)
        found = detector.detect(
            DetectionRequest(
                image=image,
                phrase=subtask.object_name,
                colors=subtask.colors or color_words(subtask.object_name),
                still=still,
                later=later,
                limit=options.max_candidates,
                threshold=options.detector_threshold,
                nms_iou=options.nms_iou,
                min_area=options.min_area,
                max_area=options.max_area,
            ),
            lambda share, what: context.progress(0.1 + 0.4 * share, what),
        )
        drawn = tuple(e.box for e in edits if isinstance(e, AddBox) and e.role == "object")
        fixes = tuple(e for e in edits if isinstance(e, FixBox))
        size = (image.shape[1], image.shape[0])
        candidates = _with_edits(
            _proposals(found, keyframe, subtask.object_name),
            drawn,
            fixes,
            keyframe,
            subtask.object_name,
            size,
        )
        targets = self._targets(detector, subtask, options, edits, frame, size, context)
        context.progress(1.0, "proposals done")
        return ProposalsResult(
            camera=camera,
            keyframe=keyframe,
            candidates=candidates,
            targets=targets,
            backend=detector.name,
            problems=_problems(candidates, image, keyframe),
        )

    def _targets(
        self,
        detector: Detector,
        subtask: Subtask,
        options: ProposalsOptions,
        edits: tuple[Edit, ...],
        frame: Callable[[int], U8],
        size: tuple[int, int],
        context: StageContext,
    ) -> tuple[Proposal, ...]:
        """Detect the target phrase on early and late frames; else the object on the last one."""
        first, last = subtask.start, max(subtask.start, subtask.end - 1)
        settled = max(first, last - max(2, (last - first) // 30))
        phrase = subtask.target_name or subtask.object_name
        looks = (first, last) if subtask.target_name else (last,)
        boxes: list[Proposal] = []
        for number, at in enumerate(looks):
            late = at == last
            found = detector.detect(
                DetectionRequest(
                    image=frame(at),
                    phrase=phrase,
                    colors=color_words(phrase),
                    still=(frame(settled),) if late else (),
                    later=(frame(first),) if late else (),
                    limit=options.max_targets,
                    threshold=options.detector_threshold,
                    nms_iou=options.nms_iou,
                    min_area=options.min_area,
                    max_area=options.max_area,
                ),
                lambda share, what, n=number: context.progress(  # type: ignore[misc]
                    0.5 + 0.25 * n + 0.25 * share, "targets: " + what
                ),
            )
            if late:  # what came and stays is where something arrived
                found = tuple(
                    replace(d, origin="arrival") if d.origin == "motion" else d for d in found
                )
            boxes += _proposals(found, at, phrase)
        kept = _merged(boxes, options.nms_iou)[: options.max_targets]
        drawn = tuple(e.box for e in edits if isinstance(e, AddBox) and e.role == "target")
        return _with_edits(kept, drawn, (), last, phrase, size)


def keyframe_of(subtask: Subtask, length: int) -> int:
    """Midpoint of the subtask's start and the end of its first grasp (spec, stage 2)."""
    middle = (subtask.start + subtask.first_grasp_end) // 2
    return int(min(max(middle, subtask.start), max(subtask.start, subtask.end - 1), length - 1))


def choose_camera(
    demonstration: Demonstration, subtask: Subtask, wanted: str, context: StageContext
) -> str:
    """Return the key of the camera to work on. Raises DataError `no_camera`.

    Our choice: of the cameras that are not on the wrist the first one, unless another shows half
    as much more moving area during the interaction.
    """
    keys = [c.key for c in demonstration.cameras]
    if not keys:
        raise DataError("no_camera", "the episode has no colour camera whose video is present.")
    if wanted:
        for camera in demonstration.cameras:
            if wanted in (camera.key, camera.short_name):
                return camera.key
        raise DataError("no_camera", f"no camera “{wanted}”; there are: {', '.join(keys)}.")
    fixed = [k for k in keys if not any(w in k.rsplit(".", 1)[-1].lower() for w in WRIST_WORDS)]
    fixed = fixed or keys
    if len(fixed) == 1:
        return fixed[0]
    spans = subtask.interaction or ((subtask.start, subtask.end),)
    start, end = spans[0][0], min(spans[-1][1], demonstration.length)
    at = sorted({int(v) for v in np.linspace(start, max(start, end - 1), 4)})
    moving = [_moving_share(key, at, context) for key in fixed]
    best = int(np.argmax(moving))
    return fixed[best] if moving[best] > 1.5 * moving[0] else fixed[0]


def _moving_share(camera: str, frames: list[int], context: StageContext) -> float:
    import cv2

    small = []
    for index in frames:
        context.progress(0.02, "choosing the camera")
        picture = context.reader.frame(camera, index)
        gray = cv2.cvtColor(cv2.resize(picture, (96, 72)), cv2.COLOR_RGB2GRAY)
        small.append(cv2.GaussianBlur(gray, (5, 5), 0).astype(np.int16))
    pairs = pairwise(small)
    return float(np.mean([np.mean(np.abs(a - b) > 14) for a, b in pairs])) if small[1:] else 0.0


def _other_frames(
    subtask: Subtask, keyframe: int, frame: Callable[[int], U8]
) -> tuple[tuple[U8, ...], tuple[U8, ...]]:
    """Frames in which the object still rests, and frames in which it should be away."""
    spans = subtask.interaction
    if not spans or keyframe >= spans[-1][1]:
        return (), ()
    start, end = spans[0][0], max(spans[-1][1], spans[0][0] + 1)
    moving = sorted({int(v) for v in np.linspace(start + 0.6 * (end - start), subtask.end - 1, 5)})
    still = (frame(subtask.start),) if keyframe > subtask.start else ()
    return still, tuple(frame(i) for i in moving if i > keyframe)


def _proposals(found: tuple[Detection, ...], frame: int, label: str) -> tuple[Proposal, ...]:
    return tuple(
        Proposal(i, d.box, frame, round(d.score, 4), label, d.origin, d.evidence)
        for i, d in enumerate(found)
    )


def _merged(boxes: list[Proposal], nms_iou: float) -> tuple[Proposal, ...]:
    kept: list[Proposal] = []
    for proposal in sorted(boxes, key=lambda p: -p.score):
        if all(box_iou(proposal.box, other.box) <= nms_iou for other in kept):
            kept.append(proposal)
    return tuple(kept)


def _with_edits(
    found: tuple[Proposal, ...],
    drawn: tuple[Box, ...],
    fixes: tuple[FixBox, ...],
    frame: int,
    label: str,
    size: tuple[int, int],
) -> tuple[Proposal, ...]:
    """Apply people's boxes and number the proposals by falling score."""
    boxes = list(found)
    for fix in fixes:
        overlaps = [box_iou(p.box, fix.old_box) for p in boxes]
        box = _inside(fix.box, size)
        if overlaps and max(overlaps) > 0.1:
            old = boxes[int(np.argmax(overlaps))]
            boxes[boxes.index(old)] = replace(
                old, box=box, origin="user", evidence=f"box fixed by a person; {old.evidence}"
            )
        else:
            boxes.append(Proposal(0, box, frame, USER_SCORE, label, "user", "drawn by a person"))
    for drawing in drawn:
        box = _inside(drawing, size)
        boxes = [p for p in boxes if p.origin == "user" or box_iou(p.box, box) <= SAME_OBJECT]
        boxes.append(Proposal(0, box, frame, USER_SCORE, label, "user", "drawn by a person"))
    boxes = [p for p in boxes if box_area(p.box) >= 1.0]
    boxes.sort(key=lambda p: (-p.score, p.box))
    return tuple(replace(p, id=i) for i, p in enumerate(boxes))


def _inside(box: Box, size: tuple[int, int]) -> Box:
    width, height = size
    return (
        min(max(box[0], 0.0), width),
        min(max(box[1], 0.0), height),
        min(max(box[2], 0.0), width),
        min(max(box[3], 0.0), height),
    )


def _problems(candidates: tuple[Proposal, ...], image: U8, keyframe: int) -> tuple[Problem, ...]:
    if candidates:
        return ()
    dark = " The picture is almost uniform." if float(image.std()) < 4.0 else ""
    return (
        Problem(
            "no_candidates",
            f"No region of frame {keyframe} stands out.{dark} Draw a box or choose another camera.",
            Severity.ERROR,
            keyframe,
        ),
    )
