"""Colours that mean something, the same in frame, timeline, table, bars and Rerun.

The candidate cycle starts with the Okabe-Ito colours (safe for the common colour-vision
deficiencies) and goes on with lighter and darker relatives of them; winners are marked by shape
and text too, never by colour alone.
"""

from __future__ import annotations

from pipeline.model.phases import PhaseName

Rgb = tuple[int, int, int]

CANDIDATES: tuple[Rgb, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
    (148, 203, 236),
    (102, 204, 170),
    (255, 200, 110),
    (170, 68, 153),
    (153, 153, 51),
)
PHASES: dict[PhaseName, Rgb] = {
    PhaseName.GRASP: (86, 180, 233),
    PhaseName.INTERACT: (0, 158, 115),
    PhaseName.RELEASE: (204, 121, 167),
    PhaseName.GRASP_FAILURE: (213, 94, 0),
}
TERMS: dict[str, Rgb] = {
    "motion": (84, 96, 196),
    "detector": (142, 154, 168),
    "proximity": (38, 166, 154),
    "robot overlap": (200, 84, 76),
}
"""What each cue adds to R; names as in `ScoreTerms.contributions`."""
ROBOT: Rgb = (150, 150, 160)
GRIPPER: Rgb = (255, 255, 255)
TARGET: Rgb = (255, 90, 95)
TRUTH: Rgb = (120, 255, 120)

EVIDENCE: Rgb = (120, 94, 240)
"""What a machine check of a caption looked at: places in the frame, frames in the timeline."""
DOUBT: Rgb = (213, 94, 0)
"""Words that a captioner was not sure of: the fuller the colour, the less sure."""

FAILURES: dict[str, Rgb] = {
    "wrong_verb": (86, 180, 233),
    "wrong_thing": (230, 159, 0),
    "egregious": (170, 68, 153),
}
"""Why captions are not acceptable; names as in `pipeline.evaluation.caption_rubric.Failure`."""
BETTER: Rgb = (0, 158, 115)
"""What a change made right."""
WORSE: Rgb = (213, 94, 0)
"""What a change made wrong."""


def candidate_color(candidate: int) -> Rgb:
    """Colour of a candidate by its id; the cycle repeats after twelve."""
    return CANDIDATES[candidate % len(CANDIDATES)]
