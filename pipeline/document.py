"""What is open, selected and decided: the immutable session value and the document around it.

Qt-free. Every mutation returns one `Changes` record that says what changed and who began it;
`app/document_bridge.py` turns it into a Qt signal, and views refresh only what they show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Flag, auto
from types import MappingProxyType
from typing import Any

from pipeline.engine.cache import StageOutcome
from pipeline.engine.graph import Graph, NodeId, Plan
from pipeline.engine.kept_run import KeptRun
from pipeline.model.candidate import TracksResult
from pipeline.model.demonstration import DatasetInfo, Demonstration
from pipeline.model.edits import EPISODE_SCOPE, Edit
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.stages.stage import Scope


class Part(Flag):
    """Parts of the session that views show."""

    NONE = 0
    DATASET = auto()
    EPISODE = auto()
    FRAME = auto()
    CAMERA = auto()
    SUBTASK = auto()
    CANDIDATE = auto()
    RESULTS = auto()
    OPTIONS = auto()
    EDITS = auto()
    STAGES = auto()
    PLAYING = auto()
    COMPARISON = auto()
    POINT = auto()


@dataclass(frozen=True, slots=True)
class Changes:
    """What a mutation changed.

    Attributes:
        parts: Parts that differ.
        initiator: Who asked (a view's name), so that it need not refresh itself.
        revision: Rises with every mutation.
        stage: Stage of a new result, if there is one.
    """

    parts: Part
    initiator: str
    revision: int
    stage: str = ""


@dataclass(frozen=True, slots=True)
class StageFailure:
    """A stage that could not be computed.

    Attributes:
        code: Problem code.
        message: One sentence.
        details: Traceback or empty.
    """

    code: str
    message: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """The whole state, immutable.

    Attributes:
        dataset: The open dataset, or None.
        demonstration: The open episode, or None.
        frame: Cursor, episode frame.
        camera: Camera key on show.
        subtask: Selected subtask.
        candidate: Selected candidate, -1 for none.
        point: Selected point (column of `TracksResult.points`), -1 for none; always one of the
            selected candidate's.
        options: Stage name -> options instance.
        edits: Edits in force for this episode.
        results: (stage, subtask) -> newest outcome, fresh or stale.
        failures: (stage, subtask) -> why it failed.
        running: Node in progress, or None.
        playing: True while the cursor moves by itself.
        before: The run to compare with, or None: the one before the last that changed something,
            or the one a person pinned.
        comparing: True while both runs are shown.
        origins: (stage, subtask) -> keys of the results it was made of, by stage.
        read_only: Why nothing can be corrected or run, one sentence; empty if all can. Results are
            then shown as they were recorded, and count as fresh.
    """

    dataset: DatasetInfo | None = None
    demonstration: Demonstration | None = None
    frame: int = 0
    camera: str = ""
    subtask: int = 0
    candidate: int = -1
    point: int = -1
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    edits: tuple[Edit, ...] = ()
    results: Mapping[NodeId, StageOutcome] = field(default_factory=lambda: MappingProxyType({}))
    failures: Mapping[NodeId, StageFailure] = field(default_factory=lambda: MappingProxyType({}))
    running: NodeId | None = None
    playing: bool = False
    before: KeptRun | None = None
    comparing: bool = False
    origins: Mapping[NodeId, Mapping[str, str]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    read_only: str = ""

    def outcome(self, stage: str) -> StageOutcome | None:
        """Newest outcome of a stage for the selected subtask (or the episode)."""
        return self.results.get((stage, self.subtask)) or self.results.get((stage, EPISODE_SCOPE))

    def result(self, stage: str) -> Any:
        """Result of `outcome`, or None."""
        outcome = self.outcome(stage)
        return None if outcome is None else outcome.result

    def fits(self, stage: str) -> bool:
        """True if the shown result of a stage was made of the shown results of those before it.

        After a run was cancelled half-way, or while it goes on, later results belong to earlier
        ones that are not on show any more: candidate 3 is another one there.
        """
        outcome = self.outcome(stage)
        if outcome is None:
            return False
        for name, key in self.origins.get((stage, outcome.subtask), {}).items():
            source = self.outcome(name)
            if source is None or source.key != key or not self.fits(name):
                return False
        return True

    @property
    def subtask_count(self) -> int:
        """Subtasks of the episode, 0 before they are known."""
        result = self.result("subtasks")
        return len(result.subtasks) if isinstance(result, SubtasksResult) else 0

    @property
    def task(self) -> Subtask | None:
        """The selected subtask; None before subtasks are known, or if there is none."""
        result = self.result("subtasks")
        if not isinstance(result, SubtasksResult) or self.subtask >= len(result.subtasks):
            return None
        return result.subtasks[self.subtask]


class Document:
    """Holds the session, mutates it, tells who listens."""

    def __init__(self, graph: Graph) -> None:
        """Start empty with default options.

        Args:
            graph: Stages; decides names, keys and what is stale.
        """
        self.graph = graph
        self.session = Session(options=MappingProxyType(graph.default_options()))
        self.revision = 0
        self._listeners: list[Callable[[Changes], None]] = []
        self._keys: dict[int, dict[str, str]] = {}
        self._made_with: tuple[Mapping[str, Any], tuple[Edit, ...]] | None = None
        self._last_run: KeptRun | None = None
        self._own_options: Mapping[str, Any] | None = None

    def listen(self, listener: Callable[[Changes], None]) -> None:
        """Call `listener` after every mutation that changed something."""
        self._listeners.append(listener)

    # -- reading ---------------------------------------------------------------------------

    def plan(self) -> Plan | None:
        """What decides the results of the open episode."""
        session = self.session
        if session.demonstration is None:
            return None
        return Plan(session.demonstration, dict(session.options), session.edits)

    def key(self, stage: str, subtask: int) -> str:
        """Key that a result of this stage must have to be fresh."""
        if subtask not in self._keys:
            plan = self.plan()
            self._keys[subtask] = {} if plan is None else self.graph.keys(plan, subtask)
        return self._keys[subtask].get(stage, "")

    def is_fresh(self, stage: str) -> bool:
        """True if the shown result of a stage belongs to the options and edits in force."""
        outcome = self.session.outcome(stage)
        if self.session.read_only:  # Asking for the key would ask backends that may not be here.
            return outcome is not None
        return outcome is not None and outcome.key == self.key(stage, self.session.subtask)

    def node(self, stage: str) -> NodeId:
        """Node of a stage for the selected subtask."""
        episode = self.graph.stage(stage).scope is Scope.EPISODE
        return (stage, EPISODE_SCOPE if episode else self.session.subtask)

    # -- mutations -------------------------------------------------------------------------

    def open_dataset(
        self, info: DatasetInfo | None, initiator: str = "", *, read_only: str = ""
    ) -> Changes:
        """Show another dataset; no episode is open then.

        Args:
            info: The dataset.
            initiator: Who asked.
            read_only: Why nothing of it can be corrected or run; empty if all can.
        """
        parts = Part.DATASET | Part.EPISODE | Part.RESULTS | Part.EDITS | Part.STAGES
        if self._own_options is None:
            options = self.session.options
        else:  # Those on show came with what was recorded.
            options, self._own_options = self._own_options, None
            parts |= Part.OPTIONS
        session = Session(dataset=info, options=options, read_only=read_only)
        return self._set(session, parts, initiator)

    def open_episode(
        self,
        demonstration: Demonstration,
        edits: tuple[Edit, ...],
        initiator: str = "",
        *,
        outcomes: Iterable[StageOutcome] = (),
        subtask: int = 0,
    ) -> Changes:
        """Show another episode with the edits in force.

        Args:
            demonstration: The episode.
            edits: In force.
            initiator: Who asked.
            outcomes: Results computed before that are known already, with `subtasks` if any.
            subtask: The selected one, of those in the results.
        """
        old = self.session
        self._made_with = self._last_run = None
        keys = [c.key for c in demonstration.cameras]
        session = Session(
            dataset=old.dataset,
            demonstration=demonstration,
            camera=old.camera if old.camera in keys else (keys[0] if keys else ""),
            options=old.options,
            edits=edits,
            results=MappingProxyType({(o.stage, o.subtask): o for o in outcomes}),
            read_only=old.read_only,
        )
        if 0 <= subtask < session.subtask_count:
            session = replace(session, subtask=subtask)
        parts = Part.EPISODE | Part.FRAME | Part.CAMERA | Part.SUBTASK | Part.CANDIDATE
        parts |= Part.RESULTS | Part.EDITS | Part.STAGES
        return self._set(session, parts, initiator)

    def show_recorded(
        self,
        options: Mapping[str, Any],
        outcomes: Iterable[StageOutcome],
        subtask: int,
        initiator: str = "",
    ) -> Changes:
        """Show results of the open episode, and the options they were made with, as recorded.

        The user's own options come back with the next dataset.

        Args:
            options: Stage name -> options instance, one for every stage.
            outcomes: Of the episode and of the subtask.
            subtask: Becomes the selected one.
            initiator: Who asked.

        Raises:
            ValueError: The open dataset is not read-only.
        """
        if not self.session.read_only:
            raise ValueError("recorded results are shown of a read-only dataset only")
        if self._own_options is None:
            self._own_options = self.session.options
        results = {(o.stage, o.subtask): o for o in outcomes}
        session = replace(
            self.session,
            options=MappingProxyType(dict(options)),
            results=MappingProxyType(results),
            subtask=subtask,
            candidate=-1,
            point=-1,
        )
        proposals = session.result("proposals")
        if proposals is not None:
            session = replace(session, camera=proposals.camera)
        parts = Part.RESULTS | Part.OPTIONS | Part.STAGES | Part.SUBTASK | Part.CANDIDATE
        return self._set(_with_winner(session), parts | Part.CAMERA | Part.POINT, initiator)

    def say_again(self, initiator: str = "") -> Changes:
        """Let all views show again what is: one of them drew a change that may not be made."""
        parts = Part.RESULTS | Part.OPTIONS | Part.EDITS | Part.STAGES
        return self._set(self.session, parts, initiator)

    def set_frame(self, frame: int, initiator: str = "") -> Changes:
        """Move the cursor, clamped to the episode."""
        demonstration = self.session.demonstration
        last = demonstration.length - 1 if demonstration else 0
        frame = min(max(frame, 0), max(last, 0))
        if frame == self.session.frame:
            return Changes(Part.NONE, initiator, self.revision)
        return self._set(replace(self.session, frame=frame), Part.FRAME, initiator)

    def set_camera(self, camera: str, initiator: str = "") -> Changes:
        """Show another camera."""
        return self._set(replace(self.session, camera=camera), Part.CAMERA, initiator)

    def set_playing(self, playing: bool, initiator: str = "") -> Changes:
        """Start or stop moving the cursor."""
        return self._set(replace(self.session, playing=playing), Part.PLAYING, initiator)

    def set_subtask(self, subtask: int, initiator: str = "") -> Changes:
        """Select another subtask; its winner becomes the selected candidate."""
        count = self.session.subtask_count
        if not 0 <= subtask < max(count, 1):
            return Changes(Part.NONE, initiator, self.revision)
        return self._set(_at_subtask(self.session, subtask), _OF_SUBTASK, initiator)

    def select_candidate(self, candidate: int, initiator: str = "") -> Changes:
        """Select a candidate to look at (this chooses nothing); no point of it is selected."""
        session = replace(self.session, candidate=candidate, point=-1)
        return self._set(session, Part.CANDIDATE | Part.POINT, initiator)

    def select_point(self, point: int, initiator: str = "") -> Changes:
        """Select a tracked point and its candidate; -1, or one that is not there: no point."""
        tracks = self.session.result("tracks")
        if not isinstance(tracks, TracksResult) or not 0 <= point < len(tracks.candidate):
            return self._set(replace(self.session, point=-1), Part.POINT, initiator)
        candidate = int(tracks.candidate[point])
        parts = Part.POINT
        if candidate != self.session.candidate:
            parts |= Part.CANDIDATE
        session = replace(self.session, candidate=candidate, point=point)
        return self._set(session, parts, initiator)

    def set_options(self, stage: str, options: Any, initiator: str = "") -> Changes:
        """Change a stage's options; it and what follows turn stale. Not if read-only."""
        if self.session.read_only:
            return self.say_again()
        new = MappingProxyType({**self.session.options, stage: options})
        parts = Part.OPTIONS | Part.STAGES
        return self._set(replace(self.session, options=new), parts, initiator)

    def set_edits(
        self, edits: tuple[Edit, ...], initiator: str = "", *, subtask: int | None = None
    ) -> Changes:
        """Put another set of edits in force; what they enter turns stale. Not if read-only.

        Args:
            edits: All that are in force.
            initiator: Who asks.
            subtask: To select in the same change: views are refreshed once. None: stay.
        """
        if self.session.read_only:
            return self.say_again()
        session, parts = replace(self.session, edits=edits), Part.EDITS | Part.STAGES
        if subtask is not None and 0 <= subtask < session.subtask_count:
            session, parts = _at_subtask(session, subtask), parts | _OF_SUBTASK
        return self._set(session, parts, initiator)

    def begin_run(self) -> Changes:
        """Forget failures: a new run tries those stages again, and the last one may be kept."""
        session = self.session
        inputs = (session.options, session.edits)
        # A run that goes on where another was cancelled is no other run.
        if session.results and self._made_with not in (None, inputs):
            self._last_run = KeptRun(session.results, *self._made_with)
        self._made_with = inputs
        if not self.session.failures and self.session.running is None:
            return Changes(Part.NONE, "worker", self.revision)
        session = replace(self.session, failures=MappingProxyType({}), running=None)
        return self._set(session, Part.STAGES, "worker")

    def set_running(self, node: NodeId | None) -> Changes:
        """Note which stage is being computed."""
        failures = {k: v for k, v in self.session.failures.items() if k != node}
        session = replace(self.session, running=node, failures=MappingProxyType(failures))
        return self._set(session, Part.STAGES, "worker")

    def put_result(self, outcome: StageOutcome) -> Changes:
        """Take in a result from the worker."""
        node = (outcome.stage, outcome.subtask)
        results = MappingProxyType({**self.session.results, node: outcome})
        failures = {k: v for k, v in self.session.failures.items() if k != node}
        session = replace(
            self.session,
            results=results,
            failures=MappingProxyType(failures),
            running=None,
            origins=MappingProxyType({**self.session.origins, node: self._sources(node)}),
        )
        parts = Part.RESULTS | Part.STAGES
        old = self.session.results.get(node)
        pinned = session.before is not None and session.before.pinned
        if old is not None and old.key != outcome.key and self._last_run and not pinned:
            session = replace(session, before=self._last_run)
        if session.before is not None:
            parts |= Part.COMPARISON
        if outcome.stage == "subtasks" and session.subtask >= len(outcome.result.subtasks):
            session = replace(session, subtask=0)
            parts |= Part.SUBTASK
        if outcome.stage == "tracks" and outcome.subtask == session.subtask and session.point >= 0:
            session = replace(session, point=-1)  # Other tracks: the number means another point.
            parts |= Part.POINT
        if outcome.stage == "scores" and outcome.subtask == session.subtask:
            session = _with_winner(session)
            parts |= Part.CANDIDATE | Part.POINT
        return self._set(session, parts, "worker", outcome.stage)

    def set_comparing(self, on: bool, initiator: str = "") -> Changes:
        """Show the run before beside the newest results, or only these."""
        on = on and self.session.before is not None
        return self._set(replace(self.session, comparing=on), Part.COMPARISON, initiator)

    def pin_run(self, on: bool, initiator: str = "") -> Changes:
        """Compare later runs with the results on show; off: with the run before each."""
        session = self.session
        if not on:
            before = session.before and replace(session.before, pinned=False)
            return self._set(replace(session, before=before), Part.COMPARISON, initiator)
        options, edits = self._made_with or (session.options, session.edits)
        kept = KeptRun(session.results, options, edits, pinned=True)
        return self._set(replace(session, before=kept), Part.COMPARISON, initiator)

    def _sources(self, node: NodeId) -> Mapping[str, str]:
        """Keys of the results that a new result was made of: they came before it."""
        stage, subtask = node
        found = {}
        for name in self.graph.stage(stage).inputs:
            episode = self.graph.stage(name).scope is Scope.EPISODE
            source = self.session.results.get((name, EPISODE_SCOPE if episode else subtask))
            if source is not None:
                found[name] = source.key
        return MappingProxyType(found)

    def put_failure(self, node: NodeId, failure: StageFailure) -> Changes:
        """Note that a stage failed."""
        failures = MappingProxyType({**self.session.failures, node: failure})
        session = replace(self.session, failures=failures, running=None)
        return self._set(session, Part.STAGES, "worker")

    def _set(self, session: Session, parts: Part, initiator: str, stage: str = "") -> Changes:
        if parts & (Part.EPISODE | Part.OPTIONS | Part.EDITS):
            self._keys.clear()
        self.session = session
        self.revision += 1
        changes = Changes(parts, initiator, self.revision, stage)
        for listener in self._listeners:
            listener(changes)
        return changes


_OF_SUBTASK = Part.SUBTASK | Part.CANDIDATE | Part.POINT | Part.RESULTS | Part.STAGES


def _at_subtask(session: Session, subtask: int) -> Session:
    return _with_winner(replace(session, subtask=subtask, candidate=-1, point=-1))


def _with_winner(session: Session) -> Session:
    scores = session.result("scores")
    if scores is None:
        return session
    known = {t.candidate for t in scores.terms}
    if session.candidate in known:
        return session
    return replace(session, candidate=scores.winner, point=-1)
