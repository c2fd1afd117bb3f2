"""The history of one caption from the review store and its result. Knows no widgets' state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipeline.model.caption_fields import FIELD_WORDS
from pipeline.model.drafting import CaptionVersion
from pipeline.model.edits import (
    EPISODE_SCOPE,
    CritiqueCaption,
    Edit,
    JudgeCaption,
    ReviewCaption,
    TagCaption,
)
from pipeline.review.caption_story import WHAT
from pipeline.review.events import Event, replay
from widgets.caption_history import HistoryEntry, HistoryKind


def history_entries(
    events: Iterable[Event], subtask: int, versions: tuple[CaptionVersion, ...]
) -> tuple[HistoryEntry, ...]:
    """Everything that was written and said, the newest first; what was undone is there, too.

    Args:
        events: Of the episode, oldest first.
        subtask: Whose caption.
        versions: Of the result on show; those that the store does not hold are added.
    """
    known = [e for e in events if e.subtask in (subtask, EPISODE_SCOPE)]
    in_force = {e.uuid for e in replay(known).applied}
    by_uuid = {e.uuid: e for e in known}
    missing = {v.critique: v for v in versions} if versions else {}
    about: dict[str, str] = {}
    for event in known:
        record = event.record
        if record is not None and record.get("what") == WHAT:
            version = missing.get(str(record.get("critique", "")))
            if version is not None and version.text == record.get("text"):
                del missing[version.critique]
        edit = event.edit
        if isinstance(edit, CritiqueCaption):
            about[edit.uid] = edit.about
    entries = [_of_version(missing.pop(""), about, 0)] if "" in missing else []
    revisions = 0
    for event in known:
        record = event.record
        if record is not None:
            if record.get("what") == WHAT:
                revisions += bool(record.get("critique"))
                entries.append(_of_record(event, about, revisions))
            continue
        entry = _of_event(event, by_uuid, event.uuid in in_force)
        entries.append(entry)
        edit = event.edit
        if isinstance(edit, CritiqueCaption) and edit.uid in missing:
            revisions += 1
            entries.append(_of_version(missing.pop(edit.uid), about, revisions))
    return tuple(reversed(_drafts_first(entries)))


def _drafts_first(entries: list[HistoryEntry]) -> list[HistoryEntry]:
    """Put a draft before what was said about it: it is recorded a moment later."""
    drafts = [e for e in entries if e.kind is HistoryKind.VERSION and not e.before]
    rest = [e for e in entries if e not in drafts]
    for draft in reversed(drafts):
        place = entries.index(draft) - sum(entries.index(d) < entries.index(draft) for d in drafts)
        about = (i for i, e in enumerate(rest[:place]) if e.about == draft.text)
        rest.insert(next(about, place), draft)
    return rest


def _of_version(version: CaptionVersion, about: dict[str, str], number: int) -> HistoryEntry:
    reply = version.exchange.reply if version.exchange is not None else None
    return HistoryEntry(
        at=local_time(reply.at) if reply is not None else "",
        who=version.drafter,
        what=_numbered(number),
        kind=HistoryKind.VERSION,
        text=version.text,
        before=about.get(version.critique, ""),
        written_by=_written_by(version.drafter, version.model, version.recipe),
    )


def _of_record(event: Event, about: dict[str, str], number: int) -> HistoryEntry:
    record = event.record or {}
    drafter, model = str(record.get("drafter", "")), str(record.get("model", ""))
    return HistoryEntry(
        at=local_time(event.at),
        who=drafter,
        what=_numbered(number if record.get("critique") else 0),
        kind=HistoryKind.VERSION,
        text=str(record.get("text", "")),
        before=about.get(str(record.get("critique", "")), ""),
        written_by=_written_by(drafter, model, str(record.get("recipe", ""))),
    )


def _numbered(number: int) -> str:
    return f"revision {number}" if number else "draft"


def _written_by(drafter: str, model: str, recipe: str) -> str:
    parts = [f"Drafter {drafter}"]
    parts += [f"model {model}"] if model else []
    parts += [f"recipe {recipe}"] if recipe else []
    return ", ".join(parts) + "."


def _of_event(event: Event, by_uuid: dict[str, Event], in_force: bool) -> HistoryEntry:
    at, who, edit = local_time(event.at), event.who, event.edit
    if event.kind in ("undo", "redo"):
        of = by_uuid.get(event.refers_to)
        title = of.edit.title if of is not None and of.edit is not None else event.stage
        return HistoryEntry(at, who, f"{event.kind}: {title}", HistoryKind.UNDO)
    if edit is None:
        return HistoryEntry(at, who, event.stage, in_force=in_force)
    kind, what, text, before = _of_edit(edit)
    about = edit.about if isinstance(edit, CritiqueCaption) else before
    return HistoryEntry(at, who, what, kind, text, before, in_force=in_force, about=about)


def _of_edit(edit: Edit) -> tuple[HistoryKind, str, str, str]:
    """Kind, title, text and what the text came from."""
    if isinstance(edit, CritiqueCaption):
        fields = ", ".join(FIELD_WORDS[f] for f in edit.fields)
        what = "critique, refined" if edit.refines else "critique"
        return HistoryKind.CRITIQUE, f"{what}: {fields}" if fields else what, edit.text, ""
    if isinstance(edit, JudgeCaption):
        return HistoryKind.VERDICT, edit.title, edit.text or edit.draft, edit.draft
    if isinstance(edit, ReviewCaption):
        return HistoryKind.REVIEW, edit.title, review_words(edit), ""
    if isinstance(edit, TagCaption):
        tags = "; ".join(f"{k}: {v}" if v else k for k, v in edit.tags)
        return HistoryKind.TAGS, edit.title, tags, ""
    return HistoryKind.OTHER, edit.title, "", ""


def review_words(edit: ReviewCaption) -> str:
    """What a reviewer said, one sentence."""
    parts = ["agrees" if edit.agrees else "disagrees"]
    if edit.errors:
        parts.append("wrong: " + ", ".join(FIELD_WORDS[f] for f in edit.errors))
    if edit.false_alarms:
        parts.append("false alarms: " + ", ".join(FIELD_WORDS[f] for f in edit.false_alarms))
    if edit.note:
        parts.append(edit.note)
    return "; ".join(parts)


def local_time(at: str) -> str:
    """A UTC time stamp as local date and minute."""
    try:
        return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return at
