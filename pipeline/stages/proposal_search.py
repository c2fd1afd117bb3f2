"""Looking at frames of a subtask with a detector: the object, the target, the robot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.backends.backend import FrameAt, Progress
from pipeline.backends.detection.colors import color_words
from pipeline.backends.detection.protocol import Detection, DetectionRequest, Detector
from pipeline.backends.devices import placement_of
from pipeline.backends.robot.protocol import ARM_PHRASE, GRIPPER_PHRASE
from pipeline.model.arrays import U8
from pipeline.model.candidate import Proposal
from pipeline.model.problem import Problem, Severity
from pipeline.model.score import box_iou
from pipeline.model.subtask import Subtask
from pipeline.stages.proposal_edits import numbered
from pipeline.stages.proposal_options import ProposalsOptions

ROBOT_PHRASES = (ARM_PHRASE, GRIPPER_PHRASE)
"""Phrases of the robot, looked for on every frame a phrase detector sees (SPARC B.1.2)."""
ON_ROBOT = 0.6
"""IoU from which a candidate's box and a robot box are said to coincide (our choice)."""
REDETECTIONS = 4
"""Further frames with a detector that reads phrases, unless the options say otherwise."""
MOST_AGAIN = 5
"""Boxes kept of each further frame (our choice: evidence, not candidates)."""


