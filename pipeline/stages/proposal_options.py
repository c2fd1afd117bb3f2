"""Options of the proposals."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.options import option
from pipeline.stages.backend_options import BackendOptions


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
    min_candidates: int = option(
        5,
        "A detector that reads phrases keeps so many of its best boxes even under the threshold, "
        "and says so; `regions` does not.",
        low=0,
        high=25,
        source="SPARC 3.2: 5 to 25",
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
    robot_threshold: float = option(
        0.2,
        "Least confidence of a box of “robot arm” or “robot gripper”; only of detectors that read "
        "phrases. Such boxes are shown and named as evidence; they drop no candidate.",
        low=0.0,
        high=1.0,
    )
    redetections: int = option(
        -1,
        "Further frames, evenly over the clip, on which the object is looked for again, as "
        "evidence. -1: 4 with a detector that reads phrases, none with `regions`.",
        unit="frames",
        low=-1,
        high=20,
        source="SPARC B.1.2 keeps such detections; their number is our choice",
    )
