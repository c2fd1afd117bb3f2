"""The window for training samples: counts from the reviews, export by our own command line."""

from __future__ import annotations

import logging
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QProcess, QTimer
from PySide6.QtWidgets import QDialog, QFileDialog, QVBoxLayout, QWidget

from app.session_control import SessionControl
from pipeline.document import Changes, Part
from widgets.training_samples import PersonRow, SampleChoice, TrainingSamples

if TYPE_CHECKING:
    from pipeline.review.caption_story import CaptionStory
    from pipeline.review.people import PersonFigures

log = logging.getLogger(__name__)

_COUNT_AFTER_MS = 100
"""Typing is not counted letter by letter."""
_NO_DATASET = "Open a dataset first."
_NOTHING = "Nobody has judged a caption of this dataset yet: accept, correct or criticise some."


class TrainingSamplesDialog(QDialog):
    """Not modal; follows the open dataset. The export runs in a process of its own."""

    def __init__(self, control: SessionControl, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Training samples and people")
        self._control = control
        self._stories: tuple[CaptionStory, ...] = ()
        self._process: QProcess | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._cancelled = False
        self.view = TrainingSamples(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self.resize(760, 560)
        self._later = QTimer(self, singleShot=True, interval=_COUNT_AFTER_MS)
        self._later.timeout.connect(self._count)
        self.view.choiceChanged.connect(lambda _choice: self._later.start())
        self.view.exportAsked.connect(self._ask)
        self.view.cancelAsked.connect(self.cancel)
        control.bridge.changed.connect(self._on_changes)
        self.view.set_running(False)
        self.read()

    @property
    def is_running(self) -> bool:
        """True while an export is under way."""
        return self._process is not None

    def read(self) -> None:
        """Read the reviews again, beside the GUI thread."""
        store = self._control.commands.store
        if store is None:
            self._took((), ())
            return

        def work() -> tuple[tuple[CaptionStory, ...], tuple[PersonFigures, ...]]:
            # lazy: nobody may ever want it
            from pipeline.review.caption_story import stories
            from pipeline.review.people import figures_of_people

            told = stories(store.events())
            return told, figures_of_people(told)

        def then(found: object, error: Exception | None) -> None:
            if isinstance(found, tuple):
                self._took(*found)
            else:
                self.view.set_message(f"The reviews cannot be read: {error}")

        self._control.background.run("training samples", work, then)

    def export(self, choice: SampleChoice, path: Path) -> None:
        """Write the chosen samples; a file that is there is replaced.

        Args:
            choice: What.
            path: Where.
        """
        dataset = self._control.document.session.dataset
        if dataset is None or self._process is not None:
            return
        # lazy: YAML and JSON of options
        from pipeline.engine.options_file import write_options

        self._folder = tempfile.TemporaryDirectory(prefix="demoscope-")
        options = Path(self._folder.name) / "options.json"
        write_options(options, self._control.document.session.options)
        process = self._process = QProcess(self)
        process.finished.connect(lambda code, _status: self._finished(code, path))
        process.errorOccurred.connect(self._failed)
        self._cancelled = False
        self.view.set_running(True)
        self.view.set_message(f"Writing {path.name} …")
        process.start(
            sys.executable, ["-m", "app.main", *words(choice, dataset.path, options, path)]
        )

    def cancel(self) -> None:
        """End the export in progress; no file is written, one that was there stays."""
        if self._process is not None:
            self._cancelled = True
            self._process.kill()

    def shut_down(self) -> None:
        """As `cancel`, when the window closes; waits for the process."""
        self._later.stop()
        process = self._process
        if process is not None:
            self.cancel()
            process.waitForFinished(1000)

    def _ask(self, choice: SampleChoice) -> None:
        dataset = self._control.document.session.dataset
        if dataset is None:
            return
        name = f"{Path(dataset.path).name}-{choice.form}.jsonl"
        title, kinds = "Export training samples", "JSON Lines (*.jsonl)"
        path, _ = QFileDialog.getSaveFileName(self, title, name, kinds)
        if path:
            self.export(choice, Path(path))

    def _finished(self, code: int, path: Path) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        said = bytes(process.readAllStandardError().data()).decode("utf-8", "replace")
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        last = lines[-1].removeprefix("demoscope: ") if lines else ""
        process.deleteLater()
        self._release()
        if self._cancelled:
            self.view.set_message("Cancelled: nothing was written.")
        elif code == 0:
            self.view.set_message(f"{path.name}: {last}")
        else:
            self.view.set_message(last or f"The export ended with code {code}.")

    def _failed(self, error: QProcess.ProcessError) -> None:
        process = self._process
        if error is QProcess.ProcessError.FailedToStart and process is not None:
            self._process = None
            self.view.set_message(f"The export cannot be started: {process.errorString()}.")
            process.deleteLater()
            self._release()

    def _release(self) -> None:
        self.view.set_running(False)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _on_changes(self, changes: Changes) -> None:
        if self.isVisible() and changes.parts & (Part.DATASET | Part.EDITS):
            self.read()

    def _took(self, told: tuple[CaptionStory, ...], people: tuple[PersonFigures, ...]) -> None:
        self._stories = told
        self.view.set_people([_row(p) for p in people], [p.who for p in people if p.judged])
        self._count()

    def _count(self) -> None:
        """How many samples the choice is, as far as the reviews alone tell."""
        if self._control.document.session.dataset is None:
            self.view.set_counts(_NO_DATASET, _NO_DATASET)
            return
        if not self._stories:
            self.view.set_counts(_NOTHING, _NOTHING)
            return
        number = count(self._stories, self.view.choice)
        noun = "sample" if number == 1 else "samples"
        text = f"{number:,} {noun} of {len(self._stories):,} captions"
        if self.view.choice.least_score is not None:
            text += ", less those with a lower R, which is looked up while exporting"
        self.view.set_counts(text, "" if number else "No caption fits the choice")


def count(stories: tuple[CaptionStory, ...], choice: SampleChoice) -> int:
    """Samples of a choice, whatever their R."""
    from pipeline.export.caption_samples import Clip, Filters, samples

    clips = {
        (s.episode, s.subtask): Clip("", s.episode, s.subtask, "", (), 0, 1, 1.0, "")
        for s in stories
    }
    filters = Filters(
        accepted_only=not choice.everything,
        agreed_only=choice.agreed,
        people=(choice.person,) if choice.person else (),
        since=date.fromisoformat(choice.since) if choice.since else None,
        until=date.fromisoformat(choice.until) if choice.until else None,
        recipes=(choice.recipe,) if choice.recipe else (),
    )
    return sum(1 for _ in samples(stories, clips, choice.form, filters))


def words(choice: SampleChoice, dataset: str, options: Path, out: Path) -> list[str]:
    """The choice as arguments of `demoscope`."""
    found = ["captions", "export", f"--format={choice.form}", f"--options={options}"]
    found += [f"--out={out}", "--force"]
    if choice.everything:
        found.append("--all")
    if choice.agreed:
        found.append("--agreed")
    if choice.least_score is not None:
        found.append(f"--min-score={choice.least_score}")
    for name, value in (
        ("person", choice.person),
        ("since", choice.since),
        ("until", choice.until),
        ("recipe", choice.recipe),
    ):
        if value:
            found.append(f"--{name}={value}")
    return [*found, "--", dataset]


def _row(person: PersonFigures) -> PersonRow:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    return PersonRow(
        (
            person.who,
            str(person.judged),
            str(person.reviewed),
            share(person.accuracy),
            share(person.flags.precision),
            share(person.flags.recall),
            str(person.reviews),
            share(person.catches.precision),
            share(person.catches.recall),
        )
    )
