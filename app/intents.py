"""What the user meant in a widget, turned into calls of the control."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pydantic import ValidationError
from PySide6.QtCore import QObject

from app.depth_loader import DepthLoader
from app.panels import Panels
from app.playback import LoopRange
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.arrays import Bool
from pipeline.model.edits import (
    EPISODE_SCOPE,
    AddBox,
    ChooseCandidate,
    Edit,
    FixBox,
    MergePhases,
    MoveBoundary,
    NamePhase,
    PaintMask,
    Rename,
    SplitPhase,
)
from pipeline.model.mask_runs import runs_of
from pipeline.model.problem import Cancelled, DataError, Problem
from pipeline.stages.stage import StageContext, StageInputs
from viewers.pixel_probe import PixelProbe

if TYPE_CHECKING:
    from pipeline.model.phases import PhasesResult


class Intents(QObject):
    """Listens to the widgets of one window."""

    def __init__(self, panels: Panels, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self._role = "object"
        self._phase_edits: tuple[Edit, ...] = ()
        self._depth = DepthLoader(self)
        self._connect()

    def close(self) -> None:
        """Stop reading depth."""
        self._depth.close()

    def draw(self, role: str) -> None:
        """Let the user draw a box for the object or the target."""
        self._role = role
        self._show_own_camera()
        self._panels.frame.set_tool("box")
        self._begin_box()

    def brush(self, tool: str) -> None:
        """Let the user `paint` or `erase` the selected candidate's mask; again leaves."""
        if self._panels.frame.viewer.tool == tool:
            self._panels.frame.set_tool("select")
            return
        self._show_own_camera()
        self._panels.frame.set_tool(tool)
        self._begin_brush(tool)

    def _tool_changed(self, tool: str) -> None:
        if tool == "box":
            self._begin_box()
        else:
            self._role = "object"
        if tool in ("paint", "erase"):
            self._begin_brush(tool)

    def _begin_box(self) -> None:
        """A box of the object belongs to the keyframe, so the cursor goes there."""
        proposals = self._control.document.session.result("proposals")
        if self._role == "object" and proposals is not None:
            self._control.seek(proposals.keyframe, "box")
            text = "Draw a box around the object at the keyframe; Esc leaves"
        else:
            text = "Draw a box around the target, where the object ends; Esc leaves"
        self._control.said.emit(text)

    def _begin_brush(self, tool: str) -> None:
        """A mask belongs to a candidate at the keyframe, so both are chosen."""
        session = self._control.document.session
        proposals = session.result("proposals")
        if proposals is None or not proposals.candidates:
            self._panels.frame.set_tool("select")
            self._control.said.emit("There is no candidate to paint: draw a box first (B)")
            return
        if session.candidate not in {p.id for p in proposals.candidates}:
            self._select(proposals.candidates[0].id)
        self._control.seek(proposals.keyframe, "brush")
        here = self._control.document.session.candidate
        verb, other = ("Paint", "erases") if tool == "paint" else ("Erase", "paints")
        self._control.said.emit(
            f"{verb} the mask of candidate #{here}; the right button {other}, [ and ] change the"
            " size, Esc leaves"
        )

    def _show_own_camera(self) -> None:
        """Boxes and masks belong to the camera of the proposals."""
        session = self._control.document.session
        proposals = session.result("proposals")
        if proposals is not None and proposals.camera != session.camera:
            self._control.document.set_camera(proposals.camera, "tool")

    # -- signals of widgets ----------------------------------------------------------------

    def _connect(self) -> None:
        panels, control = self._panels, self._control
        panels.episodes.episodeSelected.connect(control.open_episode)
        panels.episodes.episodeActivated.connect(control.open_episode)
        stages = panels.stages
        stages.runRequested.connect(control.run)
        stages.runFromRequested.connect(control.run_from)
        stages.cancelRequested.connect(control.cancel)
        stages.optionsChanged.connect(control.set_options)
        stages.problemActivated.connect(self._go_to_problem)
        panels.findings.problemActivated.connect(self._go_to_problem)
        frame = panels.frame
        frame.cameraChanged.connect(lambda key: control.document.set_camera(key, "frame"))
        frame.allCamerasChosen.connect(control.set_all_cameras)
        frame.wheelStepped.connect(self._step)
        frame.candidateClicked.connect(self._select)
        frame.boxDrawn.connect(self._box_drawn)
        frame.toolChanged.connect(self._tool_changed)
        frame.boxChanged.connect(self._box_changed)
        frame.maskPainted.connect(self._mask_painted)
        frame.pixelHovered.connect(self._show_probe)
        self._depth.loaded.connect(lambda _: self._show_probe(frame.viewer.probe))
        control.episodeOpened.connect(self._episode_opened)
        timeline = panels.timeline
        timeline.frameChosen.connect(lambda f: control.seek(f, "timeline"))
        timeline.boundaryMoved.connect(self._boundary_moved)
        timeline.phaseSplit.connect(self._phase_split)
        timeline.phasesMerged.connect(self._phases_merged)
        timeline.phaseNamed.connect(self._phase_named)
        control.bridge.changed.connect(self._preview_edits)
        timeline.subtaskClicked.connect(lambda i: control.document.set_subtask(i, "timeline"))
        timeline.rangeSelected.connect(self._repeat)
        timeline.thresholdsChanged.connect(self._preview_thresholds)
        timeline.thresholdsCommitted.connect(self._commit_thresholds)
        panels.candidates.candidateSelected.connect(self._select)
        panels.candidates.candidateChosen.connect(self.choose)
        panels.caption.renamed.connect(self._renamed)

    def _step(self, frames: int) -> None:
        self._control.seek(self._control.document.session.frame + frames, "frame")

    def _select(self, candidate: int) -> None:
        self._control.document.select_candidate(candidate, "views")

    def choose(self, candidate: int) -> None:
        """Make a candidate the winner of the selected subtask."""
        session = self._control.document.session
        proposals = session.result("proposals")
        for proposal in proposals.candidates if proposals is not None else ():
            if proposal.id == candidate:
                self._control.decide(ChooseCandidate(subtask=session.subtask, box=proposal.box))
                return

    def set_channels(self, edits: tuple[Edit, ...]) -> None:
        """Use another channel mapping: one correction, and one undo, per arm and use."""
        for edit in edits:
            self._control.decide(edit)

    def _renamed(self, object_name: str, target_name: str) -> None:
        subtask = self._control.document.session.subtask
        if object_name.strip():
            self._control.decide(
                Rename(subtask=subtask, object_name=object_name, target_name=target_name)
            )

    def _repeat(self, first: int, end: int) -> None:
        """Play the range that was dragged round and round; an empty one plays everything."""
        loop = LoopRange(first, end - 1) if first < end else LoopRange()
        self._control.player.set_loop(loop)

    def _boundary_moved(self, arm: str, index: int, frame: int) -> None:
        self._control.decide(MoveBoundary(arm=arm, index=index, frame=frame))

    def _phase_split(self, arm: str, frame: int, was: str, before: str, after: str) -> None:
        parts = {"arm": arm, "frame": frame, "was": was, "before": before, "after": after}
        self._control.decide(SplitPhase.model_validate(parts))

    def _phases_merged(self, arm: str, frame: int, first: str, second: str, name: str) -> None:
        parts = {"arm": arm, "frame": frame, "first": first, "second": second, "name": name}
        self._control.decide(MergePhases.model_validate(parts))

    def _phase_named(self, arm: str, frame: int, was: str, name: str) -> None:
        parts = {"arm": arm, "frame": frame, "was": was, "name": name}
        self._control.decide(NamePhase.model_validate(parts))

    def _box_drawn(self, x0: float, y0: float, x1: float, y1: float) -> None:
        subtask = self._control.document.session.subtask
        self._control.decide(
            AddBox.model_validate({"subtask": subtask, "box": (x0, y0, x1, y1), "role": self._role})
        )

    def _box_changed(self, candidate: int, x0: float, y0: float, x1: float, y1: float) -> None:
        session = self._control.document.session
        proposals = session.result("proposals")
        for proposal in proposals.candidates if proposals is not None else ():
            if proposal.id == candidate:
                edit = FixBox(subtask=session.subtask, old_box=proposal.box, box=(x0, y0, x1, y1))
                self._control.decide(edit)
                return

    def _mask_painted(self, candidate: int, mask: Bool) -> None:
        session = self._control.document.session
        proposals = session.result("proposals")
        for proposal in proposals.candidates if proposals is not None else ():
            if proposal.id != candidate:
                continue
            height, width = mask.shape
            try:
                edit = PaintMask(
                    subtask=session.subtask,
                    box=proposal.box,
                    candidate=candidate,
                    height=height,
                    width=width,
                    runs=runs_of(mask),
                )
            except ValidationError as error:
                reason = error.errors()[0]["msg"]
                self._control.failed.emit(f"this mask cannot be kept: {reason}", "")
                return
            self._control.decide(edit)
            return

    def _episode_opened(self) -> None:
        demonstration = self._control.document.session.demonstration
        self._depth.open(self._control.source, demonstration)

    def _show_probe(self, probe: PixelProbe | None) -> None:
        """Show what is under the mouse; depth follows when it was read."""
        viewer, text = self._panels.frame.viewer, ""
        camera = self._control.document.session.camera
        if probe is not None and self._depth.has_depth(camera):
            depth = self._depth.depth(camera, viewer.image_frame)
            metres = depth.at(probe.x, probe.y, viewer.image_size) if depth is not None else None
            text = "depth –" if metres is None else f"depth {metres:.3f} m"
        self._panels.status.show_pixel(probe, text)

    def _go_to_problem(self, problem: Problem) -> None:
        if problem.frame is not None:
            self._control.seek(problem.frame, "problem")

    def _phases_now(self, **changed: float) -> PhasesResult | None:
        """Phases with the edits in force, computed here: the stage takes under 5 ms.

        Args:
            **changed: Options of the stage that differ from those in force.
        """
        document = self._control.document
        plan = document.plan()
        if plan is None:
            return None
        stage = document.graph.stage("phases")
        options = dataclasses.replace(plan.options["phases"], **changed)
        edits = plan.edits_of(stage, EPISODE_SCOPE)
        context = StageContext(None, lambda *_: None, lambda: False)  # type: ignore[arg-type]
        try:
            result: PhasesResult = stage.run(
                plan.demonstration, StageInputs({}, -1), options, edits, context
            )
        except (DataError, Cancelled):
            return None
        return result

    def _preview_thresholds(self, tau: float, delta: float) -> None:
        phases = self._phases_now(closure_threshold=tau, hysteresis_offset=delta)
        self._panels.timeline.set_phases(phases)

    def _preview_edits(self, changes: Changes) -> None:
        """Show corrected phases at once; the worker's result follows."""
        session = self._control.document.session
        edits = tuple(e for e in session.edits if e.stage == "phases")
        before, self._phase_edits = self._phase_edits, edits
        if not changes.parts & Part.EDITS or changes.parts & Part.EPISODE or edits == before:
            return
        if session.result("phases") is not None:
            self._panels.timeline.set_phases(self._phases_now())

    def _commit_thresholds(self, tau: float, delta: float) -> None:
        options = self._control.document.session.options["phases"]
        changed = dataclasses.replace(options, closure_threshold=tau, hysteresis_offset=delta)
        self._control.set_options("phases", changed)
        self._control.run()
