"""Keeps the caption, its history and its tags in step with the document."""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject

from app.panels import Panels
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.engine.cache import StageOutcome
from pipeline.model.caption import CaptionResult
from pipeline.model.edits import EPISODE_SCOPE, CritiqueCaption, TagCaption, edits_of
from pipeline.model.problem import DataError
from pipeline.review.caption_queue import Role, is_checked, is_judged
from pipeline.review.caption_story import CaptionStory, stories
from pipeline.review.events import Event
from pipeline.stages.captions import critiques_of
from widgets.caption_card import CaptionCard

log = logging.getLogger(__name__)


class CaptionPanel(QObject):
    """Shows the caption of the selected subtask.

    Attributes:
        role: Whose view it is; `refresh` after a change.
        card: What is shown with the caption now.
    """

    def __init__(self, panels: Panels, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self.role = Role.ANNOTATOR
        self.card = CaptionCard()
        self._events: tuple[Event, ...] = ()
        panels.captions.tabMade.connect(self._on_tab_made)
        control.bridge.changed.connect(self._on_changes)
        control.jobs.busyChanged.connect(lambda _: self.refresh())

    def refresh(self) -> None:
        """Show what is."""
        session = self._control.document.session
        caption: CaptionResult | None = session.result("captions")
        self.card = self._make_card(caption)
        self._panels.caption.set_caption(caption, session.task, self.card)
        if self._panels.captions.is_made("history"):
            self._show_history(caption)
        if self._panels.captions.is_made("tags"):
            self._show_tags()

    def _on_tab_made(self, name: str) -> None:
        if name == "history":
            self._show_history(self._control.document.session.result("captions"))
        elif name == "tags":
            self._show_tags()

    def _show_history(self, caption: CaptionResult | None) -> None:
        from app.caption_entries import history_entries

        versions = caption.versions if caption is not None else ()
        subtask = self._control.document.session.subtask
        self._panels.history.set_entries(
            history_entries(self._events, subtask, versions) if caption else ()
        )

    def _show_tags(self) -> None:
        session = self._control.document.session
        tags = [e for e in session.edits if isinstance(e, TagCaption)]
        own = [e for e in tags if e.subtask == session.subtask]
        self._panels.primitives.set_tags(own[-1].tags if own else ())
        self._panels.primitives.set_names(self.card.names)
        self._panels.primitives.set_read_only(session.read_only)

    def preview(self, episode: int, subtask: int, outcomes: tuple[StageOutcome, ...]) -> None:
        """Paint a caption of an episode that is opened next: all other views take longer.

        Args:
            episode: Episode index.
            subtask: Index of the subtask.
            outcomes: Its subtasks and captions, as far as they are known.
        """
        found = {(o.stage, o.subtask): o.result for o in outcomes}
        caption: CaptionResult | None = found.get(("captions", subtask))
        subtasks = found.get(("subtasks", EPISODE_SCOPE))
        if caption is None or subtasks is None:
            return
        card = CaptionCard(episode, reviewing=self.role is Role.REVIEWER)
        self._panels.caption.set_caption(caption, subtasks.subtasks[subtask], card)
        self._panels.caption.repaint()

    @property
    def story(self) -> CaptionStory | None:
        """What was said about the selected caption; None if nothing."""
        subtask = self._control.document.session.subtask
        return next((s for s in stories(self._events) if s.subtask == subtask), None)

    def _on_changes(self, changes: Changes) -> None:
        parts = changes.parts
        if parts & (Part.EDITS | Part.EPISODE):
            self._read_events()
        if parts & (Part.EDITS | Part.EPISODE | Part.SUBTASK) or (
            parts & Part.RESULTS and changes.stage in ("", "subtasks", "proposals", "captions")
        ):
            self.refresh()

    def _read_events(self) -> None:
        store = self._control.commands.store
        demonstration = self._control.document.session.demonstration
        self._events = ()
        if store is None or demonstration is None:
            return
        try:
            self._events = store.history(demonstration.ref.episode)
        except DataError as error:
            log.warning("history: %s", error)

    def read_again(self) -> None:
        """Read the events: something was recorded."""
        self._read_events()
        self.refresh()

    # -- the card --------------------------------------------------------------------------

    def _make_card(self, caption: CaptionResult | None) -> CaptionCard:
        session = self._control.document.session
        demonstration = session.demonstration
        if demonstration is None or caption is None:
            return CaptionCard(-1 if demonstration is None else demonstration.ref.episode)
        own = edits_of(session.edits, "captions", session.subtask)
        critiques = critiques_of(own, session.subtask)
        answered = {v.critique for v in caption.versions}
        newest = critiques[-1] if critiques else None
        story = self.story if own or self.role is Role.REVIEWER else None
        reviewing = self.role is Role.REVIEWER
        is_answered = newest is not None and newest.uid in answered
        fields = (f for c in critiques for f in c.fields) if reviewing else ()
        flagged = tuple(dict.fromkeys(fields)) or (newest.fields if newest else ())
        return CaptionCard(
            episode=demonstration.ref.episode,
            before=self._before(caption, newest if is_answered else None),
            critique=newest.text if newest else "",
            critic=_critic(story, newest),
            refines=newest.uid if newest and is_answered and caption.verdict is None else "",
            flagged=flagged,
            corrections=newest.corrections if newest else (),
            pending=newest is not None and not is_answered and self._control.jobs.busy,
            annotator=story.verdict.who if story and story.verdict and is_judged(story) else "",
            reviewing=reviewing,
            review=_review(story),
            **self._proposals(),
        )

    def _before(self, caption: CaptionResult, answered: CritiqueCaption | None) -> str:
        if self.role is Role.REVIEWER and caption.versions:
            return caption.versions[0].text
        if caption.verdict is None and answered is not None:
            return answered.about
        return ""

    def _proposals(self) -> dict[str, tuple[str, ...]]:
        """Words that a person may mean."""
        from pipeline.backends.language.vocabulary import vocabulary
        from pipeline.review.primitives import group_of

        session = self._control.document.session
        proposals, subtasks = session.result("proposals"), session.result("subtasks")
        names: list[str] = []
        for task in subtasks.subtasks if subtasks is not None else ():
            names += [task.object_name, task.target_name, task.source_name]
        names += [p.label for p in proposals.candidates] if proposals is not None else []
        return {
            "verbs": tuple(v.verb for v in vocabulary().verbs),
            "relations": tuple(t.name for t in group_of("relation").tags),
            "names": tuple(dict.fromkeys(n for n in names if n)),
        }


def _critic(story: CaptionStory | None, critique: CritiqueCaption | None) -> str:
    if story is None or critique is None:
        return ""
    return next((c.who for c in reversed(story.critiques) if c.edit.uid == critique.uid), "")


def _review(story: CaptionStory | None) -> str:
    if story is None or not is_checked(story):
        return ""
    from app.caption_entries import review_words

    newest = story.reviews[-1]
    return f"{newest.who} {review_words(newest.edit)}"
