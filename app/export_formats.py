"""What an episode's results can be exported as. Another format is one more entry."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from pipeline.export.names import dataset_name, export_name

if TYPE_CHECKING:
    from pipeline.document import Session
    from pipeline.engine.graph import Graph
    from pipeline.model.demonstration import DatasetSource

Progress = Callable[[float, str], None]
"""Told how far it is: share 0..1 and what is done."""


class Write(Protocol):
    """Makes the content of one file."""

    def __call__(
        self,
        session: Session,
        graph: Graph,
        source: DatasetSource,
        *,
        every_frame: bool,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> bytes:
        """Make it out of the selected subtask of a session.

        Args:
            session: With results of the subtask.
            graph: Stages.
            source: The dataset, for pictures.
            every_frame: Every picture, not only those of the tracked frames.
            progress: Told how far it is.
            cancelled: Asked often; True ends the work.

        Raises:
            DataError: One sentence.
            Cancelled: `cancelled` said so.
        """
        ...


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One format of files, one file per subtask.

    Attributes:
        name: As `--format` has it.
        suffix: Of the files, with its dot.
        title: For people.
        write: Makes the content.
    """

    name: str
    suffix: str
    title: str
    write: Write

    def file_name(self, session: Session) -> str:
        """Name of the file of a session's selected subtask; ValueError if no episode is open."""
        info, demonstration = session.dataset, session.demonstration
        if info is None or demonstration is None:
            raise ValueError("no episode is open")
        return export_name(
            dataset_name(info), demonstration.ref.episode, session.subtask, self.suffix
        )


def _rrd(
    session: Session,
    graph: Graph,
    source: DatasetSource,
    *,
    every_frame: bool,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> bytes:
    """A Rerun recording: all that the 3D view shows, and the session to open it again."""
    # lazy: Rerun
    from app.rerun_build import build_inputs
    from pipeline.export.session_bundle import pack_session
    from viewers.rerun_log import recording_bytes

    progress(0.0, "pictures")
    inputs = build_inputs(session, source, every_frame=every_frame, cancelled=cancelled)
    inputs = dataclasses.replace(inputs, session=pack_session(session, graph))
    return recording_bytes(inputs, progress=progress, cancelled=cancelled)


FORMATS: Mapping[str, ExportFormat] = MappingProxyType(
    {"rrd": ExportFormat("rrd", ".rrd", "Rerun recording", _rrd)}
)
