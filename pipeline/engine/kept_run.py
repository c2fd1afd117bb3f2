"""A run that is kept to compare with: its results and what it was made with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.engine.cache import StageOutcome
from pipeline.engine.graph import NodeId
from pipeline.evaluation.comparison import RunView
from pipeline.model.candidate import ProposalsResult
from pipeline.model.edits import EPISODE_SCOPE, Edit


@dataclass(frozen=True, slots=True)
class KeptRun:
    """Results of one episode as they were before the run that changed them.

    Attributes:
        results: (stage, subtask) -> outcome.
        options: Stage name -> options instance they were made with.
        edits: Corrections that were in force.
        pinned: True if a person wants to compare with this one whatever is run later.
    """

    results: Mapping[NodeId, StageOutcome]
    options: Mapping[str, Any]
    edits: tuple[Edit, ...]
    pinned: bool = False

    def result(self, stage: str, subtask: int) -> Any:
        """Result of a stage, or None."""
        for node in ((stage, subtask), (stage, EPISODE_SCOPE)):
            if node in self.results:
                return self.results[node].result
        return None


def run_view(
    results: Mapping[NodeId, StageOutcome],
    subtask: int,
    fits: Callable[[str], bool] = lambda _: True,
) -> RunView | None:
    """What of a subtask is compared; None without proposals.

    Args:
        results: Of an episode.
        subtask: Which one.
        fits: False for a stage whose result belongs to other boxes (the run was cancelled
            half-way): it is left out.
    """

    def of(stage: str) -> Any:
        outcome = results.get((stage, subtask))
        return outcome.result if outcome is not None and fits(stage) else None

    proposals = of("proposals")
    if not isinstance(proposals, ProposalsResult):
        return None
    count = len(proposals.candidates)
    masks, tracks, scores = of("masks"), of("tracks"), of("scores")
    return RunView(
        proposals,
        masks if masks is not None and masks.count == count else None,
        tracks if tracks is not None and tracks.boxes.shape[1] == count else None,
        scores if scores is not None and len(scores.terms) == count else None,
    )


def differences(kept: KeptRun, options: Mapping[str, Any], edits: tuple[Edit, ...]) -> list[str]:
    """Say what was changed since a run was kept, e.g. `proposals.backend regions → llmdet`."""
    found = []
    for stage, now in options.items():
        then = kept.options.get(stage)
        if then is None or type(then) is not type(now):
            continue
        for field in dataclasses.fields(now):
            a, b = getattr(then, field.name), getattr(now, field.name)
            if a != b:
                found.append(f"{stage}.{field.name} {_text(a)} → {_text(b)}")
    added = [e for e in edits if e not in kept.edits]
    gone = [e for e in kept.edits if e not in edits]
    found += [f"correction: {e.title}" for e in added]
    found += [f"taken back: {e.title}" for e in gone]
    return found


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value) or "(empty)"
