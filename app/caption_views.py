"""What the model saw, word by word, and the checks: views of the caption of the open subtask."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QDockWidget, QFileDialog, QWidget

from app.caption_drafting import CaptionDrafting
from app.collage_window import CollageWindow
from app.evidence_highlight import EvidenceHighlight
from app.panels import Panels
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.caption import CaptionResult
from pipeline.model.checks import ChecksResult, Evidence, Outcome
from pipeline.model.drafting import CaptionVersion, PartKind, SentPart, SentRequest
from pipeline.model.whole_file import write_whole
from viewers.collage_viewer import CollageViewer
from viewers.exchange_facts import version_title
from widgets.caption_tabs import CaptionTabs
from widgets.check_list import CheckList, is_shown_anywhere
from widgets.recipe_choice import NamedCaption, RecipeChoice
from widgets.token_view import TokenView, answer_of

_STAGES = frozenset({"", "captions", "checks"})
"""Results of other stages change nothing here."""
_TABS = (
    ("saw", "Model saw", "What the model saw: every part of the request, as it was sent (F4)"),
    ("checks", "Checks", "What the caption claims, and what the evidence says (F6)"),
    ("words", "Words", "How sure the model was of each word, and what else it held possible (F7)"),
    ("again", "Draft again", "Draft with another recipe, backend or model, and compare (F8)"),
)


class CaptionViews(QObject):
    """Keeps the views in step with the document and does what they ask for.

    Attributes:
        collage: What the model saw.
        checks: What the caption claims.
        words: The words of the answer.
        again: Another recipe.
        highlight: Evidence in frame and timeline.
        drafting: Requests that are not sent, and drafting again.
        window: What the model saw in a window of its own, as soon as somebody wanted it.
    """

    def __init__(self, panels: Panels, control: SessionControl, parent: QWidget) -> None:
        super().__init__(parent)
        self._shell = parent
        self._control = control
        self._tabs: CaptionTabs | None = None
        self.collage = CollageViewer(parent)
        self.checks = CheckList(parent)
        self.words = TokenView(parent)
        self.again = RecipeChoice(parent)
        self.highlight = EvidenceHighlight(panels, control, self)
        self.drafting = CaptionDrafting(self.again, control, self)
        self.window: CollageWindow | None = None
        self._connect()
        self._show_results()

    def _connect(self) -> None:
        self._control.bridge.changed.connect(self._on_changes)
        self._connect_viewer(self.collage)
        self.collage.windowAsked.connect(self.open_window)
        self.checks.evidenceAsked.connect(self._show_evidence)
        self.checks.evidenceLeft.connect(lambda back: self.highlight.leave(back=back))
        drafting = self.drafting
        drafting.recipesRead.connect(self._show_titles)
        drafting.previewMade.connect(self._show_preview)
        drafting.previewProgressed.connect(self._show_progress)
        drafting.previewFailed.connect(self._show_failure)

    def _connect_viewer(self, viewer: CollageViewer) -> None:
        control = self._control
        viewer.frameChosen.connect(lambda frame: control.seek(frame, "collage"))
        viewer.saveAsked.connect(self._save_asked)
        viewer.previewAsked.connect(self.drafting.preview)
        viewer.said.connect(control.said)

    def close(self) -> None:
        """Give up what is under way."""
        self.drafting.close()
        for viewer in self._viewers():
            viewer.close_pictures()
        if self.window is not None:
            self.window.close()

    # The tabs.

    def widgets(self) -> list[tuple[str, QWidget]]:
        """(title, widget) of each view."""
        made = (self.collage, self.checks, self.words, self.again)
        return [(title, widget) for (_, title, _), widget in zip(_TABS, made, strict=True)]

    def add_to(self, tabs: CaptionTabs) -> None:
        """Put the views beside the caption."""
        self._tabs = tabs
        for (name, title, about), (_, widget) in zip(_TABS, self.widgets(), strict=True):
            tabs.add(name, title, widget, about)

    def reveal(self, name: str) -> None:
        """Bring `saw`, `checks`, `words` or `again` to the front and give it the focus.

        Raises:
            KeyError: There is no such view.
        """
        widget = {t[0]: w for t, (_, w) in zip(_TABS, self.widgets(), strict=True)}[name]
        if self._tabs is not None:
            self._tabs.show_tab(name)
        above = widget.parentWidget()
        while above is not None and above is not self._shell:
            if isinstance(above, QDockWidget):
                above.show()
                above.raise_()
            above = above.parentWidget()
        widget.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def do_model_saw(self) -> None:
        """Show what the model saw."""
        self.reveal("saw")

    def do_caption_checks(self) -> None:
        """Show the checks."""
        self.reveal("checks")

    def do_caption_words(self) -> None:
        """Show the words by probability."""
        self.reveal("words")

    def do_draft_again(self) -> None:
        """Show the form to draft again."""
        self.reveal("again")

    def open_window(self) -> None:
        """Show what the model saw in a window of its own."""
        if self.window is None:
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
        own = () if self.window is None else (self.window.viewer,)
        return (self.collage, *own)

    def _on_changes(self, changes: Changes) -> None:
        parts = changes.parts
        if parts & (Part.EPISODE | Part.SUBTASK):
            self.checks.leave()
        if parts & (Part.FRAME | Part.EPISODE):
            for viewer in self._viewers():
                viewer.set_frame(self._control.document.session.frame)
        if parts & (Part.RESULTS | Part.SUBTASK | Part.EPISODE) and changes.stage in _STAGES:
            self._show_results()

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
        session = self._control.document.session
        blocked = session.read_only
        size = self._camera_size()
        for viewer in self._viewers():
            viewer.set_camera_size(size)
            viewer.set_versions(self._versions())
            viewer.set_preview_allowed(blocked)
        none = "" if session.demonstration is not None else "open an episode first"
        self.again.set_allowed(blocked or none)
        self._show_words()
        self._show_checks()

    def _show_words(self) -> None:
        caption, versions = self._caption(), self._versions()
        named = [(version_title(n, v), v) for n, v in enumerate(versions)]
        before = self._before()
        if before is not None:
            last = before.versions[-1]
            named.insert(0, (f"run before ({last.model or last.drafter})", last))
        self.words.set_answers([answer_of(title, version) for title, version in named])
        captions = [NamedCaption(title, version.text) for title, version in named]
        if caption is not None and (not captions or caption.text != captions[-1].text):
            captions.append(NamedCaption("in force", caption.text))
        self.again.set_captions(captions)

    def _show_checks(self) -> None:
        found, caption = self._control.document.session.result("checks"), self._caption()
        result = found if isinstance(found, ChecksResult) else None
        self.checks.set_checks(result, "" if caption is None else caption.text)
        if self.checks.chosen is None:
            self.highlight.leave()
        if self._tabs is not None:
            failed = 0 if result is None else result.count(Outcome.FAIL)
            title = f"Checks: {failed} failed" if failed else "Checks"
            self._tabs.setTabText(self._tabs.indexOf(self.checks), title)

    def _show_titles(self) -> None:
        for viewer in self._viewers():
            viewer.set_recipe_titles(self.drafting.titles)

    def _show_evidence(self, evidence: Evidence) -> None:
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
        data = part.text.encode() if part.kind is PartKind.TEXT else part.data.tobytes()
        try:
            write_whole(path, data)
        except OSError as error:
            self._control.failed.emit(f"{path}: {error.strerror or error}", "")
        else:
            self._control.said.emit(f"Saved {len(data):,} bytes as sent: {path}")


def _origin(version: CaptionVersion) -> tuple[str, ...]:
    """What makes it another version; pictures are not compared."""
    return version.text, version.drafter, version.model, version.recipe, version.critique
