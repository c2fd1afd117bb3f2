"""What the model saw, word by word, and the checks: views of the caption of the open subtask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QDockWidget, QFileDialog, QWidget

from app.evidence_highlight import EvidenceHighlight
from app.panels import Panels
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.caption import CaptionResult
from pipeline.model.checks import ChecksResult, Evidence, Outcome
from pipeline.model.drafting import CaptionVersion, PartKind, SentPart, SentRequest
from pipeline.model.edits import EPISODE_SCOPE

if TYPE_CHECKING:
    from app.caption_drafting import CaptionDrafting
    from app.collage_window import CollageWindow
    from viewers.collage_viewer import CollageViewer
    from widgets.check_list import CheckList
    from widgets.recipe_choice import RecipeChoice
    from widgets.token_view import TokenView

_STAGES = frozenset({"", "captions", "checks"})
"""Results of other stages change nothing here."""
_TABS = (
    ("saw", "Model saw", "What the model saw: every part of the request, as it was sent (F4)"),
    ("checks", "Checks", "What the caption claims, and what the evidence says (F6)"),
    ("words", "Words", "How sure the model was of each word, and what else it held possible (F7)"),
    ("again", "Draft again", "Draft with another recipe, backend or model, and compare (F8)"),
)

_LONGEST_WHY = 160
"""Letters of a failure that the small dock has room for (our choice); the tooltip has all."""
_TRY = "Ctrl+R tries again; F8 drafts with another backend."
_ON_ITS_WAY = "The caption is on its way: the stages before it are running."
_SHORT = {"saw": "Saw", "again": "Redraft"}
"""Titles where there is no room for those above."""


class CaptionViews(QObject):
    """Keeps the views in step with the document and does what they ask for.

    Each view is made when its tab is first shown, or when somebody asks here.

    Attributes:
        highlight: Evidence in frame and timeline.
        window: What the model saw in a window of its own, as soon as somebody wanted it.
    """

    def __init__(self, panels: Panels, control: SessionControl, parent: QWidget) -> None:
        super().__init__(parent)
        self._shell = parent
        self._control = control
        self._tabs = panels.captions
        self._editor = panels.caption
        self._drafting: CaptionDrafting | None = None
        self.highlight = EvidenceHighlight(panels, control, self)
        self.window: CollageWindow | None = None
        makers = (_make_collage, _make_checks, _make_words, _make_again)
        for (name, title, about), make in zip(_TABS, makers, strict=True):
            self._tabs.add_later(name, title, make, about)
            self._tabs.set_title(name, title, _SHORT.get(name, ""))
        self._tabs.tabMade.connect(self._on_tab_made)
        self._tabs.left.connect(self.leave)
        control.jobs.busyChanged.connect(lambda _: self._show_hint())
        control.bridge.changed.connect(self._on_changes)

    @property
    def collage(self) -> CollageViewer:
        """What the model saw."""
        return cast("CollageViewer", self._tabs.content("saw"))

    @property
    def checks(self) -> CheckList:
        """What the caption claims."""
        return cast("CheckList", self._tabs.content("checks"))

    @property
    def words(self) -> TokenView:
        """The words of the answer."""
        return cast("TokenView", self._tabs.content("words"))

    @property
    def again(self) -> RecipeChoice:
        """Another recipe."""
        return cast("RecipeChoice", self._tabs.content("again"))

    @property
    def drafting(self) -> CaptionDrafting:
        """Requests that are not sent, and drafting again; reads the recipes when first asked."""
        form = self.again  # Making it asks for this, too.
        if self._drafting is None:
            from app.caption_drafting import CaptionDrafting

            self._drafting = CaptionDrafting(form, self._control, self)
            self._drafting.recipesRead.connect(self._show_titles)
            self._drafting.previewMade.connect(self._show_preview)
            self._drafting.previewProgressed.connect(self._show_progress)
            self._drafting.previewFailed.connect(self._show_failure)
        return self._drafting

    def _on_tab_made(self, name: str) -> None:
        """Connect a view and show what is."""
        if name == "saw":
            self._connect_viewer(self.collage)
            self.collage.windowAsked.connect(self.open_window)
            self.collage.set_recipe_titles(self.drafting.titles)
            self.collage.set_frame(self._control.document.session.frame)
            self._show_requests()
        elif name == "checks":
            self.checks.evidenceAsked.connect(self._show_evidence)
            self.checks.evidenceLeft.connect(lambda back: self.highlight.leave(back=back))
            self._show_checks()
        elif name == "words":
            self._show_words()
        elif name == "again":
            self._show_allowed()
            self._show_words()
            _ = self.drafting

    def _connect_viewer(self, viewer: CollageViewer) -> None:
        control = self._control
        viewer.frameChosen.connect(lambda frame: control.seek(frame, "collage"))
        viewer.saveAsked.connect(self._save_asked)
        viewer.previewAsked.connect(lambda: self.drafting.preview())
        viewer.said.connect(control.said)

    def close(self) -> None:
        """Give up what is under way."""
        if self._drafting is not None:
            self._drafting.close()
        for viewer in self._viewers():
            viewer.close_pictures()
        if self.window is not None:
            self.window.close()

    # The tabs.

    def widgets(self) -> list[tuple[str, QWidget]]:
        """(title, widget) of each view."""
        return [(title, self._tabs.content(name)) for name, title, _ in _TABS]

    def reveal(self, name: str) -> None:
        """Bring `saw`, `checks`, `words` or `again` to the front and give it the focus.

        Raises:
            KeyError: There is no such view.
        """
        self._tabs.show_tab(name)
        widget = self._tabs.content(name)
        above = widget.parentWidget()
        while above is not None and above is not self._shell:
            if isinstance(above, QDockWidget):
                above.show()
                above.raise_()
            above = above.parentWidget()
        widget.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def leave(self) -> None:
        """Back to the caption: to the form that is open, else to the window's keys."""
        inside = self._editor.focusWidget() if self._editor.editing else None
        self._tabs.show_tab("caption")
        (inside or self._shell).setFocus(Qt.FocusReason.OtherFocusReason)

    def _turn(self, name: str) -> None:
        """Show a view; the same key again goes back."""
        focused = self._shell.focusWidget()
        if self._tabs.shown == name and focused is not None and self._tabs.isAncestorOf(focused):
            self.leave()
        else:
            self.reveal(name)

    def do_model_saw(self) -> None:
        """Show what the model saw, or the caption again."""
        self._turn("saw")

    def do_caption_checks(self) -> None:
        """Show the checks, or the caption again."""
        self._turn("checks")

    def do_caption_words(self) -> None:
        """Show the words by probability, or the caption again."""
        self._turn("words")

    def do_draft_again(self) -> None:
        """Show the form to draft again, or the caption again."""
        self._turn("again")

    def do_model_saw_window(self) -> None:
        """Show what the model saw in a window of its own."""
        self.open_window()

    def open_window(self) -> None:
        """Show what the model saw in a window of its own."""
        if self.window is None:
            from app.collage_window import CollageWindow

            self.window = CollageWindow(self._shell)
            self._connect_viewer(self.window.viewer)
        viewer = self.window.viewer
        viewer.set_recipe_titles(self.drafting.titles)
        viewer.set_camera_size(self._camera_size())
        viewer.set_frame(self._control.document.session.frame)
        viewer.set_versions(self._versions())
        viewer.set_preview(self.collage.preview)
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()

    # Showing.

    def _viewers(self) -> tuple[CollageViewer, ...]:
        """Those that were made."""
        first = (self.collage,) if self._tabs.is_made("saw") else ()
        own = () if self.window is None else (self.window.viewer,)
        return (*first, *own)

    def _on_changes(self, changes: Changes) -> None:
        parts = changes.parts
        if parts & (Part.EPISODE | Part.SUBTASK):
            self._leave_check()
        if parts & (Part.FRAME | Part.EPISODE):
            for viewer in self._viewers():
                viewer.set_frame(self._control.document.session.frame)
        if parts & (Part.STAGES | Part.SUBTASK | Part.EPISODE):
            self._show_hint()
        if parts & (Part.RESULTS | Part.SUBTASK | Part.EPISODE) and changes.stage in _STAGES:
            self._show_results()

    def _show_hint(self) -> None:
        """Say why there is no caption: what failed, or that it is on its way."""
        session = self._control.document.session
        wanted = (session.subtask, EPISODE_SCOPE)
        found = [(n, f) for (n, s), f in session.failures.items() if s in wanted]
        if found:
            name, failure = found[-1]
            title = self._control.document.graph.stage(name).title
            why = failure.message
            short = why if len(why) <= _LONGEST_WHY else f"{why[:_LONGEST_WHY].rstrip()} …"
            text = f"No caption: the stage “{title}” failed.\n\n{short}\n\n{_TRY}"
            self._editor.set_hint(text, why)
        else:
            self._editor.set_hint(_ON_ITS_WAY if self._control.jobs.busy else "")

    def _leave_check(self) -> None:
        if self._tabs.is_made("checks"):
            self.checks.leave()

    def _caption(self) -> CaptionResult | None:
        found = self._control.document.session.result("captions")
        return found if isinstance(found, CaptionResult) else None

    def _versions(self) -> tuple[CaptionVersion, ...]:
        caption = self._caption()
        return () if caption is None else caption.versions

    def _camera_size(self) -> tuple[int, int] | None:
        """Frames of the camera whose pictures are sent: that of the proposals."""
        session = self._control.document.session
        proposals = session.result("proposals")
        if session.demonstration is None or proposals is None:
            return None
        cameras = {c.key: c for c in session.demonstration.cameras}
        camera = cameras.get(proposals.camera)
        return None if camera is None else (camera.width, camera.height)

    def _before(self) -> CaptionResult | None:
        """The caption of the run before, if another drafter or recipe wrote it."""
        session, now = self._control.document.session, self._caption()
        if session.before is None or now is None:
            return None
        kept = session.before.result("captions", session.subtask)
        if not isinstance(kept, CaptionResult) or not kept.versions:
            return None
        return None if _origin(kept.versions[-1]) in map(_origin, now.versions) else kept

    def _show_results(self) -> None:
        self._show_requests()
        self._show_allowed()
        self._show_words()
        self._show_checks()

    def _show_requests(self) -> None:
        blocked = self._control.document.session.read_only
        for viewer in self._viewers():
            viewer.set_camera_size(self._camera_size())
            viewer.set_versions(self._versions())
            viewer.set_preview_allowed(blocked)

    def _show_allowed(self) -> None:
        if self._tabs.is_made("again"):
            session = self._control.document.session
            none = "" if session.demonstration is not None else "open an episode first"
            self.again.set_allowed(session.read_only or none)

    def _show_words(self) -> None:
        words, again = self._tabs.is_made("words"), self._tabs.is_made("again")
        if not (words or again):
            return
        from viewers.exchange_facts import version_title

        caption, versions = self._caption(), self._versions()
        named = [(version_title(n, v), v) for n, v in enumerate(versions)]
        before = self._before()
        if before is not None:
            last = before.versions[-1]
            named.insert(0, (f"run before ({last.model or last.drafter})", last))
        if words:
            from widgets.token_view import answer_of

            self.words.set_answers([answer_of(title, version) for title, version in named])
        if again:
            self._show_sentences(named, caption)

    def _show_sentences(
        self, named: list[tuple[str, CaptionVersion]], caption: CaptionResult | None
    ) -> None:
        from widgets.recipe_choice import NamedCaption

        captions = [NamedCaption(title, version.text) for title, version in named]
        if caption is not None and (not captions or caption.text != captions[-1].text):
            captions.append(NamedCaption("in force", caption.text))
        self.again.set_captions(captions)

    def _show_checks(self) -> None:
        found, caption = self._control.document.session.result("checks"), self._caption()
        result = found if isinstance(found, ChecksResult) else None
        if self._tabs.is_made("checks"):
            self.checks.set_checks(result, "" if caption is None else caption.text)
            if self.checks.chosen is None:
                self.highlight.leave()
        failed = 0 if result is None else result.count(Outcome.FAIL)
        title = f"Checks: {failed} failed" if failed else "Checks"
        self._tabs.set_title("checks", title, f"Checks ✕{failed}" if failed else "")

    def _show_titles(self) -> None:
        for viewer in self._viewers():
            viewer.set_recipe_titles(self.drafting.titles)

    def _show_evidence(self, evidence: Evidence) -> None:
        from widgets.check_list import is_shown_anywhere

        chosen = self.checks.chosen
        self.highlight.show(evidence, "" if chosen is None else chosen.claim)
        if not is_shown_anywhere(evidence):
            self._control.said.emit("This check has no place to look at; its sentence says why")

    # Requests that are not sent.

    def _show_preview(self, request: SentRequest) -> None:
        for viewer in self._viewers():
            viewer.set_preview(request)
        if self.window is None or not self.window.isVisible():
            self.reveal("saw")

    def _show_progress(self, share: float, what: str) -> None:
        for viewer in self._viewers():
            viewer.set_progress(share if share >= 0 else None, what)

    def _show_failure(self, why: str) -> None:
        for viewer in self._viewers():
            viewer.set_failure(why)

    # Saving.

    def _save_asked(self, part: SentPart, name: str) -> None:
        path, _ = QFileDialog.getSaveFileName(self._shell, "Save these bytes", name)
        if path:
            self.save(part, Path(path))

    def save(self, part: SentPart, path: Path) -> None:
        """Write exactly the bytes that were sent."""
        from pipeline.model.whole_file import write_whole

        data = part.text.encode() if part.kind is PartKind.TEXT else part.data.tobytes()
        try:
            write_whole(path, data)
        except OSError as error:
            self._control.failed.emit(f"{path}: {error.strerror or error}", "")
        else:
            self._control.said.emit(f"Saved {len(data):,} bytes as sent: {path}")


def _make_collage(parent: QWidget) -> QWidget:
    from viewers.collage_viewer import CollageViewer

    return CollageViewer(parent)


def _make_checks(parent: QWidget) -> QWidget:
    from widgets.check_list import CheckList

    return CheckList(parent)


def _make_words(parent: QWidget) -> QWidget:
    from widgets.token_view import TokenView

    return TokenView(parent)


def _make_again(parent: QWidget) -> QWidget:
    from widgets.recipe_choice import RecipeChoice

    return RecipeChoice(parent)


def _origin(version: CaptionVersion) -> tuple[str, ...]:
    """What makes it another version; pictures are not compared."""
    return version.text, version.drafter, version.model, version.recipe, version.critique
