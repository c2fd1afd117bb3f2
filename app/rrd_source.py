"""An export (.rrd) as a dataset of one episode that can be looked at, not changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.model.demonstration import (
    CACHE_BYTES,
    DatasetInfo,
    Demonstration,
    EpisodeInfo,
    EpisodeRef,
    FrameReader,
)
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from pipeline.export.session_bundle import RecordedSession

SUFFIX = ".rrd"
FORMAT = "rrd"
"""As `DatasetInfo.format` has it."""


class RrdSource:
    """`DatasetSource` over a recording that `demoscope export` wrote.

    Attributes:
        path: The file.
        recorded: What was on show when it was exported.
    """

    def __init__(self, path: Path, recorded: RecordedSession) -> None:
        """Wrap what `open_export` read.

        Args:
            path: The file.
            recorded: Its session.
        """
        self.path = path
        ref = EpisodeRef(str(path), recorded.demonstration.ref.episode)
        self.recorded = replace(recorded, demonstration=replace(recorded.demonstration, ref=ref))
        self._info = _info(path, self.recorded)

    @property
    def info(self) -> DatasetInfo:
        """A dataset with the one episode."""
        return self._info

    @property
    def read_only(self) -> str:
        """Why nothing can be corrected or run."""
        return f"an export is read-only: open the dataset {self.recorded.dataset} to correct it"

    def open(self, episode: int) -> Demonstration:
        """The episode as it was recorded. Raises DataError for any other."""
        if episode != self.recorded.demonstration.ref.episode:
            known = self.recorded.demonstration.ref.episode
            text = f"{self.path.name} holds episode {known} only, not {episode}"
            raise DataError("no_episode", text)
        return self.recorded.demonstration

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> FrameReader:
        """Pictures of the recording; fewer than the episode has frames."""
        # lazy: Rerun and pyarrow
        from viewers.rerun_pictures import RecordedPictures

        return RecordedPictures(self.path, demonstration, cache_bytes)

    def recording(self) -> bytes:
        """The file as it is, for the 3D view.

        Raises:
            OSError: It is gone.
        """
        return self.path.read_bytes()


def is_export(path: str) -> bool:
    """Whether a path is meant as a recording: by its name, nothing is opened."""
    place = Path(path).expanduser()
    return place.suffix.lower() == SUFFIX and not place.is_dir()


def open_export(path: str) -> RrdSource:
    """Open a recording that Demoscope exported.

    Args:
        path: An .rrd file, not trusted.

    Raises:
        DataError: It is missing, no recording, damaged, of another program or of a newer version;
            one sentence.
    """
    # lazy: Rerun, and what the window's start need not wait for
    from pipeline.annotate import standard_graph
    from pipeline.export.session_bundle import unpack_session
    from viewers.rerun_pictures import has_pictures
    from viewers.rerun_session_entity import application_of, read_session

    place = Path(path).expanduser().absolute()
    if not place.is_file():
        raise DataError("not_found", f"{path} does not exist")
    data = read_session(place)
    if data is None:
        program = application_of(place)[:60] or "another program"
        raise DataError(
            "not_an_export",
            f"{place.name} is a Rerun recording of “{program}” without a Demoscope session: look "
            "at it with “rerun”; Demoscope opens what “demoscope export” wrote",
        )
    try:
        recorded = unpack_session(data, standard_graph())
    except DataError as error:
        raise DataError(error.code, f"{place.name}: {error}") from error
    demonstration = recorded.demonstration
    # A camera without a picture could only say that there is none.
    cameras = tuple(c for c in demonstration.cameras if has_pictures(place, c))
    return RrdSource(
        place,
        replace(
            recorded,
            demonstration=replace(demonstration, cameras=cameras or demonstration.cameras),
        ),
    )


def read_only_reason(source: object) -> str:
    """Why nothing of a source can be corrected or run, a phrase; empty if all can."""
    return source.read_only if isinstance(source, RrdSource) else ""


def recorded_session(source: object) -> RecordedSession | None:
    """What a source shows as it was recorded, None for a dataset."""
    return source.recorded if isinstance(source, RrdSource) else None


def recorded_bytes(source: object) -> bytes | None:
    """The recording that a source already is, None for a dataset. Raises OSError."""
    return source.recording() if isinstance(source, RrdSource) else None


def _info(path: Path, recorded: RecordedSession) -> DatasetInfo:
    demonstration = recorded.demonstration
    episode = EpisodeInfo(
        index=demonstration.ref.episode,
        length=demonstration.length,
        instruction=demonstration.instruction,
        present=True,
    )
    subtask = f"episode {demonstration.ref.episode}, subtask {recorded.subtask + 1}"
    ignored = tuple(f"option {text}: this Demoscope has no such one" for text in recorded.unknown)
    return DatasetInfo(
        path=str(path),
        format=FORMAT,
        version="",
        reason=f"exported by Demoscope {recorded.made_by} from {recorded.dataset}",
        fps=demonstration.fps,
        robot_type=demonstration.robot_type,
        cameras=tuple(c.key for c in demonstration.cameras),
        grippers=demonstration.grippers,
        episodes=(episode,),
        found=(
            f"{subtask} of {recorded.dataset} ({recorded.format} {recorded.version})".strip(),
            "results as they were recorded",
            "pictures of some frames only: between them the nearest earlier one is shown",
        ),
        ignored=ignored,
    )
