"""Review events about captions, made by hand: each a microsecond after the one before."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pipeline.model.caption import Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.edits import (
    EDIT,
    CritiqueCaption,
    Edit,
    JudgeCaption,
    ReviewCaption,
    TagCaption,
)
from pipeline.review.events import Event


@dataclass
class Telling:
    """Writes the events of one dataset."""

    events: list[Event] = field(default_factory=list)
    day: str = "2026-03-01"

    def edit(self, who: str, edit: Edit, episode: int = 0) -> Event:
        return self._add("edit", who, episode, edit.subtask, EDIT.dump_json(edit).decode())

    def undo(self, who: str, event: Event) -> Event:
        return self._add("undo", who, event.episode, event.subtask, "", event.uuid)

    def draft(
        self,
        text: str,
        critique: str = "",
        recipe: str = "hand-collage-1-aa",
        episode: int = 0,
        subtask: int = 0,
    ) -> Event:
        payload = {
            "what": "caption_version",
            "text": text,
            "drafter": "gemini",
            "model": "gemini-2.5-flash",
            "recipe": recipe,
            "critique": critique,
            "request_id": "r1",
        }
        return self._add("record", "ann", episode, subtask, json.dumps(payload))

    def judge(
        self, who: str, verdict: Verdict, draft: str, text: str = "", episode: int = 0
    ) -> Event:
        edit = JudgeCaption(subtask=0, verdict=verdict, draft=draft, text=text or draft)
        return self.edit(who, edit, episode)

    def criticise(
        self,
        who: str,
        about: str,
        text: str,
        fields: tuple[CaptionField, ...] = (),
        corrections: tuple[tuple[CaptionField, str], ...] = (),
        uid: str = "c1",
        refines: str = "",
    ) -> Event:
        edit = CritiqueCaption(
            subtask=0,
            uid=uid,
            about=about,
            fields=fields,
            text=text,
            corrections=corrections,
            refines=refines,
        )
        return self.edit(who, edit)

    def review(
        self,
        who: str,
        of: str,
        caption: str,
        agrees: bool,
        errors: tuple[CaptionField, ...] = (),
        false_alarms: tuple[CaptionField, ...] = (),
    ) -> Event:
        edit = ReviewCaption(
            subtask=0,
            of=of,
            caption=caption,
            agrees=agrees,
            errors=errors,
            false_alarms=false_alarms,
        )
        return self.edit(who, edit)

    def tag(self, who: str, *tags: tuple[str, str]) -> Event:
        return self.edit(who, TagCaption(subtask=0, tags=tags))

    def _add(
        self, kind: str, who: str, episode: int, subtask: int, payload: str, refers_to: str = ""
    ) -> Event:
        number = len(self.events) + 1
        start = datetime.fromisoformat(self.day).replace(tzinfo=UTC)
        at = (start + timedelta(seconds=number)).isoformat(timespec="milliseconds")
        event = Event(
            id=number,
            uuid=f"u{number:04}",
            at=at,
            who=who,
            dataset="cubes",
            episode=episode,
            kind=kind,  # type: ignore[arg-type]
            stage="captions",
            subtask=subtask,
            payload=payload,
            refers_to=refers_to,
            clock=number,
        )
        self.events.append(event)
        return event
