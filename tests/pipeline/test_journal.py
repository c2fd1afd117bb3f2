"""Append-only JSON lines: what was appended is there, whatever happened to the last line."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.review.journal import Journal


def test_lines_come_back_in_order_and_no_file_is_no_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "log.jsonl")
    assert journal.entries() == []
    assert not journal.path.parent.exists(), "looking leaves nothing behind"
    journal.append({"a": 1})
    journal.append({"b": "two\nlines", "c": [None, True]})
    assert journal.entries() == [{"a": 1}, {"b": "two\nlines", "c": [None, True]}]
    assert Journal(journal.path).entries() == journal.entries()


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_cut_short_costs_only_itself(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path / "log.jsonl")
    journal.append({"a": 1})
    journal.append({"lost": 22})
    size = journal.path.stat().st_size
    os.truncate(journal.path, size - cut)
    whole = cut == 1  # only the line's end is gone
    kept = [{"a": 1}, {"lost": 22}] if whole else [{"a": 1}]
    assert journal.entries() == kept
    journal.append({"b": 3})
    assert journal.entries() == [*kept, {"b": 3}]


def test_foreign_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'[1]\n{"a":1}\n\xff\xfe\n' + b"[" * 100_000 + b"\n7\n\n{\n")
    assert Journal(path).entries() == [{"a": 1}]


def test_numbers_that_json_lacks_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log.jsonl")
    journal.append({"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        journal.append({"a": float("nan")})
    assert journal.entries() == [{"a": 1}]


def test_a_full_disk_leaves_the_lines_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "log.jsonl")
    journal.append({"a": 1})
    before = journal.path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append({"lost": 2})
    assert journal.path.read_bytes() == before
    journal.append({"b": 3})
    assert journal.entries() == [{"a": 1}, {"b": 3}]
