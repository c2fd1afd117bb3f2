"""What a stage is: a named, versioned, pure function of a demonstration, inputs and options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pipeline.backends.registry import identity_of
from pipeline.model.demonstration import Demonstration, FrameReader
from pipeline.model.edits import Edit
from pipeline.model.problem import Cancelled
from pipeline.stages.backend_options import BackendOptions

OptionsT = TypeVar("OptionsT")
ResultT = TypeVar("ResultT")
T = TypeVar("T")


class Scope(StrEnum):
    """What one run of a stage covers."""

    EPISODE = "episode"
    SUBTASK = "subtask"


@dataclass(frozen=True)
class StageInputs:
    """Results of the stages before, found by their type.

    Attributes:
        results: Stage name -> result.
        subtask: Index of the subtask, -1 for stages of the whole episode.
    """

    results: Mapping[str, Any]
    subtask: int

    def get(self, result_type: type[T]) -> T:
        """Return the input of this type; LookupError if the stage did not declare it."""
        for result in self.results.values():
            if isinstance(result, result_type):
                return result
        raise LookupError(f"no input of type {result_type.__name__}")


@dataclass(frozen=True)
class StageContext:
    """How a stage reports and is stopped.

    Attributes:
        reader: Frames of the demonstration.
        report: Called with a share 0..1 and a short phrase.
        is_cancelled: True as soon as the user cancelled; it may raise Cancelled itself.
    """

    reader: FrameReader
    report: Callable[[float, str], None]
    is_cancelled: Callable[[], bool]

    def progress(self, share: float, what: str) -> None:
        """Report progress, and raise Cancelled if the user cancelled. Call it often (< 100 ms)."""
        if self.is_cancelled():
            raise Cancelled
        self.report(min(max(share, 0.0), 1.0), what)


class Stage(ABC, Generic[OptionsT, ResultT]):
    """One stage.

    Attributes:
        name: As shown and stored.
        title: For people.
        version: Raise it when the same inputs and options may give another result.
        scope: Episode or subtask.
        inputs: Names of the stages whose results it reads.
        options_type: Frozen dataclass made with `option`.
        result_type: Frozen dataclass.
        capability: Of its backend, empty if it has none; its options are `BackendOptions` then.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int]
    scope: ClassVar[Scope]
    inputs: ClassVar[tuple[str, ...]]
    options_type: ClassVar[type]
    result_type: ClassVar[type]
    capability: ClassVar[str] = ""

    @abstractmethod
    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: OptionsT,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> ResultT:
        """Compute the result. Raises DataError (one sentence) or Cancelled."""

    def identity(self, options: OptionsT) -> str:
        """What of backend and weights enters the key; the options enter it anyway."""
        if self.capability and isinstance(options, BackendOptions):
            return identity_of(self.capability, options.backend, options.settings)
        return str(getattr(options, "backend", ""))