class ProposalSearch:
    """One detector on the frames of one subtask.

    Attributes:
        robot: Boxes of the robot on all frames looked at so far.
        problems: What is doubtful about what was found.
    """

    def __init__(
        self,
        detector: Detector,
        options: ProposalsOptions,
        subtask: Subtask,
        keyframe: int,
        frame: FrameAt,
        progress: Progress,
    ) -> None:
        self.robot: list[Proposal] = []
        self.problems: tuple[Problem, ...] = ()
        self._detector = detector
        self._options = options
        self._subtask = subtask
        self._keyframe = keyframe
        self._frame = frame
        self._progress = progress
        self._reads_phrases = bool(getattr(detector, "reads_phrases", False))
        self._looks = 0
        self._all_looks = 3 + len(self._frames_again())

    @property
    def placement(self) -> str:
        """Device and precision of the detector, empty if it has no choice."""
        return placement_of(self._detector)

    def candidates(self, image: U8) -> tuple[Proposal, ...]:
        """Detect the object on the keyframe's picture; boxes on the robot are marked."""
        subtask, options = self._subtask, self._options
        still, later = ((), ()) if self._reads_phrases else self._other_frames()
        found = self._detect(
            self._keyframe,
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
                least=options.min_candidates,
            ),
            "",
        )
        self.problems = _doubts(found, subtask.object_name, options, self._keyframe)
        proposals = _proposals(found, self._keyframe, subtask.object_name)
        return _marked(proposals, [r for r in self.robot if r.frame == self._keyframe])

    def targets(self) -> tuple[Proposal, ...]:
        """Detect the target phrase on early and late frames; else the object on the last one.

        Boxes of the frames are merged by non-maximum suppression.
        """
        subtask, options = self._subtask, self._options
        first, last = subtask.start, max(subtask.start, subtask.end - 1)
        settled = max(first, last - max(2, (last - first) // 30))
        phrase = subtask.target_name or subtask.object_name
        boxes: list[Proposal] = []
        for at in (first, last) if subtask.target_name else (last,):
            late = at == last and not self._reads_phrases
            found = self._detect(
                at,
                DetectionRequest(
                    image=self._frame(at),
                    phrase=phrase,
                    colors=color_words(phrase),
                    still=(self._frame(settled),) if late else (),
                    later=(self._frame(first),) if late else (),
                    limit=options.max_targets,
                    threshold=options.detector_threshold,
                    nms_iou=options.nms_iou,
                    min_area=options.min_area,
                    max_area=options.max_area,
                    least=1,  # something to fall back on
                ),
                "targets: ",
            )
            if late:  # what came and stays is where something arrived
                found = tuple(
                    replace(d, origin="arrival") if d.origin == "motion" else d for d in found
                )
            boxes += _proposals(found, at, phrase)
        return _merged(boxes, options.nms_iou)[: options.max_targets]

    def again(self) -> tuple[Proposal, ...]:
        """Detect the object on further frames; by frame, then by falling score."""
        subtask, options = self._subtask, self._options
        boxes: list[Proposal] = []
        for at in self._frames_again():
            found = self._detect(
                at,
                DetectionRequest(
                    image=self._frame(at),
                    phrase=subtask.object_name,
                    colors=subtask.colors or color_words(subtask.object_name),
                    still=(),
                    later=(),
                    limit=MOST_AGAIN,
                    threshold=options.detector_threshold,
                    nms_iou=options.nms_iou,
                    min_area=options.min_area,
                    max_area=options.max_area,
                ),
                "again: ",
            )
            boxes += _proposals(found, at, subtask.object_name)
        return numbered(boxes)

    def _detect(self, at: int, request: DetectionRequest, what: str) -> tuple[Detection, ...]:
        """Return the boxes of the request's phrase and keep those of the robot."""
        start, self._looks = self._looks / self._all_looks, self._looks + 1
        if self._reads_phrases:
            request = replace(
                request, further=ROBOT_PHRASES, further_threshold=self._options.robot_threshold
            )
        found = self._detector.detect(
            request,
            lambda share, text: self._progress(start + share / self._all_looks, what + text),
        )
        known = {r.frame for r in self.robot}
        if at not in known:
            robot = tuple(d for d in found if d.is_further)
            self.robot += _proposals(robot, at, "")
        return tuple(d for d in found if not d.is_further)

    def _frames_again(self) -> tuple[int, ...]:
        """Frames between the ends of the clip, evenly, without the keyframe."""
        count = self._options.redetections
        if count < 0:
            count = REDETECTIONS if self._reads_phrases else 0
        first, last = self._subtask.start, self._subtask.end - 1
        between = np.linspace(first, last, count + 2)[1:-1]
        frames = sorted({round(float(v)) for v in between} - {self._keyframe})
        return tuple(f for f in frames if first < f < last)

    def _other_frames(self) -> tuple[tuple[U8, ...], tuple[U8, ...]]:
        """Frames in which the object still rests, and frames in which it should be away."""
        subtask, keyframe, frame = self._subtask, self._keyframe, self._frame
        spans = subtask.interaction
        if not spans or keyframe >= spans[-1][1]:
            return (), ()
        start, end = spans[0][0], max(spans[-1][1], spans[0][0] + 1)
        moving = sorted(
            {int(v) for v in np.linspace(start + 0.6 * (end - start), subtask.end - 1, 5)}
        )
        still = (frame(subtask.start),) if keyframe > subtask.start else ()
        return still, tuple(frame(i) for i in moving if i > keyframe)


def _proposals(found: tuple[Detection, ...], frame: int, label: str) -> tuple[Proposal, ...]:
    return tuple(
        Proposal(i, d.box, frame, round(d.score, 4), d.label or label, d.origin, d.evidence)
        for i, d in enumerate(found)
    )


def _merged(boxes: list[Proposal], nms_iou: float) -> tuple[Proposal, ...]:
    kept: list[Proposal] = []
    for proposal in sorted(boxes, key=lambda p: -p.score):
        if all(box_iou(proposal.box, other.box) <= nms_iou for other in kept):
            kept.append(proposal)
    return tuple(kept)


def _marked(candidates: tuple[Proposal, ...], robot: list[Proposal]) -> tuple[Proposal, ...]:
    """Say of a candidate that it may be the robot; choosing is the score's job."""
    marked = []
    for candidate in candidates:
        on = [r for r in robot if box_iou(r.box, candidate.box) >= ON_ROBOT]
        if on:
            best = max(on, key=lambda r: r.score)
            text = f"{candidate.evidence}; coincides with {best.label} {best.score:.2f}"
            candidate = replace(candidate, evidence=text)
        marked.append(candidate)
    return tuple(marked)


def _doubts(
    found: tuple[Detection, ...], phrase: str, options: ProposalsOptions, frame: int
) -> tuple[Problem, ...]:
    problems: tuple[Problem, ...] = ()
    asked = next((d.label for d in found if d.label), "")
    if asked:
        why = f"no word of “{phrase}” is known to the model" if phrase else "no object is named"
        message = f"The detector was asked for “{asked}”: {why}. Name the object in the subtask."
        problems += (Problem("generic_phrase", message, Severity.WARNING, frame),)
    reach = sum(not d.is_below for d in found)
    if reach < len(found):
        message = (
            f"{reach} of the {len(found)} boxes of “{asked or phrase}” reach the threshold "
            f"{options.detector_threshold:g}; the others are the best below it."
        )
        problems += (Problem("below_threshold", message, Severity.INFO, frame),)
    return problems
