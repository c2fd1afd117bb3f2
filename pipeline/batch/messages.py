"""What the batch and its worker processes say to each other: JSON, one message a time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pipeline.batch.report import EpisodeReport
from pipeline.model.edits import Edit


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class DoEpisode(_Message):
    """Annotate an episode.

    Attributes:
        kind: Discriminator.
        episode: Index.
        edits: Human corrections in force.
    """

    kind: Literal["episode"] = "episode"
    episode: int
    edits: tuple[Edit, ...] = ()


class Ready(_Message):
    """The process has opened the dataset."""

    kind: Literal["ready"] = "ready"
    pid: int


class Unusable(_Message):
    """The process cannot work at all: the dataset does not open, or an option is wrong."""

    kind: Literal["unusable"] = "unusable"
    code: str
    reason: str


class At(_Message):
    """A stage is `share` (0..1) done."""

    kind: Literal["at"] = "at"
    stage: str
    share: float


class Passed(_Message):
    """A stage of the whole episode is done, or its result was found."""

    kind: Literal["passed"] = "passed"
    stage: str


class Reported(_Message):
    """The episode is over."""

    kind: Literal["reported"] = "reported"
    report: EpisodeReport


TO_BATCH: TypeAdapter[Ready | Unusable | At | Passed | Reported] = TypeAdapter(
    Annotated[Ready | Unusable | At | Passed | Reported, Field(discriminator="kind")]
)
