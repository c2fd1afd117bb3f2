"""Bounds the folder of kept replies: what was used longest ago goes, what the history needs last.

A reply is small and was paid for; its pictures take the room and can be made again from the
frames. So first go the pictures of replies that no recorded caption came from, then such replies;
after them the pictures of recorded captions, which the history can show, and at the very end
their replies *(our choice)*.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from pipeline.model.file_lock import held_lock
from pipeline.model.kept_files import RECENTLY, STALE_AFTER, KeptFile, kept_files, remove_stale

_DOWN_TO = 0.9
"""Share of the limit that stays, so that a full folder is not looked through every time."""
_WAIT_S = 0.2


class _Rank(IntEnum):
    """What goes first."""

    PICTURE = 0
    REPLY = 1
    RECORDED_PICTURE = 2
    RECORDED_REPLY = 3


@dataclass(slots=True)
class _Picture:
    """What the replies say about a picture.

    Attributes:
        is_recorded: Whether a recorded caption came from one of them.
        used: When one of them was used last, seconds since the epoch.
    """

    is_recorded: bool = False
    used: float = 0.0


@dataclass(slots=True)
class _Found:
    """What a folder holds; the marks that belong to none of its replies are left in `marks`."""

    marks: dict[str, KeptFile]
    order: list[tuple[_Rank, float, KeptFile]] = field(default_factory=list)


def mark_of(at: str, model: str, request_id: str, text: str) -> str:
    """Name of the mark of a reply that a recorded caption came from: 40 hexadecimal digits."""
    fields = json.dumps((at, model, request_id, text))
    return hashlib.blake2b(fields.encode(), digest_size=20).hexdigest()


def trim_replies(folder: Path, limit_bytes: int, in_use_since: float | None = None) -> int:
    """Remove what goes first beyond the limit, and what killed writers left.

    Safe while others read and write: each file goes under the lock that they hold meanwhile, and
    what was used lately stays even beyond the limit.

    Args:
        folder: Of a `ReplyStore`.
        limit_bytes: Of replies and pictures together.
        in_use_since: What was used since then (seconds since the epoch) stays, too.

    Returns:
        Bytes removed.
    """
    now = time.time()
    kept_since = min(now - RECENTLY, now if in_use_since is None else in_use_since)
    removed = sum(
        remove_stale(folder, pattern, now - STALE_AFTER)
        for pattern in ("replies/*/*.part", "content/*/*.part", "asking/*.lock")
    )
    replies = kept_files(folder / "replies", "*/*.json")
    pictures = [f for f in kept_files(folder / "content", "*/*") if f.path.suffix != ".part"]
    total = sum(file.size for file in (*replies, *pictures))
    if total <= limit_bytes:
        return removed
    found = _found(folder, replies, pictures)
    excess, freed = total - _DOWN_TO * limit_bytes, 0
    for _, used, file in sorted(found.order):
        if freed >= excess:
            break
        if used >= kept_since:
            continue
        with held_lock(folder / "lock", _WAIT_S) as is_held:
            if not is_held:
                break  # somebody reads for long: another time
            freed += file.size if file.remove() else 0
    for file in found.marks.values():
        if file.used < kept_since:
            file.remove()
    return removed + freed


def _found(folder: Path, replies: list[KeptFile], pictures: list[KeptFile]) -> _Found:
    """Read the replies, and say what goes first."""
    found = _Found({f.path.name: f for f in kept_files(folder / "recorded", "*/*")})
    marks = set(found.marks)
    shown: dict[str, _Picture] = {}
    for file in replies:
        entry = _entry(file.path)
        mark = mark_of(*(str(entry.get(k, "")) for k in ("at", "model", "request_id", "text")))
        is_recorded = mark in marks
        found.marks.pop(mark, None)
        rank = _Rank.RECORDED_REPLY if is_recorded else _Rank.REPLY
        found.order.append((rank, file.used, file))
        for digest in _digests(entry):
            picture = shown.setdefault(digest, _Picture())
            picture.is_recorded |= is_recorded
            picture.used = max(picture.used, file.used)
    for file in pictures:
        picture = shown.get(file.path.name, _Picture())
        rank = _Rank.RECORDED_PICTURE if picture.is_recorded else _Rank.PICTURE
        found.order.append((rank, max(file.used, picture.used), file))
    return found


def _entry(path: Path) -> dict[str, Any]:
    """A reply as it was written; empty if it is broken or gone."""
    try:
        entry = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _digests(entry: dict[str, Any]) -> Iterator[str]:
    parts = entry.get("parts")
    for part in parts if isinstance(parts, list) else []:
        digest = part.get("content") if isinstance(part, dict) else None
        if isinstance(digest, str) and digest:
            yield digest
