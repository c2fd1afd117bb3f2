"""What is doubtful about the scores of a clip, as problems with codes."""

from __future__ import annotations

import numpy as np

from pipeline.model.problem import Problem, Severity
from pipeline.model.score import ScoresResult, ScoreTerms
from pipeline.scoring.formula import ScoresOptions, has_spread


def doubts(measured: ScoresResult, options: ScoresOptions) -> list[Problem]:
    """What limits the scores of this clip, whoever wins."""
    terms = measured.terms
    if not terms:
        return [
            Problem(
                "no_candidates",
                "There is no candidate to score. Draw a box, or lower the detector threshold.",
                Severity.ERROR,
            )
        ]
    problems = []
    if measured.form == "2d":
        problems.append(
            Problem(
                "no_geometry",
                "Without 3D, proximity is a circle in the picture and depth gives no relief.",
                Severity.INFO,
            )
        )
    if not np.isfinite(measured.proximity).any():
        problems.append(
            Problem(
                "no_reference",
                "The gripper was not found in any frame, so proximity is 0 for all candidates.",
            )
        )
    if not measured.interaction.any():
        problems.append(
            Problem(
                "no_interaction",
                "No tracked frame lies in an interaction, so motion is 0 for all candidates. "
                "Check the phases.",
            )
        )
    elif max(t.motion_in for t in terms) <= options.noise_floor:
        problems.append(
            Problem(
                "no_motion",
                f"No candidate moves faster than {options.noise_floor:g} px/s during the "
                "interaction; motion says nothing here.",
            )
        )
    problems += _comparability(terms)
    return problems


def _comparability(terms: tuple[ScoreTerms, ...]) -> list[Problem]:
    tracked = [t for t in terms if t.points]
    problems = []
    if len(tracked) < len(terms):
        problems.append(
            Problem(
                "no_points",
                f"{len(terms) - len(tracked)} of {len(terms)} candidates have no usable point "
                "tracks; their motion and proximity count as 0.",
                Severity.INFO,
            )
        )
    if len(terms) == 1:
        problems.append(
            Problem(
                "one_candidate",
                "There is only one candidate: motion is neutral, proximity is not normalised, and "
                "R was not compared with anything.",
            )
        )
        return problems
    flat = [
        what
        for what, values in (
            ("motion", [t.motion for t in tracked]),
            ("proximity", [t.proximity for t in tracked]),
        )
        if not has_spread(np.array(values))
    ]
    if flat:
        problems.append(
            Problem(
                "no_spread",
                f"All candidates are equal in {' and '.join(flat)}, which cannot be normalised.",
                Severity.INFO,
            )
        )
    return problems


def doubts_about_winner(measured: ScoresResult, options: ScoresOptions) -> list[Problem]:
    """What is doubtful about the candidate with the highest R."""
    ranking = [measured.of(c) for c in measured.ranking]
    problems = []
    if len(ranking) > 1 and ranking[0].score - ranking[1].score < options.near_tie_margin:
        problems.append(
            Problem(
                "near_tie",
                f"Candidates {ranking[0].candidate} and {ranking[1].candidate} differ by "
                f"{ranking[0].score - ranking[1].score:.3f} in R only. Look at both.",
            )
        )
    if ranking[0].overlap >= options.robot_overlap_warning:
        problems.append(
            Problem(
                "robot_won",
                f"{ranking[0].overlap:.0%} of the winner lies on the robot; it may be the robot "
                "itself.",
            )
        )
    return problems
