"""What would flip it, put to the test: every reported change is applied and scored again.

For every decision and every candidate of the sample dataset, by the functions of the scoring stage
(`rescore`, `measure`), and for some by the stages themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from pipeline.annotate import EpisodeAnnotations
from pipeline.evaluation.what_if import Flip, Flips, Kind, flips_of
from pipeline.evaluation.what_if_axes import LINEAR
from pipeline.evaluation.what_if_changes import VARIED, BoundaryChange, OptionChange
from pipeline.evaluation.what_if_text import road_text, summary
from pipeline.model.score import ScoresResult
from pipeline.scoring.formula import ScoresOptions, rescore
from pipeline.scoring.measurement import Clip, measure

OPTIONS = ScoresOptions()
BY_FORMULA = (
    *LINEAR,
    *("interact_exponent", "non_interact_exponent", "noise_floor"),
    *("overlap_onset", "full_overlap_threshold"),
)
"""Options that need no new measurement: `rescore` alone puts them in force."""


@dataclass(frozen=True)
class Case:
    """One decision of the sample dataset."""

    name: str
    clip: Clip
    height: int
    width: int
    scores: ScoresResult
    flips: Flips

    def winner(self, change: OptionChange | BoundaryChange) -> int:
        """Who wins with a change in force, by the code of the stage."""
        if isinstance(change, BoundaryChange):
            moved = replace(self.clip, subtask=change.applied_to(self.clip.subtask))
            return measure(moved, self.height, self.width, OPTIONS).ranking[0]
        options = change.applied_to(OPTIONS)
        if change.name in BY_FORMULA:
            return replace(self.scores, terms=rescore(self.scores.terms, options)).ranking[0]
        return measure(self.clip, self.height, self.width, options).ranking[0]


@pytest.fixture(scope="module")
def cases(sample_runs: dict[int, EpisodeAnnotations]) -> list[Case]:
    return list(_cases(sample_runs))


def _cases(runs: dict[int, EpisodeAnnotations]) -> Iterator[Case]:
    for episode, done in runs.items():
        for note in done.annotations:
            results = done.outcomes[-1] | done.outcomes[note.subtask_index]
            found = {name: outcome.result for name, outcome in results.items()}
            clip = Clip(
                found["subtasks"].subtasks[note.subtask_index],
                *(found[n] for n in ("proposals", "tracks", "lifting", "robot")),
                done.demonstration.fps,
            )
            masks, scores = found["masks"], found["scores"]
            flips = flips_of(clip, masks.height, masks.width, OPTIONS, scores)
            name = f"{episode}/{note.subtask_index}"
            yield Case(name, clip, masks.height, masks.width, scores, flips)


def every_flip(cases: list[Case]) -> Iterator[tuple[Case, int, Flip]]:
    for case in cases:
        for candidate, flips in case.flips.roads:
            for flip in flips:
                yield case, candidate, flip


def test_all_decisions_and_all_candidates_are_looked_at(cases: list[Case]) -> None:
    assert len(cases) == 9
    for case in cases:
        ids = {t.candidate for t in case.scores.terms}
        assert case.flips.winner == case.scores.ranking[0]
        assert {c for c, _ in case.flips.roads} == ids - {case.flips.winner}
        tried = {t.change.name for t in case.flips.trials}
        assert set(VARIED) <= tried
        assert sum(name.startswith("boundary/") for name in tried) == len(case.clip.subtask.phases)
    found = list(every_flip(cases))
    assert len(found) > 20
    assert {f.kind for _, _, f in found} == {Kind.EXACT, Kind.SEARCHED}
    assert any(isinstance(f.change, BoundaryChange) for _, _, f in found)


def test_every_flip_makes_the_claimed_candidate_win(cases: list[Case]) -> None:
    for case, candidate, flip in every_flip(cases):
        assert flip.new_winner == candidate
        assert case.winner(flip.change) == candidate, (case.name, flip)
        assert case.winner(flip.change.at(flip.short_value)) == candidate, (case.name, flip)


def test_one_percent_less_far_does_not(cases: list[Case]) -> None:
    """Nor does one frame less far; of frame counts and windows, one less."""
    checked = 0
    for case, candidate, flip in every_flip(cases):
        if isinstance(flip.to_value, str) or isinstance(flip.from_value, str):
            continue
        if isinstance(flip.to_value, int):
            less: float = flip.to_value - (1 if flip.is_larger else -1)
        else:
            less = flip.from_value + 0.99 * (flip.to_value - flip.from_value)
        assert case.winner(flip.change.at(less)) != candidate, (case.name, flip)
        checked += 1
    assert checked > 20


def test_the_nearest_flip_is_the_nearest_of_all_candidates(cases: list[Case]) -> None:
    for case in cases:
        efforts = [f.effort for f in case.flips.flips]
        assert efforts == sorted(efforts)
        for flip in case.flips.flips:
            rivals = [
                f
                for _, flips in case.flips.roads
                for f in flips
                if (f.change.name, f.is_larger) == (flip.change.name, flip.is_larger)
            ]
            assert flip.effort == min(f.effort for f in rivals)


def test_nobody_wins_between_the_start_and_the_nearest_flip(cases: list[Case]) -> None:
    """Random values nearer than the nearest flip, and anywhere where there is none."""
    rng = np.random.default_rng(11)
    for case in cases:
        for trial in case.flips.trials:
            change = trial.change
            if isinstance(change, BoundaryChange) or change.name not in BY_FORMULA or trial.reason:
                continue
            start = float(change.value)
            near = {True: trial.high, False: trial.low}
            for flip in case.flips.flips:
                if flip.change.name == change.name and not isinstance(flip.to_value, str):
                    near[bool(flip.is_larger)] = start + 0.999 * (flip.to_value - start)
            for value in rng.uniform(near[False], near[True], 25):
                winner = case.winner(change.at(float(value)))
                assert winner == case.flips.winner, (case.name, change.name, value)


def test_sentences_name_winner_and_value(cases: list[Case]) -> None:
    for case in cases:
        text = summary(case.flips)
        nearest = case.flips.flips[0]
        assert f"flips to #{nearest.new_winner} if" in text
        assert nearest.change.words in text
        for candidate, flips in case.flips.roads:
            said = road_text(case.flips, candidate)
            assert said.startswith(f"#{candidate} wins if") == bool(flips)
            assert bool(flips) or "No single change" in said
