"""What the user asks for, done on document, store and worker. Knows no widgets."""

from __future__ import annotations

import logging
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.background import Background, sentence
from app.document_bridge import DocumentBridge
from app.frame_loader import FrameLoader
from app.jobs import Jobs
from app.playback import Playback
from app.settings import Paths
from pipeline.annotate import standard_graph
from pipeline.commands import Commands
from pipeline.document import Changes, Document, Part, StageFailure
from pipeline.engine import messages as say
from pipeline.evaluation.ground_truth import TrueSubtask, read_ground_truth
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.edits import Edit
from pipeline.model.problem import DataError
from pipeline.review.store import ReviewStore
from pipeline.sources.detect import open_dataset

log = logging.getLogger(__name__)


class SessionControl(QObject):
    """The one place that wires document, commands, worker, decoder and playback.

    Signals:
        said: One line for the status bar.
        failed: One sentence that stays until read, and details (may be empty).
        progressed: Stage name, share 0..1, what.
        datasetOpened: The dataset is there.
        episodeOpened: The episode is there.
        jobEnded: `done`, `cancelled`, `failed` or `died`.
    """

    said = Signal(str)
    failed = Signal(str, str)
    progressed = Signal(str, float, str)
    datasetOpened = Signal()
    episodeOpened = Signal()
    jobEnded = Signal(str)

    def __init__(self, folders: Paths, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.paths = folders
        self.document = Document(standard_graph())
        self.bridge = DocumentBridge(self.document, self)
        self.commands = Commands(self.document)
        self.jobs = Jobs(folders.results, self)
        self.loader = FrameLoader(self)
        self.background = Background(self)
        self.playback = Playback(self)
        self.source: DatasetSource | None = None
        self.truth: tuple[TrueSubtask, ...] = ()
        self.auto_run = True
        self._run_pending = False
        self.bridge.changed.connect(self._on_changes)
        self.jobs.told.connect(self._on_event)
        self.playback.frameDue.connect(self._on_frame_due)
        self.playback.finished.connect(lambda: self.document.set_playing(False, "playback"))

    # -- opening ---------------------------------------------------------------------------

    def open_dataset(self, path: str, episode: int | None = None) -> None:
        """Open a dataset in the background, then an episode of it."""
        self.said.emit(f"Opening {path} …")

        def work() -> tuple[DatasetSource, ReviewStore | None, str, tuple[TrueSubtask, ...]]:
            source = open_dataset(path)
            info = source.info
            store, warning = None, ""
            try:
                store = ReviewStore.open(info.path)
            except DataError as error:
                warning = f"Corrections cannot be saved: {error}"
            return source, store, warning, read_ground_truth(info.path)

        self.background.run("dataset", work, lambda r, e: self._dataset_there(r, e, episode))

    def _dataset_there(self, result: Any, error: Exception | None, episode: int | None) -> None:
        if error is not None:
            self.failed.emit(sentence(error), "")
            return
        self.jobs.abandon()
        self.playback.stop()
        if self.commands.store is not None:
            self.commands.store.close()
        self.source, store, warning, self.truth = result
        assert self.source is not None  # noqa: S101 - result of `work`
        self.commands.attach(store)
        info = self.source.info
        self.document.open_dataset(info, "open")
        self.datasetOpened.emit()
        if warning:
            self.failed.emit(warning, "")
        elif store is not None:
            for problem in store.problems:
                self.failed.emit(problem.message, "")
            if store.reason:
                self.said.emit(store.reason)
        present = [e.index for e in info.episodes if e.present]
        if episode is None and not present:
            self.failed.emit(
                f"{info.name}: none of its {len(info.episodes)} episodes is on disk", ""
            )
            return
        self.open_episode(episode if episode is not None else present[0])

    def open_episode(self, episode: int) -> None:
        """Open an episode in the background and, if wanted, run the pipeline on it."""
        source = self.source
        if source is None:
            return
        self.playback.stop()
        self.background.run(
            "episode", lambda: source.open(episode), lambda r, e: self._episode_there(r, e)
        )

    def _episode_there(self, demonstration: Demonstration | None, error: Exception | None) -> None:
        if error is not None or demonstration is None or self.source is None:
            self.failed.emit(sentence(error) if error else "the episode could not be opened", "")
            return
        self.jobs.abandon()
        try:
            edits = self.commands.edits_of(demonstration.ref.episode)
        except DataError as problem:
            edits = ()
            self.failed.emit(f"Corrections could not be read: {problem}", "")
        self.loader.open(self.source, demonstration)
        self.document.open_episode(demonstration, edits, "open")
        self.episodeOpened.emit()
        if self.auto_run:
            self.run()

    # -- running ---------------------------------------------------------------------------

    def run(self, up_to: str | None = None, fresh: tuple[str, ...] = ()) -> None:
        """Compute what is stale (up to a stage), and `fresh` stages in any case."""
        plan = self.document.plan()
        if plan is None:
            return
        if not plan.demonstration.cameras:
            self.failed.emit("no camera of this episode can be read, so nothing can be run", "")
            return
        self.document.begin_run()
        known = tuple(o.key for o in self.document.session.results.values())
        self.jobs.run(plan, up_to=up_to, fresh=fresh, known=known)

    def run_from(self, stage: str) -> None:
        """Compute a stage and all that read it again, even if results exist."""
        self.run(fresh=self.document.graph.downstream(stage))

    def cancel(self) -> None:
        """Stop the job in progress."""
        self.jobs.cancel()

    def _on_event(self, event: say.Event) -> None:
        match event:
            case say.Started():
                self.document.set_running((event.stage, event.subtask))
            case say.Progress():
                self.progressed.emit(event.stage, event.share, event.what)
            case say.Delivered():
                self.document.put_result(event.outcome)
                for problem in event.outcome.problems:
                    self.said.emit(problem.message)
            case say.Failed():
                failure = StageFailure(event.code, event.message, event.details)
                self.document.put_failure((event.stage, event.subtask), failure)
                self.failed.emit(event.message, event.details)
                self.jobEnded.emit("failed")
            case say.Cancelled():
                self.document.set_running(None)
                self.said.emit("Cancelled; finished stages are kept")
                self.jobEnded.emit("cancelled")
            case say.Died():
                running = self.document.session.running
                if running is not None:
                    self.document.put_failure(running, StageFailure("worker_died", event.message))
                if event.job is not None:
                    self.failed.emit(event.message, "")
                    self.jobEnded.emit("died")
            case say.Done():
                self.document.set_running(None)
                self.said.emit(f"All stages are fresh ({event.seconds:.1f} s)")
                self.jobEnded.emit("done")

    # -- deciding --------------------------------------------------------------------------

    def decide(self, edit: Edit) -> None:
        """Put a correction in force, save it, and run what it enters."""
        had_results = bool(self.document.session.results)
        result = self.commands.do(edit)
        self.said.emit(result.warning or f"Saved: {result.title}")
        if result.warning:
            self.failed.emit(f"“{result.title}” is {result.warning}", "")
        if had_results:
            self.run()

    def undo(self, *, back: bool = True) -> None:
        """Take the newest correction back, or put the last undone one in force again."""
        try:
            result = self.commands.undo() if back else self.commands.redo()
        except DataError as error:
            self.failed.emit(str(error), "")
            return
        if result is None:
            self.said.emit("Nothing to undo" if back else "Nothing to redo")
            return
        self.said.emit(result.title[:1].upper() + result.title[1:])
        if self.document.session.results:
            self.run()

    def set_options(self, stage: str, options: Any) -> None:
        """Change options; what follows turns stale and waits for Run."""
        self.document.set_options(stage, options, "options")

    # -- the cursor ------------------------------------------------------------------------

    def toggle_play(self) -> None:
        """Play or pause."""
        session = self.document.session
        if session.demonstration is None:
            return
        if self.playback.playing:
            self.playback.stop()
            self.document.set_playing(False, "playback")
        else:
            span = (0, session.demonstration.length)
            self.playback.play(session.frame, session.demonstration.fps, span, loop=False)
            self.document.set_playing(True, "playback")

    def seek(self, frame: int, initiator: str = "") -> None:
        """Move the cursor; playing stops."""
        if self.playback.playing:
            self.playback.stop()
            self.document.set_playing(False, "playback")
        self.document.set_frame(frame, initiator)

    def _on_frame_due(self, frame: int) -> None:
        self.document.set_frame(frame, "playback")

    def _on_changes(self, changes: Changes) -> None:
        session = self.document.session
        if changes.parts & (Part.FRAME | Part.CAMERA | Part.EPISODE) and session.camera:
            self.loader.request(session.camera, session.frame)

    def close(self) -> None:
        """Stop everything that runs."""
        self.playback.stop()
        self.background.close()
        self.loader.close()
        self.jobs.close()
        if self.commands.store is not None:
            self.commands.store.close()
