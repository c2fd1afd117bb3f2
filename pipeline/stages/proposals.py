"""Stage 2a: boxes that might hold the object, and boxes where it might end."""

from __future__ import annotations

from typing import ClassVar

from pipeline.backends.detection.protocol import Detector
from pipeline.model.arrays import U8
from pipeline.model.candidate import Proposal, ProposalsResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import AddBox, Edit, FixBox
from pipeline.model.problem import Problem, Severity
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.stages.backend_options import with_backend
from pipeline.stages.proposal_camera import choose_camera
from pipeline.stages.proposal_edits import numbered, with_edits
from pipeline.stages.proposal_options import ProposalsOptions
from pipeline.stages.proposal_search import ProposalSearch
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs


class ProposalsStage(Stage[ProposalsOptions, ProposalsResult]):
    """Finds object boxes at the keyframe and target boxes on early and late frames."""

    name: ClassVar[str] = "proposals"
    title: ClassVar[str] = "Proposals"
    version: ClassVar[int] = 3
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = ("subtasks",)
    options_type: ClassVar[type] = ProposalsOptions
    result_type: ClassVar[type] = ProposalsResult
    capability: ClassVar[str] = "detection"

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: ProposalsOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> ProposalsResult:
        """Propose boxes.

        Raises DataError `no_camera`, `no_backend`, what the backend raises, or Cancelled.
        """
        subtask = inputs.get(SubtasksResult).subtasks[inputs.subtask]
        done = 0.0

        def progress(share: float, what: str) -> None:
            nonlocal done
            done = 0.1 + 0.9 * share
            context.progress(done, what)

        context.progress(0.0, "choosing the camera")
        camera = choose_camera(demonstration, subtask, options.camera, context)
        keyframe = keyframe_of(subtask, demonstration.length)

        def frame(index: int) -> U8:
            context.progress(done, "reading frames")
            return context.reader.frame(camera, min(max(index, 0), demonstration.length - 1))

        image = frame(keyframe)

        def work(
            detector: Detector,
        ) -> tuple[
            ProposalSearch, tuple[Proposal, ...], tuple[Proposal, ...], tuple[Proposal, ...]
        ]:
            search = ProposalSearch(detector, options, subtask, keyframe, frame, progress)
            # In the order in which people wait for them.
            return search, search.candidates(image), search.targets(), search.again()

        found, backend, fallen = with_backend(self.capability, options, work)
        search, candidates, targets, again = found
        size = (image.shape[1], image.shape[0])
        candidates = with_edits(
            candidates,
            tuple(e.box for e in edits if isinstance(e, AddBox) and e.role == "object"),
            tuple(e for e in edits if isinstance(e, FixBox)),
            keyframe,
            subtask.object_name,
            size,
        )
        targets = with_edits(
            targets,
            tuple(e.box for e in edits if isinstance(e, AddBox) and e.role == "target"),
            (),
            max(subtask.start, subtask.end - 1),
            subtask.target_name or subtask.object_name,
            size,
        )
        context.progress(1.0, "proposals done")
        return ProposalsResult(
            camera=camera,
            keyframe=keyframe,
            candidates=candidates,
            targets=targets,
            backend=backend,
            problems=_problems(candidates, image, keyframe) + search.problems + fallen,
            robot=numbered(sorted(search.robot, key=lambda p: (p.frame, -p.score))),
            again=again,
            placement=search.placement,
        )


def keyframe_of(subtask: Subtask, length: int) -> int:
    """Midpoint of the subtask's start and the end of its first grasp (spec, stage 2)."""
    middle = (subtask.start + subtask.first_grasp_end) // 2
    return int(min(max(middle, subtask.start), max(subtask.start, subtask.end - 1), length - 1))


def _problems(candidates: tuple[Proposal, ...], image: U8, keyframe: int) -> tuple[Problem, ...]:
    if candidates:
        return ()
    dark = " The picture is almost uniform." if float(image.std()) < 4.0 else ""
    return (
        Problem(
            "no_candidates",
            f"No region of frame {keyframe} stands out.{dark} Draw a box or choose another camera.",
            Severity.ERROR,
            keyframe,
        ),
    )
