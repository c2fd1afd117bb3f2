"""Drafting a caption again: with which recipe, what it would send and take, and doing it."""

from __future__ import annotations

import dataclasses

from PySide6.QtCore import QObject, Signal

from app.background import Background
from app.caption_request import PlannedRequest, RequestPlanner
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.drafting import SentRequest
from pipeline.model.recipe import Recipe
from pipeline.stages.caption_options import CaptionsOptions
from widgets.backend_choice import Choice
from widgets.recipe_choice import OFFLINE, DraftChoice, RecipeChoice

_ESTIMATE = (
    "Requests that would be sent now, tokens by the rules of the server's own documentation, US"
    " dollars by the price list that came with Demoscope. Repairs and repeats come on top."
)

_RENEWS = Part.EPISODE | Part.SUBTASK | Part.OPTIONS | Part.RESULTS
"""Changes after which another request would be made."""


class CaptionDrafting(QObject):
    """Does what the form asks for.

    Attributes:
        form: The form.
        planner: Makes requests that are not sent.
        titles: Recipe identity -> title, as soon as recipes were read.

    Signals:
        recipesRead: `titles` is known.
        previewMade: `SentRequest` that would be sent, because somebody wants to see it.
        previewProgressed: Share 0..1 and what is done; -1 when it is not being made any more.
        previewFailed: Why it cannot be made.
    """

    recipesRead = Signal()
    previewMade = Signal(object)
    previewProgressed = Signal(float, str)
    previewFailed = Signal(str)

    def __init__(self, form: RecipeChoice, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self.form = form
        self._control = control
        self.planner = RequestPlanner(self)
        self.titles: dict[str, str] = {}
        self._background = Background(self)
        self._wants_preview = False
        form.estimateAsked.connect(lambda choice: self.plan(choice, preview=False))
        form.previewAsked.connect(lambda choice: self.plan(choice, preview=True))
        form.draftAsked.connect(self.draft)
        self.planner.planned.connect(self._planned)
        self.planner.failed.connect(self._failed)
        self.planner.progressed.connect(self._progressed)
        control.bridge.changed.connect(self._on_changes)
        self._show_choice()
        self._background.run("caption recipes", _look_around, self._looked_around)

    def close(self) -> None:
        """Give up what is under way."""
        self.planner.close()
        self._background.close()

    @property
    def idle(self) -> bool:
        """True if nothing is being made or read."""
        return self.planner.idle and self._background.idle

    def plan(self, choice: DraftChoice, *, preview: bool) -> None:
        """Make the request of the open subtask; nothing is sent.

        Args:
            choice: What to draft with.
            preview: Whether somebody wants to see it; else only its estimate is shown.
        """
        control = self._control
        if self._wants_preview:
            self.previewProgressed.emit(-1.0, "")
        self._wants_preview = preview
        if preview:
            self.previewProgressed.emit(0.0, "making the request")
        elif choice.backend == OFFLINE:
            self.planner.stop()
            self.form.set_estimate("Offline: nothing is sent, nothing is paid.")
            return
        else:
            self.form.set_estimate("The estimate is being made …")
        self.planner.want(control.source, control.document.session, self._with(choice))

    def preview(self) -> None:
        """Make the request that the form would draft with, for somebody to see."""
        self.plan(self.form.choice, preview=True)

    def draft(self, choice: DraftChoice) -> None:
        """Draft the caption of the open subtask with other options; that before is kept."""
        control = self._control
        control.set_options("captions", self._with(choice))
        control.run(subtask=control.document.session.subtask)

    def _with(self, choice: DraftChoice) -> CaptionsOptions:
        return dataclasses.replace(self._options(), **dataclasses.asdict(choice))

    def _options(self) -> CaptionsOptions:
        found = self._control.document.session.options.get("captions")
        return found if isinstance(found, CaptionsOptions) else CaptionsOptions()

    # What arrives.

    def _planned(self, planned: PlannedRequest) -> None:
        self.form.set_estimate(planned.text, _ESTIMATE)
        if self._wants_preview:
            self._wants_preview = False
            request: SentRequest = planned.request
            self.previewMade.emit(request)

    def _failed(self, why: str) -> None:
        self.form.set_estimate(why)
        if self._wants_preview:
            self._wants_preview = False
            self.previewFailed.emit(why)

    def _progressed(self, share: float, what: str) -> None:
        if self._wants_preview:
            self.previewProgressed.emit(share, what)

    def _looked_around(
        self, found: tuple[tuple[Recipe, ...], tuple[Choice, ...]] | None, error: Exception | None
    ) -> None:
        if error is not None or found is None:
            return
        recipes, backends = found
        self.form.set_recipes(recipes)
        self.form.set_backends(backends)
        self.titles = {r.identity: r.title for r in recipes if r.title}
        self.recipesRead.emit()

    def _on_changes(self, changes: Changes) -> None:
        if changes.parts & (Part.EPISODE | Part.SUBTASK):
            self.planner.stop()
            if self._wants_preview:
                self._wants_preview = False
                self.previewProgressed.emit(-1.0, "")
        if changes.parts & (Part.OPTIONS | Part.EPISODE):
            self._show_choice()
        if changes.parts & _RENEWS and changes.stage in ("", "captions"):
            self.form.renew_estimate()

    def _show_choice(self) -> None:
        options = self._options()
        self.form.set_choice(
            DraftChoice(options.backend, options.recipe, options.model, options.base_url)
        )


def _look_around() -> tuple[tuple[Recipe, ...], tuple[Choice, ...]]:
    """Recipes, and who can draft: both look at the disk."""
    from pipeline.backends.captioning.captioner import CAPTIONERS, captioner
    from pipeline.backends.captioning.recipes import load_recipes

    backends = [Choice(OFFLINE, "Rules on the subtask record; needs no model")]
    for name in CAPTIONERS:
        server = captioner(name)
        backends.append(Choice(name, server.title, server.available() or ""))
    return load_recipes().recipes, tuple(backends)
