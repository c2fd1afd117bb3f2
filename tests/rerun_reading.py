"""A recording as rows, read back with Rerun's own reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from viewers.rerun_inputs import RerunInputs
from viewers.rerun_log import write_recording


class Recording:
    """Static values, and values by frame.

    Attributes:
        fixed: Entity -> component -> value.
        rows: Entity -> frame -> component -> value.
    """

    def __init__(self, inputs: RerunInputs, folder: Path) -> None:
        from rerun.chunk import RrdReader

        path = write_recording(inputs, folder / "recording.rrd")
        reader = RrdReader(str(path))
        self.blueprints = len(reader.blueprints())
        self.names = [entry.application_id for entry in reader.recordings()]
        self.fixed: dict[str, dict[str, list]] = {}
        self.rows: dict[str, dict[int, dict[str, list]]] = {}
        self.timelines: set[str] = set()
        for chunk in reader.store().stream():
            batch = chunk.to_record_batch()
            self.timelines |= set(chunk.timeline_names)
            values = {n: batch[n].to_pylist() for n in batch.schema.names if ":" in n}
            if chunk.is_static:
                into = self.fixed.setdefault(chunk.entity_path, {})
                into.update({name: column[-1] for name, column in values.items()})
                continue
            frames = batch["frame"].to_pylist()
            for row, frame in enumerate(frames):
                into = self.rows.setdefault(chunk.entity_path, {}).setdefault(frame, {})
                into.update({name: column[row] for name, column in values.items()})

    def at(self, entity: str, component: str, frame: int) -> np.ndarray:
        return np.asarray(self.rows[entity][frame][component], float)

    def last(self, entity: str, component: str) -> tuple[int, int]:
        """Last frame with a row, and how many instances it has."""
        frame = max(self.rows[entity])
        return frame, len(self.rows[entity][frame][component])

    @property
    def entities(self) -> set[str]:
        return set(self.fixed) | set(self.rows)
