"""What a backend is: a class behind its capability's protocol, found by name.

A lab adds its own detector without a fork: it installs a package with an entry point in the group
`demoscope.backends.detection` (or `segmentation`, `tracking`, `geometry`, `robot`) whose value is
a class that can be made without arguments.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np

from pipeline.model.arrays import F32, F64, I32, U8, Bool
from pipeline.model.candidate import Box
from pipeline.model.problem import DataError, Problem

logger = logging.getLogger(__name__)

ENTRY_POINT_PREFIX = "demoscope.backends."

Progress = Callable[[float, str], None]
"""Called with a share 0..1 and a short phrase, at least every 100 ms; raises Cancelled."""

FrameAt = Callable[[int], U8]
"""Returns RGB (H, W, 3) uint8 of a frame of the episode."""


class Backend(Protocol):
    """What all backends have in common.

    Attributes:
        name: As chosen in options and written into results.
        licence: Licence of the code or of the weights, for the window and for the exports.
    """

    name: str
    licence: str

    def available(self) -> str | None:
        """Return None if it can be used, else one sentence that says why not."""
        ...


@dataclass(frozen=True, slots=True)
class DetectionRequest:
    """What a detector is asked.

    Attributes:
        image: (H, W, 3) uint8 RGB, the frame in which boxes are wanted.
        phrase: Noun phrase, may be empty.
        colors: Colour words of the phrase, names of the colour vocabulary.
        still: Frames of the same camera before `image` (H, W, 3); may be empty. What equals them
            was at rest.
        later: Frames of the same camera after `image`; may be empty. What differs from them has
            gone or come.
        limit: Largest number of boxes.
        threshold: Smallest score of a box, 0..1.
        nms_iou: Boxes that overlap more than this are the same.
        min_area: Smallest box, share of the picture.
        max_area: Largest box, share of the picture.
    """

    image: U8
    phrase: str
    colors: tuple[str, ...]
    still: tuple[U8, ...]
    later: tuple[U8, ...]
    limit: int
    threshold: float
    nms_iou: float
    min_area: float
    max_area: float


@dataclass(frozen=True, slots=True)
class Detection:
    """One box.

    Attributes:
        box: Pixels of the image, x1 and y1 exclusive.
        score: Confidence of appearance against the language, 0..1. Never motion.
        origin: `region`, `color`, `motion` or `arrival`; how the box was found.
        evidence: What the score is made of, one short line for people.
    """

    box: Box
    score: float
    origin: str
    evidence: str


class Detector(Backend, Protocol):
    """Finds boxes that might show what a phrase names."""

    def detect(self, request: DetectionRequest, progress: Progress) -> tuple[Detection, ...]:
        """Return boxes by falling score; raises Cancelled through `progress`."""
        ...


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Masks of boxes.

    Attributes:
        masks: (K, H, W) bool.
        collapsed: Indices whose mask is the inscribed ellipse because segmentation failed.
    """

    masks: Bool
    collapsed: tuple[int, ...]


class Segmenter(Backend, Protocol):
    """Turns boxes into masks."""

    def segment(self, image: U8, boxes: tuple[Box, ...], progress: Progress) -> Segmentation:
        """Segment each box of `image` (H, W, 3) uint8 RGB."""
        ...


@dataclass(frozen=True, slots=True)
class TrackingRequest:
    """What a tracker is asked.

    Attributes:
        frame_at: Gives frames of the episode; asked in ascending order where possible.
        frames: (F,) int32 ascending, frames to report.
        steps: (S,) int32 ascending, frames to walk through; contains `frames` and `keyframe`.
        keyframe: Frame of `points` and `masks`.
        points: (N, 2) float32 pixels, x and y at the keyframe.
        candidate: (N,) int32, candidate of each point.
        masks: (K, H, W) bool at the keyframe.
    """

    frame_at: FrameAt
    frames: I32
    steps: I32
    keyframe: int
    points: F32
    candidate: I32
    masks: Bool


@dataclass(frozen=True, slots=True)
class PointTracks:
    """What a tracker returns.

    Attributes:
        points: (F, N, 2) float32 pixels, NaN where never tracked.
        visible: (F, N) bool.
        boxes: (F, K, 4) float32, NaN where lost.
    """

    points: F32
    visible: Bool
    boxes: F32


class Tracker(Backend, Protocol):
    """Follows points of candidates through a clip."""

    def track(self, request: TrackingRequest, progress: Progress) -> PointTracks:
        """Follow the points from the keyframe to both ends of the clip."""
        ...


class Geometry(Backend, Protocol):
    """Gives depth per frame, from which points are lifted to 3D."""

    def depth(
        self, frame: int, image: FrameAt, recorded: Callable[[int], F32 | None]
    ) -> F32 | None:
        """Return (H, W) float32 metres along the optical axis, 0 = unknown; None if there is none.

        Args:
            frame: Frame of the episode.
            image: Gives colour frames (a monocular backend reads them).
            recorded: Gives recorded depth or None.
        """
        ...

    def intrinsics(self, given: F64 | None, width: int, height: int) -> F64 | None:
        """Return the (3, 3) float64 pinhole matrix in pixels, or None if it is unknown."""
        ...


