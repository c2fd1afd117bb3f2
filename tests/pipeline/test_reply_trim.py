"""The folder of kept replies is bounded: what goes first, what goes last, and what never goes."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.backends.captioning import reply_store
from pipeline.backends.captioning.reply_store import ReplyStore, content_digest
from pipeline.captioning.record import hold_replies
from pipeline.model.caption_fields import CaptionFields
from pipeline.model.drafting import (
    CaptionVersion,
    Exchange,
    PartKind,
    Reply,
    SentPart,
    SentRequest,
)
from pipeline.model.file_lock import held_lock

SIZE = 10_000
"""Bytes of a picture."""
HOUR = 3600.0


def shown(*pictures: int) -> SentRequest:
    """A request that shows pictures, each as large as the next."""
    parts = tuple(
        SentPart(PartKind.IMAGE, "present", "", _bytes(n), "image/jpeg", 8, 8) for n in pictures
    )
    return SentRequest("Write one caption.", parts)


def _bytes(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, SIZE).astype(np.uint8)


def _digest(number: int) -> str:
    return content_digest(_bytes(number).tobytes())


def keep(
    store: ReplyStore, key: str, hours: float, *pictures: int, is_bounded: bool = False
) -> Reply:
    """Keep a reply that was used some hours ago, and its pictures; without trimming by itself."""
    reply = Reply(text=f"answer to {key}", model="m", request_id=f"req-{key}", at="2026-01-01")
    whole = store if is_bounded else ReplyStore(store.folder)
    assert whole.keep(key, shown(*pictures), reply, "gemini") == ""
    then = time.time() - hours * HOUR
    for path in (store.path(key), *(store.content_path(_digest(n)) for n in pictures)):
        os.utime(path, (then, then))
    return reply


def pictures_of(store: ReplyStore, *numbers: int) -> list[bool]:
    return [store.content_path(_digest(n)).exists() for n in numbers]


def replies_of(store: ReplyStore, *keys: str) -> list[bool]:
    return [store.path(key).exists() for key in keys]


def test_pictures_used_longest_ago_go_first(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path, 3 * SIZE)
    keep(store, "aa1", 5.0, 1)
    keep(store, "aa2", 9.0, 2)
    keep(store, "aa3", 3.0, 3)
    assert store.trim() == SIZE
    assert pictures_of(store, 1, 2, 3) == [True, False, True]
    assert replies_of(store, "aa1", "aa2", "aa3") == [True] * 3, "they were paid for"
    found = store.load("aa2")
    assert found is not None
    assert found.text == "answer to aa2"
    assert store.exchange("aa2") is None
    assert store.exchange("aa1") is not None
    assert store.trim() == 0


def test_a_picture_stays_as_long_as_a_newer_reply_shows_it(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path, 3 * SIZE)
    keep(store, "aa1", 4.0, 1)
    keep(store, "aa3", 5.0, 3)
    keep(store, "aa2", 9.0, 1, 2)  # also shows a picture of the newest reply
    store.trim()
    assert pictures_of(store, 1, 2, 3) == [True, False, True]


def test_what_the_history_came_from_goes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path))
    store = ReplyStore(limit_bytes=3 * SIZE)
    recorded = keep(store, "aa1", 9.0, 1)
    keep(store, "aa2", 8.0, 2)
    keep(store, "aa3", 7.0, 3)
    version = CaptionVersion(
        "Put it.", CaptionFields("put", "cube"), "gemini", exchange=Exchange(shown(1), recorded)
    )
    hold_replies([version, replace(version, exchange=None)])
    store.trim()
    assert pictures_of(store, 1, 2, 3) == [True, False, True]
    small = ReplyStore(limit_bytes=SIZE + 4000)
    small.trim()
    assert pictures_of(store, 1, 2, 3) == [True, False, False]
    ReplyStore(limit_bytes=1000).trim()
    assert pictures_of(store, 1) == [False]
    assert replies_of(store, "aa1", "aa2", "aa3") == [True, False, False]
    ReplyStore(limit_bytes=0).trim()
    assert replies_of(store, "aa1") == [False]


def test_what_is_in_use_stays_beyond_the_limit(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path, 0)
    keep(store, "aa1", 0.5, 1)
    keep(store, "aa2", 2.0, 2)
    keep(store, "aa3", 3.0, 3)
    begun = time.time() - 2.5 * HOUR
    store.trim(in_use_since=begun)
    assert replies_of(store, "aa1", "aa2", "aa3") == [True, True, False]
    assert pictures_of(store, 1, 2, 3) == [True, True, False]
    assert store.load("aa2") is not None  # which is a use
    store.trim()
    assert replies_of(store, "aa1", "aa2") == [True, True]


def test_nothing_goes_while_somebody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ReplyStore(tmp_path, 0)
    keep(store, "aa1", 9.0, 1, 2)
    inside = ReplyStore.content
    trimmed: list[int] = []

    def content(self: ReplyStore, digest: str) -> bytes | None:
        trimmed.append(ReplyStore(tmp_path, 0).trim())
        return inside(self, digest)

    monkeypatch.setattr(ReplyStore, "content", content)
    assert store.exchange("aa1") is not None
    assert trimmed == [0, 0]
    for file in (store.path("aa1"), *(store.content_path(_digest(n)) for n in (1, 2))):
        os.utime(file, (0.0, 0.0))
    assert store.trim() > 2 * SIZE


def test_a_picture_that_is_kept_again_stays(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path, 0)
    keep(store, "aa1", 9.0, 1)
    reply = Reply(text="new", model="m")
    assert ReplyStore(tmp_path).keep("aa2", shown(1), reply, "gemini") == ""
    store.trim()
    assert replies_of(store, "aa1", "aa2") == [False, True]
    assert store.exchange("aa2") is not None


def test_who_keeps_much_trims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_store, "_NEW_SHARE", 2)
    for number in range(20):
        # another object each time, as the drafter of each subtask has its own
        keep(ReplyStore(tmp_path, 6 * SIZE), f"aa{number}", 2.0, number, is_bounded=True)
    left = sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file())
    assert left < 10 * SIZE


def test_broken_and_foreign_files_stop_nothing(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path, 0)
    keep(store, "aa1", 9.0, 1)
    for broken in (b"", b"{", b"[1]", b'{"parts": [3, {"content": 5}]}', b"\0" * 50):
        path = store.path(f"bb{len(broken)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(broken)
        os.utime(path, (0.0, 0.0))
    begun = store.content_path(_digest(1)).with_suffix(".123.part")
    begun.write_bytes(b"half")
    os.utime(begun, (0.0, 0.0))
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "of.json").write_text("{}")
    store.trim()
    left = {f.relative_to(tmp_path).as_posix() for f in tmp_path.rglob("*") if f.is_file()}
    assert left == {"lock", "limits/of.json"}
    assert ReplyStore(tmp_path / "none", 0).trim() == 0


def test_a_lock_that_others_hold_is_waited_for_shortly(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with held_lock(path, 0.0) as mine:
        assert mine
        with held_lock(path, 0.02) as theirs:
            assert not theirs
    with held_lock(path, 0.0) as again:
        assert again
