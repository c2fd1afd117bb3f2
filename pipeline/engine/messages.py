"""What window and worker say to each other: JSON headers, results as bytes behind them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pipeline.engine.cache import StageOutcome
from pipeline.model.edits import Edit

_LATE = ConfigDict(defer_build=True)
"""Validators are made on first use: the window is shown before anything is said."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class RunJob(_Message):
    """Compute an episode's results.

    Attributes:
        kind: Discriminator.
        job: Number, rising; answers carry it.
        dataset: Root folder.
        episode: Index.
        options: Stage name -> option name -> value.
        edits: Edits in force.
        up_to: Last stage wanted, None for all.
        subtask: Only this one, None for all.
        fresh: Stages to compute although a cached result exists.
        known: Keys of results that the window has: they are not sent again.
    """

    kind: Literal["run"] = "run"
    job: int
    dataset: str
    episode: int
    options: dict[str, dict[str, Any]]
    edits: tuple[Edit, ...] = ()
    up_to: str | None = None
    subtask: int | None = None
    fresh: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


class CancelJob(_Message):
    """Stop a job as soon as possible.

    Attributes:
        kind: Discriminator.
        job: Which one.
        left: Something else is wanted: what was paid for may still be finished and kept.
    """

    kind: Literal["cancel"] = "cancel"
    job: int
    left: bool = False


class Quit(_Message):
    """Leave."""

    kind: Literal["quit"] = "quit"


class Ready(_Message):
    """The worker has started."""

    kind: Literal["ready"] = "ready"
    pid: int


class Started(_Message):
    """A stage begins to compute."""

    kind: Literal["started"] = "started"
    job: int
    stage: str
    subtask: int


class Progress(_Message):
    """A stage is `share` (0..1) done."""

    kind: Literal["progress"] = "progress"
    job: int
    stage: str
    subtask: int
    share: float
    what: str


class Finished(_Message):
    """A result; its packed bytes follow as the next message."""

    kind: Literal["finished"] = "finished"
    job: int
    stage: str
    subtask: int
    key: str
    seconds: float
    cached: bool
    problems: tuple[tuple[str, str], ...] = ()


class Failed(_Message):
    """A stage could not be computed; the job is over."""

    kind: Literal["failed"] = "failed"
    job: int
    stage: str
    subtask: int
    code: str
    message: str
    details: str = ""


class Cancelled(_Message):
    """The job was cancelled."""

    kind: Literal["cancelled"] = "cancelled"
    job: int


class Done(_Message):
    """The job is over, all results were sent."""

    kind: Literal["done"] = "done"
    job: int
    seconds: float


class Died(_Message):
    """The worker process ended by itself or was killed (made by the client)."""

    kind: Literal["died"] = "died"
    job: int | None
    message: str


class Delivered(BaseModel):
    """A finished stage with its result decoded (made by the client from `Finished`)."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, defer_build=True)
    kind: Literal["delivered"] = "delivered"
    job: int
    outcome: StageOutcome


ToWorker = Annotated[RunJob | CancelJob | Quit, Field(discriminator="kind")]
FromWorker = Annotated[
    Ready | Started | Progress | Finished | Failed | Cancelled | Done, Field(discriminator="kind")
]
TO_WORKER: TypeAdapter[ToWorker] = TypeAdapter(ToWorker, config=_LATE)
FROM_WORKER: TypeAdapter[FromWorker] = TypeAdapter(FromWorker, config=_LATE)
Event = Ready | Started | Progress | Delivered | Failed | Cancelled | Done | Died
