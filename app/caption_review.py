"""Reviewing captions by keyboard: judge, criticise, revise, go on. Handlers of the Caption menu."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QInputDialog, QWidget

from app.caption_ahead import CaptionAhead, Place, Prepared
from app.caption_aside import CaptionAside
from app.caption_panel import CaptionPanel
from app.caption_records import CaptionRecords
from app.caption_undo import CaptionUndo
from app.panels import Panels
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.caption_fields import CaptionField
from pipeline.model.edits import (
    EPISODE_SCOPE,
    CritiqueCaption,
    Edit,
    JudgeCaption,
    ReviewCaption,
    TagCaption,
)
from pipeline.review.caption_queue import Role, waits
from pipeline.review.caption_story import stories

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

    from widgets.critique_form import CritiqueText

_PENDING = "A revision is on its way: judge it when it is here"
_NOT_JUDGED = "Nobody else has judged this caption: N goes to the next one that waits"
_AS_REVIEWER = "You review the work of others now: Enter agrees, X disagrees"
_LOOK_AHEAD_MS = 30
"""After the next caption was painted."""


class Shell(Protocol):
    """What reviewing needs of the window."""

    def remember(self, key: str, value: object) -> None:
        """Keep a setting."""

    def recall(self, key: str, default: str) -> str:
        """A kept setting."""

    def action(self, name: str) -> QAction:
        """An action of the table."""

    def window(self) -> QWidget:
        """Parent of dialogs."""


class CaptionReview(QObject):
    """What the keys of the Caption menu do.

    Attributes:
        panel: What is shown.
        trail: Undo across episodes.
        aside: Its clip, definitions and history.
    """

    def __init__(
        self, panels: Panels, control: SessionControl, shell: Shell, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self._shell = shell
        self.panel = CaptionPanel(panels, control, self)
        self.trail = CaptionUndo(control, self)
        self.aside = CaptionAside(panels, control, shell.window(), self)
        self._records = CaptionRecords(control, self.panel, self)
        self._ahead = CaptionAhead(control, self)
        self._ahead.found.connect(self._on_found)
        self._skipped: set[Place] = set()
        self._going = 0
        self._look_later = QTimer(self)
        self._look_later.setSingleShot(True)
        self._look_later.setInterval(_LOOK_AHEAD_MS)
        self._look_later.timeout.connect(self._look_ahead)
        self._run_later = QTimer(self)
        self._run_later.setSingleShot(True)
        self._run_later.setInterval(0)
        self._run_later.timeout.connect(control.run)
        self._restore()
        self._connect()

    def close(self) -> None:
        """Ask for nothing more."""
        self._look_later.stop()
        self._run_later.stop()
        self._records.close()

    def _connect(self) -> None:
        editor, control = self._panels.caption, self._control
        editor.accepted.connect(self.do_accept)
        editor.rejected.connect(self.do_reject)
        editor.corrected.connect(lambda text: self.judge("corrected", text))
        editor.criticised.connect(self._criticise)
        editor.skipped.connect(self.do_skip)
        editor.agreed.connect(self.do_accept)
        editor.disagreed.connect(self._disagree)
        self._panels.captions.tabMade.connect(self._on_tab_made)
        control.bridge.changed.connect(self._on_changes)
        control.jobEnded.connect(lambda _: self._look_later.start())

    def _on_tab_made(self, name: str) -> None:
        if name == "tags":
            self._panels.primitives.tagged.connect(self._tag)

    def _restore(self) -> None:
        role = self._shell.recall("caption_role", Role.ANNOTATOR.value)
        self.panel.role = Role.REVIEWER if role == Role.REVIEWER.value else Role.ANNOTATOR
        self._shell.action("reviewer_role").setChecked(self.panel.role is Role.REVIEWER)
        self._control.set_reviewer(self._shell.recall("your_name", ""))
        go_on = self._shell.recall("caption_go_on", "true") == "true"
        self._shell.action("go_on").setChecked(go_on)

    # -- judging ---------------------------------------------------------------------------

    def do_accept(self) -> None:
        """Accept the caption; a reviewer agrees."""
        if self.panel.role is Role.REVIEWER:
            self._review(agrees=True)
        else:
            self.judge("accepted")

    def do_reject(self) -> None:
        """Reject the caption; a reviewer says what is wrong with it."""
        if self.panel.role is not Role.REVIEWER:
            self.judge("rejected")
        elif self._may_review():
            self.aside.show_caption()
            self._panels.caption.begin_disagreement()

    def do_correct(self) -> None:
        """Write the caption, by part or as a sentence."""
        if self._is_annotator():
            self.aside.show_caption()
            self._panels.caption.begin_edit()

    def do_critique(self) -> None:
        """Criticise the caption, or refine the critique that the revision on show answers."""
        if self._is_annotator():
            self.aside.show_caption()
            self._panels.caption.begin_critique()

    def do_critique_again(self) -> None:
        """Criticise the revision anew, beside the critique that it answers."""
        if self._is_annotator():
            self.aside.show_caption()
            self._panels.caption.begin_critique(again=True)

    def judge(self, verdict: str, text: str = "") -> None:
        """Accept, correct or reject the caption of the selected subtask, and go on.

        Args:
            verdict: `accepted`, `corrected` or `rejected`.
            text: The sentence of a correction.
        """
        session = self._control.document.session
        caption = session.result("captions")
        if caption is None:
            return
        if self.panel.card.pending and verdict != "corrected":
            self._control.said.emit(_PENDING)
            return
        edit = JudgeCaption.model_validate(
            {
                "subtask": session.subtask,
                "verdict": verdict,
                "draft": caption.draft,
                "text": text or caption.text,
            }
        )
        self._decide(edit, go_on=True)

    def _criticise(self, critique: CritiqueText) -> None:
        session = self._control.document.session
        caption = session.result("captions")
        if caption is None:
            return
        refined = [
            e for e in session.edits if isinstance(e, CritiqueCaption) and e.uid == critique.refines
        ]
        edit = CritiqueCaption(
            subtask=session.subtask,
            uid=uuid.uuid4().hex,
            about=refined[-1].about if refined else caption.text,
            fields=critique.fields,
            text=critique.text,
            corrections=critique.corrections,
            refines=critique.refines,
        )
        self._decide(edit, go_on=False)

    def _tag(self, tags: tuple[tuple[str, str], ...]) -> None:
        subtask = self._control.document.session.subtask
        self._decide(TagCaption(subtask=subtask, tags=tags), go_on=False)

    def _review(
        self,
        *,
        agrees: bool,
        errors: tuple[CaptionField, ...] = (),
        alarms: tuple[CaptionField, ...] = (),
        note: str = "",
    ) -> None:
        if not self._may_review():
            return
        session = self._control.document.session
        caption, story = session.result("captions"), self.panel.story
        critiques = story.last_critiques if story is not None else ()
        edit = ReviewCaption(
            subtask=session.subtask,
            of=self.panel.card.annotator,
            caption=caption.text,
            critique=critiques[-1].edit.uid if critiques else "",
            agrees=agrees,
            errors=errors,
            false_alarms=alarms,
            note=note,
        )
        self._decide(edit, go_on=True)

    def _disagree(
        self, errors: tuple[CaptionField, ...], alarms: tuple[CaptionField, ...], note: str
    ) -> None:
        self._review(agrees=False, errors=errors, alarms=alarms, note=note)

    def _may_review(self) -> bool:
        """Whether somebody else judged the caption on show; the person is told if not."""
        store, card = self._control.commands.store, self.panel.card
        if self._panels.caption.caption is None:
            return False
        if not card.annotator or (store is not None and card.annotator == store.who):
            self._control.said.emit(_NOT_JUDGED)
            return False
        return True

    def _is_annotator(self) -> bool:
        if self.panel.role is Role.REVIEWER:
            self._control.said.emit(_AS_REVIEWER)
            return False
        return True

    def _decide(self, edit: Edit, *, go_on: bool) -> None:
        """Save an edit at once; then the next caption, and only then what is to be computed."""
        demonstration = self._control.document.session.demonstration
        if demonstration is None:
            return
        episode = demonstration.ref.episode
        self._records.record_shown()
        go_on = go_on and self._shell.action("go_on").isChecked()
        following = self._following() if go_on else None
        is_next = following is not None and self._control.save(edit)
        if not is_next and not self._control.decide(edit, run=False):
            return
        self.trail.note(episode, edit.subtask)
        self._skipped.discard((episode, edit.subtask))
        if following is not None and is_next:
            self._control.said.emit(f"Saved: {edit.title}")
            self._show(following)
        elif go_on:
            self._go(1)
        now = self._control.document.session.demonstration
        if now is not None and now.ref.episode == episode:
            self._run_later.start()

    # -- going on --------------------------------------------------------------------------

    def do_skip(self) -> None:
        """Leave the caption unreviewed and go on; it comes back when nothing else waits."""
        session = self._control.document.session
        if session.demonstration is not None:
            self._skipped.add((session.demonstration.ref.episode, session.subtask))
            self._go(1)

    def do_next_caption(self) -> None:
        """To the next caption that waits."""
        self._go(1)

    def do_previous_caption(self) -> None:
        """To the caption before that waits."""
        self._go(-1)

    def _go(self, step: int) -> None:
        """To the nearest caption that waits: in this episode, else in another one."""
        subtask = self._neighbour(step)
        if subtask is not None:
            self._going = 0
            self._control.document.set_subtask(subtask, "review")
            self._look_later.start()
            return
        self._going = step
        self._look(step)

    def _neighbour(self, step: int) -> int | None:
        """The next subtask of this episode that waits, on this side of the selected one."""
        session = self._control.document.session
        store = self._control.commands.store
        if session.demonstration is None:
            return None
        episode = session.demonstration.ref.episode
        told = {s.subtask: s for s in stories(store.history(episode))} if store else {}
        who = store.who if store is not None else ""
        last = session.subtask_count if step > 0 else -1
        for subtask in range(session.subtask + step, last, step):
            if (episode, subtask) in self._skipped:
                continue
            if waits(told.get(subtask), self.panel.role, who):
                return subtask
        return None

    def _look_ahead(self) -> None:
        """Have the next episode ready before it is asked for."""
        if not self._going and self._control.document.session.demonstration is not None:
            self._look(1)

    def _following(self) -> Prepared | None:
        """The next caption, here or in another episode, if it is ready."""
        subtask, session = self._neighbour(1), self._control.document.session
        if subtask is None or session.demonstration is None:
            return self._ahead.ready(1, self.panel.role, frozenset(self._skipped))
        shown = (("subtasks", EPISODE_SCOPE), ("captions", subtask))
        outcomes = tuple(session.results[node] for node in shown if node in session.results)
        episode = session.demonstration.ref.episode
        return Prepared(episode, subtask, session.demonstration, outcomes)

    def _show(self, following: Prepared) -> None:
        """Paint its caption, then everything else."""
        self._going = 0
        self.panel.preview(following.episode, following.subtask, following.outcomes)
        if following.demonstration is self._control.document.session.demonstration:
            self._control.show_saved(following.episode, following.subtask)
        else:
            self._control.show_prepared(
                following.demonstration, following.outcomes, following.subtask
            )
        self._look_later.start()

    def _look(self, step: int) -> None:
        self._ahead.look(step, self.panel.role, frozenset(self._skipped))

    def _on_found(self, prepared: Prepared | None) -> None:
        if not self._going:
            return
        self._going = 0
        if prepared is not None:
            self._show(prepared)
        else:
            self._end_of_queue()

    def _end_of_queue(self) -> None:
        """Nothing waits in other episodes: what is left here, what was skipped, or nothing."""
        session = self._control.document.session
        here = session.demonstration.ref.episode if session.demonstration is not None else -1
        if self._skipped - {(here, session.subtask)}:
            self._control.said.emit("Captions that were skipped come back now")
            self._skipped = {(here, session.subtask)} & self._skipped
            self._go(1)
            return
        for subtask in range(session.subtask_count):
            if subtask != session.subtask and self._waits_here(subtask):
                self._control.document.set_subtask(subtask, "review")
                return
        reviewing = self.panel.role is Role.REVIEWER
        text = "No caption waits for your review" if reviewing else "Every caption is reviewed"
        if self._waits_here(session.subtask):
            text = "No other caption waits"
        self._control.said.emit(text)
        self._panels.caption.set_message(f"{text}.")

    def _waits_here(self, subtask: int) -> bool:
        store, session = self._control.commands.store, self._control.document.session
        if session.demonstration is None:
            return False
        history = store.history(session.demonstration.ref.episode) if store is not None else ()
        story = next((s for s in stories(history) if s.subtask == subtask), None)
        return waits(story, self.panel.role, store.who if store is not None else "")

    def _on_changes(self, changes: Changes) -> None:
        if changes.parts & Part.DATASET:
            self._skipped.clear()
            self._going = 0
            self._ahead.forget()

    # -- settings --------------------------------------------------------------------------

    def do_reviewer_role(self) -> None:
        """Review the work of others, or annotate."""
        on = self._shell.action("reviewer_role").isChecked()
        self.panel.role = Role.REVIEWER if on else Role.ANNOTATOR
        self._shell.remember("caption_role", self.panel.role.value)
        self._panels.caption.leave_edit()
        self._ahead.forget()
        self._skipped.clear()
        self.panel.refresh()
        self._control.said.emit(_AS_REVIEWER if on else "You annotate now: Enter accepts")
        self._look_later.start()

    def do_go_on(self) -> None:
        """Go to the next caption after a verdict, or stay."""
        on = self._shell.action("go_on").isChecked()
        self._shell.remember("caption_go_on", "true" if on else "false")

    def do_your_name(self) -> None:
        """Ask under which name decisions are saved."""
        store = self._control.commands.store
        old = store.who if store is not None else self._shell.recall("your_name", "")
        name, ok = QInputDialog.getText(
            self._shell.window(),
            "Your name",
            "Decisions are saved under this name; several people can share one account.",
            text=old,
        )
        if ok:
            self.set_name(" ".join(name.split()))

    def set_name(self, name: str) -> None:
        """Save decisions under a name from now on; empty: that of the account."""
        self._shell.remember("your_name", name)
        self._control.set_reviewer(name)
        self._ahead.forget()

    # -- undo ------------------------------------------------------------------------------

    def do_undo(self) -> None:
        """Take the newest decision back, also where going on left its episode."""
        self.trail.undo()
