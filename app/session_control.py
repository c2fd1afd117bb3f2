"""What the user asks for, done on document, store and worker. Knows no widgets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.arguments import named_episode
from app.background import Background, sentence
from app.document_bridge import DocumentBridge
from app.frame_loader import FrameLoader
from app.health_scan import HealthMonitor
from app.jobs import Jobs
from app.play_control import PlayControl
from app.rrd_source import is_export, open_export, read_only_reason, recorded_session
from app.settings import Paths, picture_bytes
from pipeline.annotate import standard_graph
from pipeline.commands import CommandResult, Commands
from pipeline.document import Changes, Document, Part, StageFailure
from pipeline.engine import messages as say
from pipeline.engine.cache import StageOutcome
from pipeline.evaluation.ground_truth import TrueSubtask, read_ground_truth
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.edits import Edit
from pipeline.model.episodes import first_present, present_count
from pipeline.model.problem import DataError
from pipeline.review.store import ReviewStore

log = logging.getLogger(__name__)

_EXAMINE_AFTER_MS = 1500
"""The examination of the dataset starts when its first episode is on show."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """A dataset, opened in the background.

    Attributes:
        source: The dataset.
        store: What people said about it, None if that cannot be saved.
        warning: Why not, or empty.
        truth: Ground truth, if there is any.
        present: Number of episodes on disk.
        episode: The one to open, None if there is none.
    """

    source: DatasetSource
    store: ReviewStore | None
    warning: str
    truth: tuple[TrueSubtask, ...]
    present: int
    episode: int | None


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
        self.loader = FrameLoader(self, cache_bytes=picture_bytes(folders.settings))
        self.background = Background(self)
        self.health = HealthMonitor(folders.cache / "health", self)
        # First the episode that is looked at, then everything else.
        self._examine = QTimer(self)
        self._examine.setSingleShot(True)
        self._examine.setInterval(_EXAMINE_AFTER_MS)
        self._examine.timeout.connect(self._start_health)
        # After the next caption was painted.
        self._run_soon = QTimer(self)
        self._run_soon.setSingleShot(True)
        self._run_soon.setInterval(0)
        self._run_soon.timeout.connect(self.run)
        self.player = PlayControl(self.document, self)
        self.playback = self.player.playback
        self.source: DatasetSource | None = None
        self.truth: tuple[TrueSubtask, ...] = ()
        self.present_episodes = 0
        self.auto_run = True
        self._run_pending = False
        self._all_cameras = False
        self._stop_download = threading.Event()
        self._reviewer = ""
        self.bridge.changed.connect(self._on_changes)
        self.jobs.told.connect(self._on_event)
        self.player.said.connect(self.said)

    # -- opening ---------------------------------------------------------------------------

    def open_dataset(self, path: str, episode: int | None = None) -> None:
        """Open a dataset in the background, then an episode of it."""
        self.said.emit(f"Opening {path} …")
        self._stop_download.set()
        stop = self._stop_download = threading.Event()
        who = self._reviewer or None

        def work() -> _Opened:
            # Here and not above: the window need not wait for them, and imports beside the GUI
            # thread keep its slots short (health is used a little later).
            import pipeline.health.scan  # noqa: F401
            from pipeline.sources.hub.dataset import open_anything

            if is_export(path):
                return _opened_export(path, episode)
            source = open_anything(path, self._tell_download, stop.is_set)
            info = source.info
            # Counted here: some formats look into every episode for it.
            present = present_count(info.episodes)
            store, warning = None, ""
            try:
                store = ReviewStore.open(info.path, who=who)
            except DataError as error:
                warning = f"Corrections cannot be saved: {error}"
            wanted = named_episode(path) if episode is None else episode
            wanted = first_present(info.episodes) if wanted is None else wanted
            return _Opened(source, store, warning, read_ground_truth(info.path), present, wanted)

        self.background.run("dataset", work, self._dataset_there)

    def _dataset_there(self, opened: _Opened | None, error: Exception | None) -> None:
        if error is not None or opened is None:
            self.failed.emit(sentence(error) if error else "the dataset could not be opened", "")
            return
        self.health.stop()
        self.jobs.abandon()
        self.player.stop()
        if self.commands.store is not None:
            self.commands.store.close()
        self.source, store, self.truth = opened.source, opened.store, opened.truth
        self.present_episodes = opened.present
        self.commands.attach(store)
        info = self.source.info
        self.document.open_dataset(info, "open", read_only=read_only_reason(self.source))
        self.datasetOpened.emit()
        if not self.document.session.read_only:  # An export is no dataset that can be examined.
            self._examine.start()
        if opened.warning:
            self.failed.emit(opened.warning, "")
        elif store is not None:
            for problem in store.problems:
                self.failed.emit(problem.message, "")
            if store.reason:
                self.said.emit(store.reason)
        if opened.episode is None:
            self.failed.emit(
                f"{info.name}: none of its {len(info.episodes)} episodes is on disk", ""
            )
            return
        self.open_episode(opened.episode)

    def _tell_download(self, _share: float, what: str) -> None:
        """Say how far a download is; called from its threads."""
        self.said.emit(what)

    def _start_health(self) -> None:
        store = self.commands.store
        if store is not None:
            # What the first correction needs, so that it does not wait for libraries.
            self.background.run("reviews", store.prepare, lambda _result, _error: None)
        dataset, demonstration = self.document.session.dataset, self.document.session.demonstration
        if dataset is not None and self.present_episodes:
            self.health.start(dataset, (demonstration.ref.episode,) if demonstration else ())

    def open_episode(self, episode: int) -> None:
        """Open an episode in the background and, if wanted, run the pipeline on it."""
        source = self.source
        if source is None:
            return
        self.player.stop()
        self._stop_download.clear()
        self.background.run(
            "episode", lambda: source.open(episode), lambda r, e: self._episode_there(r, e)
        )

    def _episode_there(self, demonstration: Demonstration | None, error: Exception | None) -> None:
        if error is not None or demonstration is None or self.source is None:
            self.failed.emit(sentence(error) if error else "the episode could not be opened", "")
            return
        recorded = recorded_session(self.source)
        self._begin_episode(demonstration, recorded.edits if recorded is not None else None)
        if recorded is not None:
            self.document.show_recorded(
                recorded.options, recorded.outcomes, recorded.subtask, "open"
            )
            self.jobEnded.emit("done")
            self.said.emit(f"Shown as it was recorded: {self.document.session.read_only}")
        elif self.auto_run:
            self.run()

    def show_prepared(
        self, demonstration: Demonstration, outcomes: Iterable[StageOutcome], subtask: int
    ) -> None:
        """Show an episode that was opened beforehand, with what is known of it, at once.

        Args:
            demonstration: The episode.
            outcomes: Results computed before; the others follow from the worker.
            subtask: To select.
        """
        self.player.stop()
        self._begin_episode(demonstration, None, tuple(outcomes), subtask)
        if self.auto_run:
            self._run_soon.start()

    def _begin_episode(
        self,
        demonstration: Demonstration,
        edits: tuple[Edit, ...] | None = None,
        outcomes: tuple[StageOutcome, ...] = (),
        subtask: int = 0,
    ) -> None:
        """Show an episode; its edits are those of the store unless given."""
        self.jobs.abandon()
        self._run_soon.stop()
        if edits is None:
            try:
                edits = self.commands.edits_of(demonstration.ref.episode)
            except DataError as problem:
                edits = ()
                self.failed.emit(f"Corrections could not be read: {problem}", "")
        self.player.begin_episode()
        if self.source is not None:
            self.loader.open(self.source, demonstration)
        self.document.open_episode(demonstration, edits, "open", outcomes=outcomes, subtask=subtask)
        self.episodeOpened.emit()

    def set_reviewer(self, name: str) -> None:
        """Save decisions under a name; empty: that of the account. Opens the dataset again."""
        if name == self._reviewer:
            return
        self._reviewer = name
        session = self.document.session
        if session.dataset is not None and not session.read_only:
            demonstration = session.demonstration
            episode = demonstration.ref.episode if demonstration is not None else None
            self.open_dataset(str(session.dataset.path), episode)

    # -- running ---------------------------------------------------------------------------

    def run(
        self,
        up_to: str | None = None,
        fresh: tuple[str, ...] = (),
        subtask: int | None = None,
    ) -> None:
        """Compute what is stale, and `fresh` stages in any case.

        Args:
            up_to: Last stage wanted, None for all.
            fresh: Stages to compute even if results exist.
            subtask: Only this one, None for all.
        """
        plan = self.document.plan()
        if plan is None or self._is_refused():
            return
        if not plan.demonstration.cameras:
            self.failed.emit("no camera of this episode can be read, so nothing can be run", "")
            return
        self.document.begin_run()
        known = tuple(o.key for o in self.document.session.results.values())
        self.jobs.run(plan, up_to=up_to, subtask=subtask, fresh=fresh, known=known)

    def run_from(self, stage: str) -> None:
        """Compute a stage and all that read it again, even if results exist."""
        self.run(fresh=self.document.graph.downstream(stage))

    def cancel(self) -> None:
        """Stop the job or the download in progress."""
        self._stop_download.set()
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

    def decide(self, edit: Edit, *, run: bool = True) -> bool:
        """Put a correction in force, save it, and run what it enters.

        Args:
            edit: The correction.
            run: False if the caller runs later.

        Returns:
            Whether it is in force.
        """
        if self._is_refused():
            return False
        had_results = bool(self.document.session.results)
        result = self.commands.do(edit)
        self.said.emit(result.warning or f"Saved: {result.title}")
        if result.warning:
            self.failed.emit(f"“{result.title}” is {result.warning}", "")
        if had_results and run:
            self.run()
        return True

    def save(self, edit: Edit) -> bool:
        """Save a correction without showing or running anything of it: the next caption is first.

        `show_prepared` leaves the episode then, or `show_saved` puts it in force.

        Returns:
            False if it could not be saved; nothing has happened then.
        """
        return not self.document.session.read_only and self.commands.save(edit)

    def show_saved(self, episode: int, subtask: int) -> None:
        """Put in force what `save` saved of the open episode, and select a subtask.

        Args:
            episode: The open one.
            subtask: To select; the caller runs.
        """
        self.document.set_edits(self.commands.edits_of(episode), "review", subtask=subtask)

    def undo(self, *, back: bool = True) -> CommandResult | None:
        """Take the newest correction back, or put the last undone one in force again.

        Returns:
            What was done, None if there was nothing or it failed.
        """
        try:
            result = self.commands.undo() if back else self.commands.redo()
        except DataError as error:
            self.failed.emit(str(error), "")
            return None
        if result is None:
            self.said.emit("Nothing to undo" if back else "Nothing to redo")
            return None
        self.said.emit(result.title[:1].upper() + result.title[1:])
        if self.document.session.results:
            self.run()
        return result

    def set_options(self, stage: str, options: Any) -> None:
        """Change options; what follows turns stale and waits for Run."""
        if self._is_refused():
            return
        self.document.set_options(stage, options, "options")

    def _is_refused(self) -> bool:
        """Whether nothing may be changed; the user is told why, and views show what is again."""
        reason = self.document.session.read_only
        if not reason:
            return False
        self.failed.emit(f"{reason[:1].upper()}{reason[1:]}.", "")
        self.document.say_again("refused")
        return True

    # -- the cursor ------------------------------------------------------------------------

    @property
    def all_cameras(self) -> bool:
        """True if every camera's picture is wanted, not only that of the chosen one."""
        return self._all_cameras

    def set_all_cameras(self, on: bool) -> None:
        """Fetch the pictures of all cameras, or of the chosen one only."""
        if on != self._all_cameras:
            self._all_cameras = on
            self._request_frames()

    def seek(self, frame: int, initiator: str = "") -> None:
        """Move the cursor; playing stops."""
        self.player.stop()
        self.document.set_frame(frame, initiator)

    def _on_changes(self, changes: Changes) -> None:
        if changes.parts & (Part.FRAME | Part.CAMERA | Part.EPISODE):
            self._request_frames()

    def _request_frames(self) -> None:
        session = self.document.session
        demonstration = session.demonstration
        if demonstration is None or not session.camera:
            return
        cameras: tuple[str, ...] = (session.camera,)
        if self._all_cameras:
            cameras += tuple(c.key for c in demonstration.cameras if c.key != session.camera)
        self.loader.request(cameras, session.frame)

    def close(self) -> None:
        """Stop everything that runs."""
        self._stop_download.set()
        self._examine.stop()
        self._run_soon.stop()
        self.player.stop()
        self.health.close()
        self.background.close()
        self.loader.close()
        self.jobs.close()
        if self.commands.store is not None:
            self.commands.store.close()


def _opened_export(path: str, episode: int | None) -> _Opened:
    """Open a recording that Demoscope exported; nothing is written beside it."""
    source = open_export(path)
    known = source.recorded.demonstration.ref.episode
    return _Opened(source, None, "", (), 1, known if episode is None else episode)
