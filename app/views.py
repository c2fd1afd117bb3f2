"""Keeps the widgets in step with the document."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.episode_statuses import EpisodeStatuses
from app.frame_loader import FrameSet
from app.health_view import HealthView
from app.panels import Panels
from app.session_control import SessionControl
from app.thumbnails import Thumbnails
from pipeline.annotate import problems_of
from pipeline.document import Changes, Part
from pipeline.evaluation.ground_truth import TrueSubtask, matching_truth
from pipeline.model.edits import edits_of
from pipeline.model.problem import DataError, Problem
from pipeline.model.score import as_box, box_iou
from pipeline.review.events import Reviewed
from pipeline.stages.masks import with_painted
from viewers.overlays import OverlayData, TruthBox
from widgets.score_formula import FormulaConstants
from widgets.stage_table import StageRow, StageState

log = logging.getLogger(__name__)


class Views(QObject):
    """Refreshes what changed, and nothing else.

    Signals:
        titleChanged: What the window should be called.
    """

    titleChanged = Signal(str)

    def __init__(self, panels: Panels, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self._statuses = EpisodeStatuses(panels.episodes)
        self._health = HealthView(self._statuses, panels.status, self)
        self._control.health.found.connect(self._health.show)
        self._health.changed.connect(self._on_health)
        self._thumbnails = Thumbnails(self)
        self._thumbnails.made.connect(panels.episodes.set_thumbnail)
        self._control.loader.loaded.connect(lambda _: self._thumbnails.hold())
        panels.episodes.thumbnailsWanted.connect(
            lambda wanted: self._thumbnails.want(control.source, wanted)
        )
        self._control.bridge.changed.connect(self.refresh)
        self._control.loader.loaded.connect(self._show_frames)
        panels.frame.viewer.picturePainted.connect(self._note_painted)
        self._control.playback.measured.connect(panels.status.show_play_rate)
        self._control.progressed.connect(panels.stages.set_progress)
        self._control.jobs.busyChanged.connect(panels.stages.set_busy)
        self._control.jobEnded.connect(self._show_episode_status)
        self._control.player.loopChanged.connect(panels.timeline.set_range)
        panels.stages.stageSelected.connect(self._show_options)

    def close(self) -> None:
        """Forget what is under way."""
        self._thumbnails.close()

    # -- refreshing ------------------------------------------------------------------------

    def refresh(self, changes: Changes) -> None:
        """Show what changed."""
        parts = changes.parts
        panels, session = self._panels, self._control.document.session
        if parts & Part.DATASET:
            panels.episodes.set_dataset(session.dataset)
            self._statuses.reset()
            self._health.reset()
            name = session.dataset.name if session.dataset else ""
            self.titleChanged.emit(f"{name} — Demoscope" if name else "Demoscope")
            self._show_all_reviews()
        if parts & Part.EPISODE:
            self._show_episode()
        if parts & (Part.FRAME | Part.EPISODE):
            panels.timeline.set_frame(session.frame)
            panels.frame.set_frame(session.frame)
        if parts & Part.CAMERA and session.camera:
            panels.frame.set_camera(session.camera)
        if parts & (Part.RESULTS | Part.SUBTASK):
            self._show_results(changes.stage)
        elif parts & (Part.CAMERA | Part.EDITS):
            self._show_overlays()
        if parts & Part.EDITS and self._control.document.is_fresh("proposals"):
            panels.frame.viewer.settle()
        if parts & Part.CANDIDATE:
            panels.frame.viewer.set_selected(session.candidate)
            panels.timeline.set_selected(session.candidate)
            panels.candidates.set_selected(session.candidate)
            panels.breakdown.set_selected(session.candidate)
        if parts & Part.STAGES:
            panels.stages.set_rows(self._stage_rows())
        if parts & (Part.OPTIONS | Part.EPISODE) and changes.initiator != "options":
            self._show_options(panels.stages.selected)

    def _show_frames(self, loaded: FrameSet) -> None:
        demonstration = self._control.document.session.demonstration
        if demonstration is not None and demonstration.ref.episode == loaded.episode:
            self._panels.frame.set_frames(loaded.cameras)

    def _note_painted(self) -> None:
        self._control.playback.note_painted(self._panels.frame.viewer.image_frame)

    def _show_episode(self) -> None:
        panels, session = self._panels, self._control.document.session
        demonstration = session.demonstration
        panels.findings.set_problems(self._all_problems())
        if demonstration is None:
            panels.frame.set_cameras((), "")
            panels.timeline.set_episode(0, 30.0)
            return
        keys = tuple(c.key for c in demonstration.cameras)
        panels.frame.set_cameras(keys, session.camera)
        panels.timeline.set_episode(demonstration.length, demonstration.fps)
        panels.episodes.set_current(demonstration.ref.episode)
        if not keys:
            reasons = "; ".join(p.message for p in demonstration.problems)
            panels.frame.viewer.set_message(f"No picture can be shown: {reasons}")
            panels.frame.viewer.set_picture(None, 0)

    def truth(self) -> TrueSubtask | None:
        """Ground truth of the selected subtask, if there is any."""
        session = self._control.document.session
        subtasks = session.result("subtasks")
        if session.demonstration is None or subtasks is None:
            return None
        task = subtasks.subtasks[session.subtask]
        return matching_truth(
            self._control.truth, session.demonstration.ref.episode, task.arm, task.start, task.end
        )

    def _show_results(self, stage: str) -> None:
        panels, session = self._panels, self._control.document.session
        phases, subtasks = session.result("phases"), session.result("subtasks")
        proposals = session.result("proposals")
        scores = session.result("scores") if session.fits("scores") else None
        if stage in ("", "phases"):
            panels.timeline.set_phases(phases)
        if stage in ("", "subtasks"):
            panels.timeline.set_subtasks(subtasks)
            panels.timeline.set_subtask(session.subtask)
        truth = self.truth()
        if stage in ("", "subtasks"):
            panels.timeline.set_truth(list(truth.contact) if truth else [])
        if stage in ("", "proposals", "scores"):
            keyframe = proposals.keyframe if proposals is not None else None
            panels.timeline.set_scores(scores, keyframe)
            panels.candidates.set_results(proposals, scores)
            panels.candidates.set_ground_truth(self._true_candidates(truth))
            names = {p.id: p.label for p in proposals.candidates} if proposals is not None else {}
            panels.breakdown.set_constants(_constants(session.options["scores"]))
            panels.breakdown.set_results(scores, names)
            panels.breakdown.set_selected(session.candidate)
            panels.candidates.set_selected(session.candidate)
        if stage not in ("phases", "captions"):
            self._show_overlays()
        panels.findings.set_problems(self._all_problems())

    def _true_candidates(self, truth: TrueSubtask | None) -> set[int]:
        proposals = self._control.document.session.result("proposals")
        if truth is None or truth.start_box is None or proposals is None:
            return set()
        if truth.camera and truth.camera != proposals.camera:
            return set()
        box = truth.start_box
        return {p.id for p in proposals.candidates if box_iou(p.box, box) >= 0.5}

    def _show_overlays(self) -> None:
        panels, session = self._panels, self._control.document.session
        proposals = session.result("proposals")
        viewer = panels.frame.viewer
        if proposals is None or proposals.camera != session.camera:
            viewer.set_overlays(None)
            reason = "run the pipeline first" if proposals is None else "boxes belong to the camera"
            panels.frame.set_drawing_allowed(
                reason if proposals is None else f"{reason} {proposals.camera}"
            )
            return
        truth = self.truth()
        boxes: list[TruthBox] = []
        if truth is not None and truth.camera in ("", session.camera):
            if truth.start_box is not None:
                boxes.append(TruthBox(truth.keyframe, as_box(truth.start_box), truth.object_name))
            if truth.target_box is not None:
                boxes.append(TruthBox(truth.last_frame, as_box(truth.target_box), "target"))
        masks = session.result("masks") if session.fits("masks") else None
        if masks is not None:
            # What was painted is seen at once, not only when the stage has run again.
            edits = edits_of(session.edits, "masks", session.subtask)
            masks = with_painted(masks, proposals, edits)
        viewer.set_overlays(
            OverlayData(
                proposals=proposals,
                masks=masks,
                tracks=session.result("tracks") if session.fits("tracks") else None,
                robot=session.result("robot") if session.fits("robot") else None,
                scores=session.result("scores") if session.fits("scores") else None,
                target=session.result("target") if session.fits("target") else None,
                truth=tuple(boxes),
                lifting=session.result("lifting") if session.fits("lifting") else None,
            )
        )
        viewer.set_selected(session.candidate)
        panels.frame.set_drawing_allowed(session.read_only)

    def _all_problems(self) -> tuple[Problem, ...]:
        """Findings about the open episode: of opening it, its stages and the examination."""
        demonstration = self._control.document.session.demonstration
        if demonstration is None:
            return ()
        known = self._health.findings(demonstration.ref.episode)
        return _each_once((*self._stage_problems(), *known))

    def _stage_problems(self) -> tuple[Problem, ...]:
        """Findings of opening the episode and of its stages."""
        session = self._control.document.session
        found = [*session.demonstration.problems] if session.demonstration is not None else []
        for stage in self._control.document.graph.stages:
            outcome = session.outcome(stage.name)
            found += problems_of(outcome) if outcome is not None else ()
        return _each_once(found)

    def _stage_rows(self) -> tuple[StageRow, ...]:
        document = self._control.document
        session = document.session
        rows = []
        for stage in document.graph.stages:
            outcome = session.outcome(stage.name)
            failure = session.failures.get(document.node(stage.name))
            if failure is not None:
                state = StageState.FAILED
            elif session.running is not None and session.running[0] == stage.name:
                state = StageState.RUNNING
            elif outcome is None:
                state = StageState.QUEUED if self._control.jobs.busy else StageState.MISSING
            else:
                fresh = document.is_fresh(stage.name)
                state = StageState.FRESH if fresh else StageState.STALE
            result = outcome.result if outcome else None
            usage = getattr(result, "usage", None)
            rows.append(
                StageRow(
                    name=stage.name,
                    title=stage.title,
                    state=state,
                    seconds=outcome.seconds if outcome else None,
                    backend=getattr(result, "backend", ""),
                    problems=problems_of(outcome) if outcome else (),
                    error=failure.message if failure else "",
                    details=failure.details if failure else "",
                    code=failure.code if failure else "",
                    placement=getattr(result, "placement", ""),
                    model=getattr(result, "model", ""),
                    usage=usage.text if usage else "",
                )
            )
        return tuple(rows)

    def _show_options(self, stage: str) -> None:
        options: Any = self._control.document.session.options.get(stage)
        if options is not None:
            self._panels.stages.set_options(stage, options)

    def _show_episode_status(self, how: str) -> None:
        session = self._control.document.session
        if session.demonstration is None:
            return
        scores = [
            o.result.of(o.result.winner).score
            for (stage, _), o in session.results.items()
            if stage == "scores" and o.result.winner >= 0
        ]
        episode = session.demonstration.ref.episode
        self._statuses.set_results(episode, min(scores, default=None), self._stage_problems())
        self._statuses.set_review(episode, self._reviews().get(episode))
        self._show_review_count()

    def _on_health(self, episodes: frozenset[int]) -> None:
        """The findings of these episodes (none: of the dataset) are new."""
        demonstration = self._control.document.session.demonstration
        if demonstration is not None and (not episodes or demonstration.ref.episode in episodes):
            self._panels.findings.set_problems(self._all_problems())

    def _reviews(self) -> dict[int, str]:
        """Verdict of each reviewed episode; of several subtasks the worst."""
        store = self._control.commands.store
        if store is None:
            return {}
        try:
            return {e: _worst(r) for e, r in store.reviewed().items() if r.total}
        except DataError as error:
            log.warning("reviews: %s", error)
            return {}

    def _show_all_reviews(self) -> None:
        for episode, verdict in self._reviews().items():
            self._statuses.set_review(episode, verdict)
        self._show_review_count()

    def _show_review_count(self) -> None:
        self._panels.status.show_review(len(self._reviews()), self._control.present_episodes)


def _worst(reviewed: Reviewed) -> str:
    """The verdict that matters most of an episode's captions."""
    if reviewed.rejected:
        return "rejected"
    return "corrected" if reviewed.corrected else "accepted"


def _each_once(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple({(p.code, p.message): p for p in problems}.values())


def _constants(options: Any) -> FormulaConstants:
    """Constants of the formula from the options of the scores stage."""
    return FormulaConstants(
        motion_exponent=options.interact_exponent,
        rest_exponent=options.non_interact_exponent,
        noise_floor=options.noise_floor,
        detector_base=options.detector_base_weight,
        detector_slope=options.adaptive_slope,
        overlap_onset=options.overlap_onset,
        penalty_scale=options.penalty_scale,
        attenuation=options.depth_attenuation,
        spike=options.full_overlap_spike,
        spike_at=options.full_overlap_threshold,
    )
