"""`run.json`: what a batch run is about, so that it can be continued and its results be judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

from pipeline.annotations.parquet import DATASET_KEY, OPTIONS_KEY, SCHEMA_VERSION
from pipeline.engine.graph import Graph
from pipeline.engine.options_file import values_of
from pipeline.model.demonstration import DatasetInfo
from pipeline.model.options import keyed_values
from pipeline.model.problem import DataError

VERSION = 1
_MARK = "demoscope_run"

RUNNING, INTERRUPTED, COMPLETE = "running", "interrupted", "complete"
"""States. A run that was killed still says `running`; the folder's lock tells the truth."""


@dataclass(frozen=True)
class RunRecord:
    """What a run is about. Nothing in it depends on the machine but the dataset's path.

    Attributes:
        dataset: Absolute path where the dataset lay when the run began; of a dataset of the Hub
            its place in the cache.
        name: The dataset's name.
        fingerprint: Of the dataset's metadata: equal wherever it lies.
        options: Stage name -> option name -> value, all of them.
        keyed: The same, only those that decide results.
        stage_versions: Stage name -> version of its code.
        identities: Stage name -> backend with the content of its weights.
        episodes: Episodes asked for so far, rising.
        started: UTC, ISO 8601.
        state: `running`, `interrupted` or `complete`.
        demoscope: Version of this tool.
        schema: Version of the columns of the results.
    """

    dataset: str
    name: str
    fingerprint: str
    options: dict[str, dict[str, Any]]
    keyed: dict[str, dict[str, Any]]
    stage_versions: dict[str, int]
    identities: dict[str, str]
    episodes: tuple[int, ...]
    started: str
    state: str = RUNNING
    demoscope: str = ""
    schema: int = SCHEMA_VERSION

    @classmethod
    def of(
        cls,
        info: DatasetInfo,
        graph: Graph,
        options: Mapping[str, Any],
        episodes: Sequence[int],
        started: str,
    ) -> RunRecord:
        """Describe a run that begins now.

        Args:
            info: The dataset.
            graph: Stages.
            options: Stage name -> options instance, one for every stage.
            episodes: Episodes asked for.
            started: UTC, ISO 8601.
        """
        return cls(
            dataset=info.path,
            name=info.name,
            fingerprint=dataset_fingerprint(info),
            options=values_of(options),
            keyed={stage: keyed_values(chosen) for stage, chosen in options.items()},
            stage_versions={s.name: s.version for s in graph.stages},
            identities={s.name: s.identity(options[s.name]) for s in graph.stages},
            episodes=tuple(sorted(set(episodes))),
            started=started,
            demoscope=_version(),
        )

    @property
    def table_metadata(self) -> dict[str, str]:
        """What stands in the metadata of the results."""
        return {
            DATASET_KEY: self.dataset,
            OPTIONS_KEY: json.dumps(self.options, sort_keys=True),
            "dataset_fingerprint": self.fingerprint,
            "stage_versions": json.dumps(self.stage_versions, sort_keys=True),
            "identities": json.dumps(self.identities, sort_keys=True),
            "demoscope": self.demoscope,
        }

    def with_episodes(self, episodes: Sequence[int]) -> RunRecord:
        """The same run, asked for these episodes, too."""
        return replace(self, episodes=tuple(sorted({*self.episodes, *episodes})))

    def difference(self, now: RunRecord) -> str:
        """In what a run that begins now would differ from this one; empty if it continues it.

        Args:
            now: The run that begins now.
        """
        if self.fingerprint != now.fingerprint:
            return f"it holds a run of another dataset ({self.name}, {self.dataset})"
        changed = [
            f"{stage}.{name} was {_text(old)}, is now {_text(new)}"
            for stage, name, old, new in self._changed_options(now)
        ]
        if changed:
            more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
            return f"it holds a run with other options: {changed[0]}{more}"
        for stage, version in now.stage_versions.items():
            old = self.stage_versions.get(stage)
            if old != version:
                was = "had no" if old is None else f"had version {old} of"
                return f"its run {was} the stage {stage}, which is now version {version}"
        for stage, identity in now.identities.items():
            if self.identities.get(stage) != identity:
                return f"its run used other weights in the stage {stage}"
        if self.schema != now.schema:
            return f"its results have columns of version {self.schema}, ours have {now.schema}"
        return ""

    def _changed_options(self, now: RunRecord) -> list[tuple[str, str, Any, Any]]:
        found = []
        for stage in now.keyed:
            old, new = self.keyed.get(stage, {}), now.keyed[stage]
            for name in (*new, *(n for n in old if n not in new)):
                if old.get(name) != new.get(name):
                    found.append((stage, name, old.get(name), new.get(name)))
        return found

    def as_json(self) -> str:
        """The content of the file."""
        content = {
            _MARK: VERSION,
            "schema": self.schema,
            "state": self.state,
            "started": self.started,
            "dataset": self.dataset,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "episodes": ranges(self.episodes),
            "versions": {"demoscope": self.demoscope, "stages": self.stage_versions},
            "identities": self.identities,
            "options": self.options,
            "keyed": {stage: sorted(values) for stage, values in self.keyed.items()},
        }
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """Read the file.

        Raises:
            DataError: `bad_run`, one sentence that does not name the file.
        """
        try:
            content = json.loads(text)
            version = content[_MARK]
            if version != VERSION:
                raise DataError("bad_run", f"expected a run of version {VERSION}, got {version}")
            options = content["options"]
            return cls(
                dataset=str(content["dataset"]),
                name=str(content["name"]),
                fingerprint=str(content["fingerprint"]),
                options=options,
                keyed={
                    stage: {name: options[stage][name] for name in names}
                    for stage, names in content["keyed"].items()
                },
                stage_versions=dict(content["versions"]["stages"]),
                identities=dict(content["identities"]),
                episodes=from_ranges(content["episodes"]),
                started=str(content["started"]),
                state=str(content["state"]),
                demoscope=str(content["versions"]["demoscope"]),
                schema=int(content["schema"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError("bad_run", "expected the record of a batch run") from error


def dataset_fingerprint(info: DatasetInfo) -> str:
    """Hash of what the metadata say, except the path and the number of episodes.

    A dataset to which episodes are added stays the same one; so does a copy on another machine.
    The pictures and signals of an episode are part of the keys of its results, not of this.
    """
    first = info.episodes[0] if len(info.episodes) else None
    parts = (
        info.format,
        info.version,
        info.fps,
        info.robot_type,
        sorted(info.cameras),
        None if first is None else (first.index, first.length, first.instruction),
    )
    text = json.dumps(parts, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def ranges(numbers: Sequence[int]) -> str:
    """Rising numbers as text, e.g. `0-3,7`; 100,000 episodes are a few characters."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{a}-{b}" if b > a else str(a) for a, b in found)


def from_ranges(text: str) -> tuple[int, ...]:
    """Undo `ranges`; ValueError if it is no such text."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)


def _text(value: Any) -> str:
    return "not there" if value is None else json.dumps(value, ensure_ascii=False)


def _version() -> str:
    try:
        return metadata.version("demoscope")
    except metadata.PackageNotFoundError:
        return "unknown"
