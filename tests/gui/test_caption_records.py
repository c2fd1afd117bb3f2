"""What drafters wrote goes to the reviews once, also where the first try fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from app.caption_panel import CaptionPanel
from app.caption_records import CaptionRecords
from app.session_control import SessionControl
from pipeline.model.caption import CaptionResult
from pipeline.model.caption_fields import CaptionFields
from pipeline.model.drafting import CaptionVersion
from pipeline.model.problem import DataError
from pipeline.review.store import ReviewStore

FIELDS = CaptionFields("put", "red cube")
VERSION = CaptionVersion("Put the red cube down.", FIELDS, "gemini", "gemini-2.5-flash")
CAPTION = CaptionResult(VERSION.text, VERSION.text, FIELDS, (), None, "gemini", (), (VERSION,))


class Bridge(QObject):
    changed = Signal(object)


def at_once(_topic: str, work: Callable[[], Any], then: Callable[..., None]) -> None:
    try:
        result = work()
    except DataError as error:
        then(None, error)
    else:
        then(result, None)


def test_a_version_that_could_not_be_recorded_is_recorded_later(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ReviewStore.open(tmp_path / "data", who="ada", data_dir=tmp_path / "user")
    session = SimpleNamespace(
        subtask=0,
        read_only="",
        demonstration=SimpleNamespace(ref=SimpleNamespace(episode=3)),
        result=lambda _stage: CAPTION,
    )
    bridge, parent = Bridge(), QObject()
    control = SimpleNamespace(
        bridge=bridge,
        document=SimpleNamespace(session=session),
        commands=SimpleNamespace(store=store),
        background=SimpleNamespace(run=at_once),
    )
    read: list[bool] = []
    panel = SimpleNamespace(read_again=lambda: read.append(True))
    records = CaptionRecords(cast(SessionControl, control), cast(CaptionPanel, panel), parent)
    record, tried = store.record, []

    def busy(*_: object) -> None:
        tried.append(True)
        raise DataError("store_not_writable", "another program holds it; try again")

    monkeypatch.setattr(store, "record", busy)
    records.record_shown()
    qtbot.waitUntil(lambda: bool(tried), timeout=60_000)
    assert (store.events(), read) == ((), [])
    monkeypatch.setattr(store, "record", record)
    for _ in range(2):
        records.record_shown()
        qtbot.waitUntil(lambda: bool(store.events()), timeout=60_000)
    records.close()
    (event,) = store.events()
    assert event.record is not None
    assert event.record["text"] == VERSION.text
    assert read == [True]
    store.close()
