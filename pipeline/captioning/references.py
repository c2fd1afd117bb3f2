"""Captions that are right: what people accepted or corrected, or a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.model.caption import Verdict
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from pipeline.review.caption_story import CaptionStory

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
    from pipeline.review.caption_story import stories
    from pipeline.review.saved import saved_reviews

    found: dict[tuple[int, int], str] = {}
    counts: Counter[str] = Counter()
    # A copy: measuring must leave nothing beside a dataset, nor move a damaged file aside.
    with saved_reviews(dataset) as store:
        for story in stories(store.events() if store is not None else ()):
            if story.verdict is None:
                continue
            state = _state(story)
            counts[state] += 1
            if state not in _LEFT_OUT:
                found[story.episode, story.subtask] = story.final
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


def _state(story: CaptionStory) -> str:
    """What became of a caption that somebody judged: a verdict, or why it is left out."""
    if story.is_rejected:
        return Verdict.REJECTED
    if not story.is_accepted:
        return _REOPENED
    if story.is_disputed:
        return _DISPUTED
    return story.verdict.edit.verdict if story.verdict is not None and story.final else _EMPTY


def read_references(path: Path) -> References:
    """Right captions from a JSONL file: `episode_index`, `subtask_index` (0 if missing), `caption`.

    The indices may lie in `clip`, as in exported training captions. A line whose `verdict` is not
    that of an accepted caption is left out; all other fields are ignored, so annotation files,
    drafts and exports can be given.

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
    empty = wrong = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item, text, is_right = _entry(line)
        except ValueError as error:
            raise DataError("bad_references", f"{path}, line {number}: {error}") from error
        if not is_right:
            wrong += 1
            continue
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
    notes: list[str] = []
    if empty:
        notes.append(f"{empty} lines of {path.name} have no caption and are left out.")
    if wrong:
        lines_are = "1 line of {} is" if wrong == 1 else f"{wrong:,} lines of {{}} are"
        its = "its caption is no accepted one" if wrong == 1 else "their captions are not accepted"
        notes.append(f"{lines_are.format(path.name)} left out: {its}.")
    return References(dict(sorted(found.items())), f"file {path.name}", tuple(notes))


_WRONG = ("rejected", "draft")
"""Verdicts of exported captions that are not right, or not known to be."""


def _entry(line: str) -> tuple[tuple[int, int], str, bool]:
    """Episode and subtask, the caption, and whether it may be taken for right."""
    try:
        content: Any = json.loads(line)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError
        raise ValueError("expected a JSON object, this is no JSON") from error
    if not isinstance(content, dict):
        raise ValueError("expected a JSON object")
    clip = content.get("clip")
    places = {**clip, **content} if isinstance(clip, dict) else content
    numbers = []
    for name, default in (("episode_index", None), ("subtask_index", 0)):
        value = places.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{name}: expected a whole number from 0, got {value!r}")
        numbers.append(value)
    caption = content.get("caption")
    if caption is None:
        caption = ""
    if not isinstance(caption, str):
        raise ValueError(f"caption: expected a text, got {caption!r}")
    is_right = content.get("verdict") not in _WRONG
    return (numbers[0], numbers[1]), " ".join(caption.split()), is_right