@dataclass(frozen=True, slots=True)
class RobotRequest:
    """What a robot finder is asked.

    Attributes:
        frame_at: Gives frames of the episode.
        frames: (F,) int32 ascending. The first `lead` of them come before the clip: they are only
            learnt from, nothing is tracked in them and nothing is reported for them.
        lead: Number of those frames.
        approach: (F,) bool, before the first interaction: only the robot moves.
        interaction: (F,) bool, something may be held.
        speed: (F,) float32, joint speed of the active arm around each frame, 0..1 of its 95th
            percentile; empty if there is no proprioception.
        other_speed: (F,) float32, the same for the other arms; zeros for a single arm, empty if
            there is no proprioception.
        grip_speed: (F,) float32, speed of the active gripper, 0..1; may be empty.
        points: (F, N, 2) float32, tracks of the candidates.
        visible: (F, N) bool.
        candidate: (N,) int32.
        boxes: (F, K, 4) float32, boxes of the candidates carried along, NaN where lost.
    """

    frame_at: FrameAt
    frames: I32
    lead: int
    approach: Bool
    interaction: Bool
    speed: F32
    other_speed: F32
    grip_speed: F32
    points: F32
    visible: Bool
    candidate: I32
    boxes: F32


@dataclass(frozen=True, slots=True)
class RobotRegion:
    """What a robot finder returns; F counts the frames after the lead.

    Attributes:
        height: Pixels.
        width: Pixels.
        packed: (F, ceil(H*W/8)) uint8, robot masks, only of the active arm.
        points: (F, G, 2) float32, points on the gripper; a column is not one physical point.
        visible: (F, G) bool.
        scale: (F,) float32, local gripper scale in pixels, NaN where unknown.
        problems: Findings.
    """

    height: int
    width: int
    packed: U8
    points: F32
    visible: Bool
    scale: F32
    problems: tuple[Problem, ...] = ()


class RobotFinder(Backend, Protocol):
    """Finds the active arm and its gripper in the picture."""

    def find(self, request: RobotRequest, progress: Progress) -> RobotRegion:
        """Return masks and gripper points per frame."""
        ...


EMBEDDED: dict[str, dict[str, str]] = {
    "detection": {"regions": "pipeline.backends.detection.regions:RegionDetector"},
    "segmentation": {"grabcut": "pipeline.backends.segmentation.grabcut:GrabCutSegmenter"},
    "tracking": {"lucas_kanade": "pipeline.backends.tracking.lucas_kanade:LucasKanadeTracker"},
    "geometry": {"recorded_depth": "pipeline.backends.geometry.recorded_depth:RecordedDepth"},
    "robot": {
        "proprioception_flow": "pipeline.backends.robot.proprioception_flow:ProprioceptionFlow"
    },
}
"""Capability -> name -> `module:class`. These need nothing but the core dependencies."""


def backend_names(capability: str) -> tuple[str, ...]:
    """List the backends of a capability: embedded ones first, then installed ones by name."""
    embedded = tuple(EMBEDDED.get(capability, {}))
    installed = {point.name for point in entry_points(group=ENTRY_POINT_PREFIX + capability)}
    return embedded + tuple(sorted(installed - set(embedded)))


def load_backend(capability: str, name: str) -> Any:
    """Make the backend `name` of `capability`; DataError `no_backend` if it cannot be used.

    An installed backend of the same name never hides an embedded one.
    """
    if name in EMBEDDED.get(capability, {}):
        module, _, attribute = EMBEDDED[capability][name].partition(":")
        factory = getattr(importlib.import_module(module), attribute)
    else:
        found = [p for p in entry_points(group=ENTRY_POINT_PREFIX + capability) if p.name == name]
        if not found:
            known = ", ".join(backend_names(capability)) or "none"
            raise DataError("no_backend", f"no {capability} backend “{name}”; there are: {known}.")
        try:
            factory = found[0].load()
        except ImportError as error:
            raise DataError(
                "no_backend", f"the {capability} backend “{name}” does not load: {error}."
            ) from error
    backend = factory()
    reason = backend.available()
    if reason is not None:
        raise DataError("no_backend", f"the {capability} backend “{name}” cannot be used: {reason}")
    logger.debug("%s backend %s", capability, name)
    return backend


def describe_backends(capability: str) -> tuple[tuple[str, str, str], ...]:
    """List (name, licence, why it is not available or an empty text) for the window."""
    rows = []
    for name in backend_names(capability):
        try:
            rows.append((name, str(load_backend(capability, name).licence), ""))
        except DataError as error:
            rows.append((name, "", str(error)))
    return tuple(rows)


def no_boxes(frames: int, candidates: int) -> F32:
    """(F, K, 4) float32 of NaN."""
    return np.full((frames, candidates, 4), np.nan, np.float32)
