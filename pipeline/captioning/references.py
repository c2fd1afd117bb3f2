"""Captions that are right: what people accepted or corrected, or a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.model.caption import Verdict
from pipeline.model.edits import CritiqueCaption, Edit, JudgeCaption, ReviewCaption
from pipeline.model.problem import DataError

_MOST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class References:
    """Right captions of some subtasks.

    Attributes:
        captions: (episode, subtask) -> sentence, sorted.
        origin: Where they come from, one phrase.
        notes: What was left out, one sentence each.
    """

    captions: Mapping[tuple[int, int], str]
    origin: str
    notes: tuple[str, ...] = ()

    def of(self, episodes: tuple[int, ...] | None) -> References:
        """Those of some episodes; None for all."""
        if episodes is None:
            return self
        kept = {item: text for item, text in self.captions.items() if item[0] in set(episodes)}
        return References(kept, self.origin, self.notes)


def stored_references(dataset: Path) -> References:
    """Accepted and corrected captions of the review store of a dataset.

    A caption that was criticised after its verdict is open again, and one that a reviewer calls
    wrong is in doubt: both are left out.

    Args:
        dataset: Its folder.

    Raises:
        DataError: The store cannot be read.
    """
    # lazy: the store opens a database
    from pipeline.review.saved import saved_reviews

    found: dict[tuple[int, int], str] = {}
    counts: Counter[str] = Counter()
    # A copy: measuring must leave nothing beside a dataset, nor move a damaged file aside.
    with saved_reviews(dataset) as store:
        for episode in sorted(store.reviewed() if store is not None else ()):
            edits = store.edits(episode) if store is not None else ()
            for verdict in (e for e in edits if isinstance(e, JudgeCaption)):
                state, text = _state(verdict, edits)
                counts[state] += 1
                if text:
                    found[episode, verdict.subtask] = text
    notes = [
        f"{counts[state]:,} left out: {why}." for state, why in _LEFT_OUT.items() if counts[state]
    ]
    accepted, corrected = counts[Verdict.ACCEPTED], counts[Verdict.CORRECTED]
    origin = f"review store: {accepted} accepted, {corrected} corrected"
    return References(dict(sorted(found.items())), origin, tuple(notes))


_REOPENED, _DISPUTED, _EMPTY = "reopened", "disputed", "empty"
_LEFT_OUT = {
    Verdict.REJECTED: "rejected, so nobody wrote the right sentence",
    _REOPENED: "criticised after the verdict, which is open again",
    _DISPUTED: "wrong to a reviewer",
    _EMPTY: "no text",
}


def _state(verdict: JudgeCaption, edits: Sequence[Edit]) -> tuple[str, str]:
    """What became of a caption, and its right sentence if there is one."""
    if verdict.verdict is Verdict.REJECTED:
        return Verdict.REJECTED, ""
    text = verdict.text.strip() or verdict.draft.strip()
    after = [e for e in edits[edits.index(verdict) + 1 :] if e.subtask == verdict.subtask]
    if any(isinstance(e, CritiqueCaption) for e in after):
        return _REOPENED, ""
    if any(isinstance(e, ReviewCaption) and not e.agrees and e.caption == text for e in after):
        return _DISPUTED, ""
    return (verdict.verdict, text) if text else (_EMPTY, "")


def read_references(path: Path) -> References:
    """Right captions from a JSONL file: `episode_index`, `subtask_index` (0 if missing), `caption`.

    Other fields are ignored, so annotation files and review exports can be given.

    Raises:
        DataError: `bad_references`, one sentence with the line.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError("bad_references", f"{path}: more than {_MOST_BYTES >> 20} MiB")
        # Not splitlines: a sentence may hold other ends of lines than a file.
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise DataError("bad_references", f"{path}: cannot be read ({reason})") from error
    found: dict[tuple[int, int], str] = {}
    empty = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item, text = _entry(line)
        except ValueError as error:
            raise DataError("bad_references", f"{path}, line {number}: {error}") from error
        if item in found:
            raise DataError(
                "bad_references",
                f"{path}, line {number}: episode {item[0]}, subtask {item[1]} has a caption "
                "already",
            )
        if text:
            found[item] = text
        else:
            empty += 1
    if not found:
        raise DataError("bad_references", f"{path}: expected captions, found none")
    notes = (f"{empty} lines of {path.name} have no caption and are left out.",) if empty else ()
    return References(dict(sorted(found.items())), f"file {path.name}", notes)


def _entry(line: str) -> tuple[tuple[int, int], str]:
    try:
        content: Any = json.loads(line)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError
        raise ValueError("expected a JSON object, this is no JSON") from error
    if not isinstance(content, dict):
        raise ValueError("expected a JSON object")
    numbers = []
    for name, default in (("episode_index", None), ("subtask_index", 0)):
        value = content.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{name}: expected a whole number from 0, got {value!r}")
        numbers.append(value)
    caption = content.get("caption")
    if caption is None:
        caption = ""
    if not isinstance(caption, str):
        raise ValueError(f"caption: expected a text, got {caption!r}")
    return (numbers[0], numbers[1]), " ".join(caption.split())
