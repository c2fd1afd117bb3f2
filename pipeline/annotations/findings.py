"""What did not fit in a file of annotations, with the lines where it stands."""

from __future__ import annotations

from pipeline.annotations.judgements import MOST_CANDIDATES
from pipeline.model.arrays import Array
from pipeline.model.problem import Problem

MOST_LINES = 10
"""Line numbers that a sentence names."""


class Findings:
    """Collects one finding per kind, however many lines it concerns.

    Attributes:
        skipped_count: Lines left out.
    """

    def __init__(self, unit: str = "line") -> None:
        """Begin.

        Args:
            unit: What the numbers count: `line` of a text file, `row` of a table.
        """
        self.unit = unit
        self.skipped_count = 0
        self._found: dict[tuple[str, str], list[int]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._others: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Add a finding about the whole file."""
        self._others.append(problem)

    def skipped(self, lines: Array, why: str) -> None:
        """Lines that are left out."""
        self.skipped_count += len(lines)
        self._note("line_skipped", f"skipped: {why}", lines)

    def boxes(self, lines: Array, name: str) -> None:
        """Boxes that are none."""
        self._note(
            "box_not_usable", f"{name} is not four rising finite numbers; taken as none", lines
        )

    def candidates(self, lines: Array) -> None:
        """Candidates without an id."""
        self._note("candidate_skipped", "a candidate without a usable id is left out", lines)

    def twice(self, lines: Array) -> None:
        """Candidates whose id another one has."""
        self._note("candidate_skipped", "two candidates have one id; the first is kept", lines)

    def winners(self, lines: Array) -> None:
        """Winners that are no candidate."""
        self._note("winner_not_found", "the winner is not among the candidates", lines)

    def many(self, lines: Array) -> None:
        """Annotations with more candidates than can be judged."""
        why = f"only the first {MOST_CANDIDATES} candidates by id can be judged right or wrong"
        self._note("many_candidates", why, lines)

    def superseded(self, lines: Array) -> None:
        """Annotations of a subtask that is annotated again further down."""
        self._note("annotated_again", "the same subtask comes again later; the last counts", lines)

    def _note(self, code: str, why: str, lines: Array) -> None:
        if not len(lines):
            return
        key = (code, why)
        named = self._found.setdefault(key, [])
        named += [int(n) for n in lines[: MOST_LINES - len(named)]]
        self._counts[key] = self._counts.get(key, 0) + len(lines)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """One sentence per kind."""
        found = [
            Problem(code, f"{self._where(named, self._counts[code, why])}: {why}.")
            for (code, why), named in self._found.items()
        ]
        return (*self._others, *found)

    def _where(self, named: list[int], count: int) -> str:
        numbers = ", ".join(str(n) for n in named)
        more = f" and {count - len(named)} more" if count > len(named) else ""
        return f"{self.unit.capitalize()}{'s' if count > 1 else ''} {numbers}{more}"
