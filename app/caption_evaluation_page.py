"""The page Captions of the curation window: which recipe writes the most acceptable captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from app.background import Background, sentence
from app.caption_evaluation_run import CaptionEvaluationRun
from pipeline.captioning.evaluation_values import (
    EvaluationOutlook,
    EvaluationRequest,
    RecipeEvaluation,
)
from pipeline.evaluation.caption_figures import JudgedCaption
from pipeline.model.problem import DataError
from pipeline.model.recipe import Recipe
from widgets.caption_evaluation import CaptionEvaluation
from widgets.caption_evaluation_setup import CaptionEvaluationSetup, EvaluationWish
from widgets.caption_server_choice import ServerOffer
from widgets.fields import EmptyHint
from widgets.theme import GRID, Status

_NO_DATASET = (
    "Open a dataset (Ctrl+O in the main window) to measure caption recipes on the captions of it "
    "that people accepted or corrected."
)
_NOTHING_YET = (
    "Choose recipes on the left and measure them: every reviewed caption is drafted with each, "
    "judged, and compared with the baseline."
)
_NONE_REVIEWED = (
    "No caption of {name} is accepted or corrected yet: review some in the main window (Enter "
    "accepts, E corrects), or choose a file of references."
)
_STOPPED = (
    "The measurement stopped, as another dataset is open now; what was answered is kept, and it "
    "goes on when that dataset is measured again."
)
_SETUP_WIDTH = 54 * GRID


@dataclass(frozen=True)
class _Found:
    """What looking around found.

    Attributes:
        recipes: At hand.
        problems: Of recipe files, a sentence each.
        servers: That may be asked.
        references: How many there are and of what origin, empty if there are none.
        reason: Why nothing can be measured.
        episodes: The wanted ones, None for all that have a reference.
    """

    recipes: tuple[Recipe, ...]
    problems: tuple[str, ...]
    servers: tuple[ServerOffer, ...]
    references: str
    reason: str
    episodes: tuple[int, ...] | None


class CaptionEvaluationPage(QWidget):
    """Page of the curation window. Whoever makes it calls `close_page` before it goes.

    Signals:
        annotationActivated: Episode and subtask: open it in the main window.
    """

    annotationActivated = Signal(int, int)

    def __init__(self, results: Path | None, parent: QWidget | None = None) -> None:
        """Show that there is no dataset.

        Args:
            results: Folder of kept stage results, None keeps nothing.
            parent: Owner.
        """
        super().__init__(parent)
        self._results = results
        self._dataset: Path | None = None
        self._options: Mapping[str, Any] = {}
        self._found: _Found | None = None
        self._background = Background(self)
        self.estimating = CaptionEvaluationRun(self)
        self.measuring = CaptionEvaluationRun(self)
        self.setup = CaptionEvaluationSetup(self)
        self.result = CaptionEvaluation(self)
        self.result.hint.setText(_NOTHING_YET)
        self._stack = QStackedWidget(self)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        both = QWidget(self)
        row = QHBoxLayout(both)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        self.setup.setFixedWidth(_SETUP_WIDTH)
        row.addWidget(self.setup)
        row.addWidget(self.result, 1)
        self._stack.addWidget(EmptyHint(_NO_DATASET, self))
        self._stack.addWidget(both)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._stack)
        self.setFocusProxy(self.setup)

    def _connect(self) -> None:
        setup, result = self.setup, self.result
        setup.wishChanged.connect(self._look)
        setup.startRequested.connect(self._measure)
        setup.cancelRequested.connect(self.measuring.cancel)
        setup.fileWanted.connect(self._ask_references)
        self.estimating.answered.connect(self._show_estimate)
        self.estimating.progressed.connect(self._show_estimating)
        self.estimating.ended.connect(self._estimated)
        self.measuring.answered.connect(self._show_result)
        self.measuring.progressed.connect(setup.set_progress)
        self.measuring.ended.connect(self._measured)
        result.captionChosen.connect(self._open_caption)
        result.reportWanted.connect(lambda: self._ask_file("Write the report", "html"))
        result.dataWanted.connect(lambda: self._ask_file("Write the data", "json"))

    # -- what it is given --------------------------------------------------------------------

    def set_dataset(self, root: Path | None, options: Mapping[str, Any]) -> None:
        """Say what the window is about.

        Args:
            root: The dataset, None for none. Another one stops what runs.
            options: Stage name -> options instance; those of the captions decide nothing that the
                form decides.
        """
        same = root == self._dataset
        if same and dict(options) == dict(self._options):
            return
        self._dataset, self._options, self._found = root, dict(options), None
        if not same:
            self.setup.tell(_STOPPED if self.measuring.running else "", Status.WARNING)
            self.measuring.drop()
            self.setup.set_running(False)
            self.setup.set_file(None)
            self.result.set_evaluation(None)
        self._stack.setCurrentIndex(int(root is not None))
        if self.isVisible():
            self.look_again()

    def showEvent(self, event: QShowEvent) -> None:
        """People may have reviewed more captions, or written recipes."""
        super().showEvent(event)
        if not event.spontaneous():
            self.look_again()

    def look_again(self) -> None:
        """Count the references, read the recipes, estimate."""
        if not self.measuring.running:
            self._look(self.setup.wish)

    @property
    def idle(self) -> bool:
        """True if nothing is read, estimated or measured."""
        runs = self.estimating.running or self.measuring.running
        return self._background.idle and not runs

    def start(self) -> None:
        """What the button Measure does; nothing where it is off."""
        self.setup.start.click()

    def close_page(self) -> None:
        """Stop everything; what servers answered is kept."""
        self.estimating.close()
        self.measuring.close()
        self._background.close()

    # -- looking and estimating --------------------------------------------------------------

    def _look(self, wish: EvaluationWish) -> None:
        root = self._dataset
        self.estimating.drop()
        if root is None:
            return
        self.setup.set_estimate(None)

        def there(found: _Found | None, error: Exception | None) -> None:
            if root != self._dataset:
                return
            self._found = found
            if found is None:
                why = sentence(error) if error is not None else "nothing was found"
                self.setup.set_references("", _capital(why))
                return
            self.setup.set_recipes(found.recipes, found.problems)
            self.setup.set_servers(found.servers)
            self.setup.set_references(found.references, found.reason)
            # by now a server is chosen, if none was before
            self._estimate(self.setup.wish, found)

        self._background.run("look", lambda: _look_around(root, wish), there)

    def _estimate(self, wish: EvaluationWish, found: _Found) -> None:
        if self.setup.problem or self.measuring.running:
            return
        request = self._request(wish, found)
        if not self.setup.asks_server:
            self._estimate_offline(wish, request)
            return
        # lazy: nothing is estimated before the page is looked at
        from app.caption_evaluation_process import EvaluationTask

        # Pictures are made to count what they take: out of this process.
        self.estimating.start(EvaluationTask(request, self._results, estimate=True))

    def _estimate_offline(self, wish: EvaluationWish, request: EvaluationRequest) -> None:
        """Nothing is sent: this only counts, and a thread does."""
        results = self._results

        def work() -> EvaluationOutlook:
            from pipeline.captioning.evaluate import evaluation_outlook

            return evaluation_outlook(request, results=results)

        def there(outlook: EvaluationOutlook | None, error: Exception | None) -> None:
            if wish == self.setup.wish:
                why = "" if error is None else _capital(sentence(error))
                self.setup.set_estimate(outlook, why)

        self._background.run("estimate", work, there)

    def _show_estimate(self, outlook: EvaluationOutlook) -> None:
        self.setup.set_estimate(outlook)

    def _show_estimating(self, share: float, _what: str) -> None:
        self.setup.set_estimate(None, f"Estimating … {share:.0%}")

    def _estimated(self, why: str, _cancelled: bool) -> None:
        if why:
            self.setup.set_estimate(None, _capital(why))

    def _request(self, wish: EvaluationWish, found: _Found) -> EvaluationRequest:
        # lazy: whoever has options has loaded it
        from pipeline.engine.options_file import values_of

        assert self._dataset is not None  # noqa: S101 - asked for only while there is one
        return EvaluationRequest(
            dataset=self._dataset,
            recipes=wish.recipes,
            references=wish.references,
            episodes=found.episodes,
            backend=wish.backend,
            model=wish.model,
            base_url=wish.base_url,
            judge=wish.judge,
            judge_model=wish.judge_model,
            judge_base_url=wish.judge_base_url,
            options=values_of(self._options) or None,
        )

    # -- measuring ---------------------------------------------------------------------------

    def _measure(self, wish: EvaluationWish) -> None:
        found = self._found
        if found is None or self.setup.problem or self.measuring.running:
            return
        # lazy: as above
        from app.caption_evaluation_process import EvaluationTask

        self.estimating.drop()
        self.setup.set_running(True)
        self.measuring.start(EvaluationTask(self._request(wish, found), self._results))

    def _show_result(self, evaluation: RecipeEvaluation) -> None:
        self.result.set_evaluation(evaluation)
        self.setup.tell(f"Measured: {evaluation.spent}.", Status.OK)

    def _measured(self, why: str, cancelled: bool) -> None:
        self.setup.set_running(False)
        if cancelled:
            text = "Cancelled: what was answered is kept; Measure goes on from there."
            self.setup.tell(text, Status.WARNING)
        elif why:
            self.setup.tell(f"{_capital(why).rstrip('.')}.", Status.ERROR)
        self.look_again()  # what is left to do, now that there are kept answers

    def _open_caption(self, row: JudgedCaption) -> None:
        self.annotationActivated.emit(row.episode, row.subtask)

    # -- files -------------------------------------------------------------------------------

    def _ask_references(self) -> None:
        dialog = QFileDialog(self, "References: right captions")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter("Captions (*.jsonl)")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.take_references(Path(name)))
        dialog.open()

    def take_references(self, path: Path | None) -> None:
        """Measure on the captions of a file; None: on the reviews of the dataset."""
        self.setup.set_file(path)
        self.look_again()

    def _ask_file(self, title: str, suffix: str) -> None:
        evaluation = self.result.evaluation
        if evaluation is None:
            return
        dialog = QFileDialog(self, title)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter("One page (*.html)" if suffix == "html" else "JSON (*.json)")
        dialog.setDefaultSuffix(suffix)
        dialog.setDirectory(str(evaluation.request.dataset.parent))
        dialog.selectFile(f"{evaluation.dataset} caption recipes.{suffix}")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.write(Path(name)))
        dialog.open()

    def write(self, path: Path) -> None:
        """Write the result, beside the GUI thread: JSON where the name says so, else the page."""
        evaluation = self.result.evaluation
        if evaluation is None:
            return

        def work() -> None:
            # lazy: the report and its pictures
            from pipeline.captioning.evaluate import evaluation_json, write_report

            if path.suffix.lower() == ".json":
                import json

                text = json.dumps(evaluation_json(evaluation), ensure_ascii=False, indent=1)
                path.write_text(text + "\n", "utf-8")
            else:
                write_report(evaluation, path)

        def written(_: None, error: Exception | None) -> None:
            if error is None:
                self.setup.tell(f"Written: {path}", Status.OK)
            else:
                self.setup.tell(f"{path.name} is not written: {sentence(error)}", Status.ERROR)

        self._background.run("write", work, written)


def _look_around(root: Path, wish: EvaluationWish) -> _Found:
    """Recipes, servers and references; all look at the disk.

    Raises:
        DataError: The dataset cannot be read.
    """
    # lazy: a thread of its own loads what the window does not need
    from app.arguments import parse_episodes
    from pipeline.backends.captioning.recipes import load_recipes
    from pipeline.captioning.references import read_references, stored_references
    from pipeline.sources.detect import open_dataset

    book, servers = load_recipes(), _servers()
    problems = tuple(p.message for p in book.problems)
    info = open_dataset(root).info
    text, reason, episodes = "", "", None
    try:
        if wish.episodes:
            known = [e.index for e in info.episodes]
            episodes = tuple(parse_episodes(wish.episodes, known))
        file = wish.references
        references = read_references(file) if file is not None else stored_references(root)
        chosen = references.of(episodes)
        count = len(chosen.captions)
        text = f"{count:,} caption{'' if count == 1 else 's'}; {chosen.origin}"
        if not references.captions:
            left_out = " ".join(references.notes)
            reason = f"{_NONE_REVIEWED.format(name=info.name)} {left_out}".strip()
        elif not count:
            reason = f"Episodes {wish.episodes} have no caption with a reference: leave the field "
            reason += "empty for all that have one."
    except (DataError, ValueError) as error:
        reason = _capital(sentence(error).replace("--episodes: ", "Episodes: "))
    return _Found(book.recipes, problems, servers, text, reason, episodes)


def _servers() -> tuple[ServerOffer, ...]:
    from pipeline.backends.captioning.captioner import CAPTIONERS, CaptionSettings, captioner
    from pipeline.backends.language.openai_server import OpenAIServer

    offers = []
    for name in CAPTIONERS:
        asked = captioner(name)
        needs = name == OpenAIServer.name and not OpenAIServer().own_address()
        model = asked.model(CaptionSettings())
        offers.append(ServerOffer(name, asked.title, asked.available() or "", needs, model))
    return tuple(offers)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
