"""A made-up episode with all that the timeline, the table and the breakdown show."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pipeline.model.candidate import Proposal, ProposalsResult
from pipeline.model.phases import ArmPhases, Closure, Phase, PhaseName, PhasesResult
from pipeline.model.problem import Problem, Severity
from pipeline.model.score import ScoresResult, ScoreTerms
from pipeline.model.subtask import ActionType, Subtask, SubtasksResult

LENGTH, FPS = 450, 30.0
NAMES = {0: "red cube", 1: "blue bowl", 2: "yellow block", 3: "gripper", 4: "sponge", 5: "cup"}


def opening(length: int, closed: list[tuple[int, int]], seed: int = 0) -> np.ndarray:
    """Smooth opening that drops to 0.2 in the closed spans, with noise."""
    rng = np.random.default_rng(seed)
    signal = np.ones(length)
    for start, end in closed:
        signal[start:end] = 0.18
    kernel = np.hanning(max(length // 30, 3))
    padded = np.pad(signal, len(kernel), mode="edge")
    smooth = np.convolve(padded, kernel / kernel.sum(), "same")[len(kernel) : -len(kernel)]
    return np.clip(smooth + rng.normal(0, 0.008, length), 0, 1).astype(np.float32)


def phases_of(arm: str, bounds: list[int], shift: int = 6) -> tuple[Phase, ...]:
    names = [PhaseName.GRASP, PhaseName.INTERACT, PhaseName.RELEASE]
    return tuple(
        Phase(names[i % 3], arm, a, b, i // 3, max(a - shift, 0), b - shift)
        for i, (a, b) in enumerate(pairwise(bounds))
    )


def arm_phases(arm: str, seed: int = 0) -> ArmPhases:
    signal = opening(LENGTH, [(88, 180), (262, 268), (300, 395)], seed)
    signal[210:222] = np.nan
    phases = list(phases_of(arm, [12, 95, 184, 240, 306, 400, 446]))
    failure = Phase(PhaseName.GRASP_FAILURE, arm, 258, 272, 1, 255, 268)
    phases[3:4] = [phases[3].moved(end=258), failure, phases[3].moved(start=272)]
    closures = (
        Closure(90, 178, "interact"),
        Closure(261, 269, "failure"),
        Closure(301, 393, "interact"),
    )
    return ArmPhases(arm, signal, 2020, 2470, 0.55, 0.65, closures, 12, False, 0.8, tuple(phases))


def idle_arm(arm: str) -> ArmPhases:
    rng = np.random.default_rng(3)
    signal = (0.95 + rng.normal(0, 0.004, LENGTH)).astype(np.float32)
    return ArmPhases(arm, signal, 2010, 2021, 0.55, 0.65, (), 7, True, 0.02, ())


def phases(two_arms: bool = False) -> PhasesResult:
    if not two_arms:
        arm = arm_phases("arm")
        return PhasesResult((arm,), "arm", arm.phases)
    right = arm_phases("right")
    return PhasesResult((idle_arm("left"), right), "right", right.phases)


def subtasks() -> SubtasksResult:
    found = arm_phases("arm").phases
    common = {"arm": "arm", "colors": (), "source_name": "", "relation": "in"}
    first = Subtask(
        index=0,
        instruction="Put the red cube in the blue bowl",
        verb="put",
        object_name="red cube",
        target_name="blue bowl",
        action=ActionType.PICK_AND_PLACE,
        phases=found[:3],
        start=12,
        end=240,
        **common,  # type: ignore[arg-type]
    )
    second = Subtask(
        index=1,
        instruction="Close the drawer",
        verb="close",
        object_name="drawer",
        target_name="",
        action=ActionType.OPEN_CLOSE,
        phases=found[3:],
        start=240,
        end=446,
        **common,  # type: ignore[arg-type]
    )
    return SubtasksResult((first, second), "rules")


def terms(
    candidate: int, detector: float, m_in: float, m_out: float, prox: float, o: float
) -> tuple[float, ...]:
    return (candidate, detector, m_in, m_out, prox, o)


ROWS = (
    terms(0, 0.82, 61.0, 2.1, 0.71, 0.10),
    terms(1, 0.88, 3.2, 1.4, 0.35, 0.00),
    terms(2, 0.41, 4.8, 1.9, 0.12, 0.02),
    terms(3, 0.35, 66.0, 24.0, 0.93, 0.99),
    terms(4, 0.22, 55.0, 3.6, 0.64, 0.46),
    terms(5, 0.17, 1.2, 0.9, 0.03, 0.00),
)


def score_terms() -> tuple[ScoreTerms, ...]:
    """R by the formulas of the spec."""
    motion = [r[2] ** 0.6 / (r[3] + 1) ** 0.2 for r in ROWS]
    prox = [r[4] for r in ROWS]
    relief = [0.0, 0.0, 0.0, 0.12, 0.55, 0.0]
    found = []
    for row, a, extra in zip(ROWS, motion, relief, strict=True):
        a_n = (a - min(motion)) / (max(motion) - min(motion))
        p_n = (row[4] - min(prox)) / (max(prox) - min(prox))
        penalty = 1.45 * (max(0.0, row[5] - 0.3) / 0.7) ** 2 * (1 - 0.85 * extra)
        penalty += 0.2 if row[5] >= 0.98 else 0.0
        weight = 0.75 - 0.15 * p_n
        score = 0.5 * a_n + weight * row[1] + 0.3 * p_n - penalty
        found.append(
            ScoreTerms(
                candidate=int(row[0]),
                detector=row[1],
                motion_in=row[2],
                motion_out=row[3],
                motion=a,
                motion_normalised=a_n,
                proximity=row[4],
                proximity_normalised=p_n,
                overlap=row[5],
                relief=extra,
                penalty=penalty,
                detector_weight=weight,
                score=score,
                points=40,
            )
        )
    return tuple(found)


def scores() -> ScoresResult:
    found = score_terms()
    frames = np.arange(12, 240, 5, dtype=np.int32)
    rng = np.random.default_rng(5)
    held = (frames[:-1] >= 95) & (frames[:-1] < 184)
    wave = np.where(held, 1 + 0.35 * np.sin(frames[:-1] / 11.0), 0.0)
    motion = np.stack(
        [r[2] * wave + r[3] * (0.6 + 0.4 * rng.random(len(wave))) for r in ROWS]
    ).astype(np.float32)
    motion[0, 20:23] = np.nan
    near = np.clip(1 - np.abs(frames - 140) / 130, 0, 1)
    proximity = np.clip(
        np.stack([r[4] * 1.3 * near + 0.02 * rng.random(len(frames)) for r in ROWS]), 0, 1
    ).astype(np.float32)
    overlap = np.stack([np.full(len(frames), r[5]) for r in ROWS]).astype(np.float32)
    winner = max(found, key=lambda t: t.score).candidate
    problem = Problem(
        "near_tie",
        "The two best candidates differ by less than 0.05: red cube and sponge. Look at both.",
        Severity.WARNING,
    )
    note = Problem("no_geometry", "No depth: proximity is measured in pixels.", Severity.INFO)
    radius = np.full(len(frames), 80, np.float32)
    return ScoresResult(
        found,
        winner,
        "score",
        frames,
        motion,
        proximity,
        overlap,
        held,
        radius,
        "2d",
        (problem, note),
    )


def proposals() -> ProposalsResult:
    origins = ("region", "color", "region", "motion", "user", "region")
    boxes = [(40.0 * i, 60.0, 40.0 * i + 32, 100.0) for i in range(6)]
    found = tuple(
        Proposal(int(r[0]), boxes[i], 53, r[1], NAMES[i], origins[i], f"detector {r[1]:.2f}")
        for i, r in enumerate(ROWS)
    )
    return ProposalsResult("cam_high", 53, found, (), "regions")
