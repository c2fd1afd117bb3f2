"""Collects what a recording of the selected subtask shows, and writes the recording.

Called beside the GUI thread and by the export; reads pictures and depth with readers of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pipeline.model.arrays import F32
from pipeline.model.problem import Cancelled, DataError, Problem
from viewers.rerun_inputs import (
    OTHER_FPS,
    CameraView,
    DepthPicture,
    Picture,
    RerunInputs,
    cloud_frames,
    cloud_step,
    picture_frames,
)

if TYPE_CHECKING:
    from pipeline.document import Session
    from pipeline.model.candidate import ProposalsResult, TracksResult
    from pipeline.model.consistency import Consistency
    from pipeline.model.demonstration import DatasetSource, Demonstration
    from pipeline.model.geometry import LiftingResult

log = logging.getLogger(__name__)
_Value = TypeVar("_Value")

_CACHE_BYTES = 8 << 20
"""Its readers keep next to nothing: every picture is asked for once."""
_GIVE_UP = 8
"""Pictures in a row that cannot be read, after which a camera is left alone."""


def build_recording(
    session: Session, source: DatasetSource, cancelled: Callable[[], bool] | None = None
) -> bytes:
    """Log the selected subtask of a session to .rrd bytes.

    Raises:
        DataError: If nothing of it can be logged.
        Cancelled: `cancelled` said so.
    """
    from viewers.rerun_log import recording_bytes

    return recording_bytes(build_inputs(session, source, cancelled=cancelled), None, cancelled)


def build_inputs(
    session: Session,
    source: DatasetSource,
    *,
    every_frame: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> RerunInputs:
    """Collect the results of the selected subtask, and read pictures and depth.

    A picture that cannot be read is left out; a camera of which none can be read is named among
    the problems of the recording.

    Args:
        session: Has an episode and, for more than its pictures, results.
        source: Its dataset.
        every_frame: All pictures of the results' camera and `CLIP_FPS` of the others, for an
            export; else those of the tracked frames, few outside of the clip and of the others.
        cancelled: Asked often; True ends the work.

    Raises:
        DataError: If there are no results at all.
        Cancelled: `cancelled` said so.
    """
    demonstration = session.demonstration
    if demonstration is None or session.result("phases") is None:
        raise DataError("no_results", "run the pipeline first")

    def result(stage: str) -> Any:
        # After a run that was cancelled half-way, later results are those of other candidates.
        return session.result(stage) if session.fits(stage) else None

    proposals, subtasks = result("proposals"), result("subtasks")
    tracks, lifting = result("tracks"), result("lifting")
    task = None
    if subtasks is not None and session.subtask < len(subtasks.subtasks):
        task = subtasks.subtasks[session.subtask]
    clip = (0, demonstration.length) if task is None else (task.start, task.end)
    camera = _camera(session, demonstration) if proposals is None else proposals.camera
    reading = _Reading(source, demonstration, camera, cancelled)
    if every_frame:
        own: Iterable[int] = range(demonstration.length)
        others = picture_frames(demonstration, (0, demonstration.length))
    else:
        own = picture_frames(demonstration, clip, None if tracks is None else tracks.frames)
        others = picture_frames(demonstration, clip, rate=OTHER_FPS)
    # Two at a time: decoders let go of the interpreter, and pictures take as long as depth.
    with ThreadPoolExecutor(2, "rerun-build") as pool:
        pictures = pool.submit(reading.pictures, camera, own if camera else ())
        rest = pool.submit(reading.rest, others, _depth_frames(proposals, tracks, lifting, clip))
        views, depth = rest.result()
        main = pictures.result()
    return RerunInputs(
        demonstration=demonstration,
        camera=camera,
        pictures=main,
        subtask=task,
        phases=result("phases"),
        subtasks=subtasks,
        proposals=proposals,
        masks=result("masks"),
        tracks=tracks,
        lifting=lifting,
        robot=result("robot"),
        scores=result("scores"),
        target=result("target"),
        views=views,
        depth=depth,
        consistency=_consistency(demonstration, proposals, tracks, lifting),
        unread=tuple(reading.unread),
    )


def _camera(session: Session, demonstration: Demonstration) -> str:
    """The camera on show, else the first one, else none."""
    keys = [camera.key for camera in demonstration.cameras]
    return session.camera if session.camera in keys else next(iter(keys), "")


def thinned_depth(metres: F32, most: int) -> F32:
    """Depth (H, W) with at most `most` pixels: every n-th, as a mean of two surfaces is neither."""
    height, width = metres.shape
    step = cloud_step(height, width, most)
    sizes = [(size, max(1, size // step)) for size in (height, width)]
    # As `pipeline.backends.geometry.lifting.reduced` picks: the recording knows where from.
    rows, columns = (((np.arange(n) + 0.5) * size / n).astype(np.int64) for size, n in sizes)
    return metres[np.ix_(rows, columns)]


@dataclass
class _Reading:
    """Reads one episode for a recording.

    Attributes:
        source: Dataset.
        demonstration: Episode.
        camera: Camera of the results.
        cancelled: As in `build_inputs`.
        unread: Cameras and depth that could not be read at all.
    """

    source: DatasetSource
    demonstration: Demonstration
    camera: str
    cancelled: Callable[[], bool] | None
    unread: list[Problem] = field(default_factory=list)

    def pictures(self, camera: str, frames: Iterable[int]) -> tuple[Picture, ...]:
        """Read pictures of a camera as JPEGs: as arrays, those of an episode fill the memory."""
        from viewers.rerun_cameras import encode_jpeg

        reader = self.source.reader(self.demonstration, _CACHE_BYTES)
        try:
            return tuple(
                self._each(
                    f"camera {camera}",
                    frames,
                    lambda frame: encode_jpeg(reader.frame(camera, frame)),
                )
            )
        finally:
            reader.close()

    def rest(
        self, frames: Iterable[int], depth_frames: tuple[tuple[int, bool], ...]
    ) -> tuple[tuple[CameraView, ...], tuple[DepthPicture, ...]]:
        """Read the other cameras, and the recorded depth of the results' camera.

        Args:
            frames: Of the other cameras.
            depth_frames: Frame, and whether it is wanted in full size.
        """
        depth = self._depth(depth_frames) if depth_frames else ()
        views = []
        for camera in self.demonstration.cameras:
            if camera.key != self.camera:
                pictures = self.pictures(camera.key, frames)
                if pictures:
                    views.append(CameraView(camera.key, pictures))
        return tuple(views), depth

    def _depth(self, frames: tuple[tuple[int, bool], ...]) -> tuple[DepthPicture, ...]:
        if self.demonstration.camera(self.camera).depth_key is None:
            return ()
        reader = self.source.reader(self.demonstration, _CACHE_BYTES)
        whole = dict(frames)
        most = cloud_frames(len(frames))[1]

        def one(frame: int) -> F32 | None:
            metres = reader.depth(self.camera, frame)
            return metres if metres is None or whole[frame] else thinned_depth(metres, most)

        try:
            found = self._each(f"depth of {self.camera}", whole, one)
            return tuple(found)
        finally:
            reader.close()

    def _each(
        self, what: str, frames: Iterable[int], read: Callable[[int], _Value | None]
    ) -> list[tuple[int, _Value]]:
        """Read frames; what cannot be read is left out, and nothing at all is a problem."""
        found: list[tuple[int, _Value]] = []
        failed, last = 0, ""
        for frame in frames:
            if self.cancelled is not None and self.cancelled():
                raise Cancelled
            try:
                value = read(frame)
            except DataError as error:
                failed, last = failed + 1, str(error)
                log.info("the recording lacks frame %d of %s: %s", frame, what, error)
            except Exception as error:  # A reader's defect must not take the 3D view away.
                failed, last = failed + 1, str(error) or type(error).__name__
                log.exception("the recording lacks frame %d of %s", frame, what)
            else:
                failed = 0
                if value is not None:
                    found.append((frame, value))
            if failed >= _GIVE_UP:
                break
        if failed and (not found or failed >= _GIVE_UP):
            end = f"from frame {found[-1][0] + 1} on" if found else "altogether"
            text = f"The 3D view lacks {what} {end}: {last}"
            self.unread.append(Problem("camera_left_out", text))
        return found


def _depth_frames(
    proposals: ProposalsResult | None,
    tracks: TracksResult | None,
    lifting: LiftingResult | None,
    clip: tuple[int, int],
) -> tuple[tuple[int, bool], ...]:
    """Frames whose recorded depth is wanted, and which of them in full size, ascending.

    The keyframe's is: small objects are a handful of pixels of a thinned picture.
    """
    if proposals is None or tracks is None or lifting is None:
        return ()
    if not lifting.available or lifting.depth.size:
        return ()
    every = cloud_frames(len(tracks.frames))[0]
    frames = {int(frame): False for frame in tracks.frames[::every]}
    frames[max(clip[0], clip[1] - 1)] = False
    frames[proposals.keyframe] = True
    return tuple(sorted(frames.items()))


def _consistency(
    demonstration: Demonstration,
    proposals: ProposalsResult | None,
    tracks: TracksResult | None,
    lifting: LiftingResult | None,
) -> Consistency | None:
    if proposals is None or tracks is None or lifting is None or not lifting.available:
        return None
    from pipeline.scoring.consistency import measure_consistency

    pose = demonstration.camera(proposals.camera).camera_to_world
    return measure_consistency(tracks, lifting, proposals.keyframe, pose)
