"""What became of one episode: small enough to cross a pipe and to be a line of a journal."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from pipeline.model.annotation import Annotation
from pipeline.model.usage import NO_USAGE, Usage


class EpisodeReport(BaseModel):
    """What became of one episode.

    Attributes:
        episode: Index.
        finished: False if it, or a part of it, failed.
        annotations: One per subtask; of a failed episode those that were reached.
        code: Problem code of the failure, empty if none.
        reason: One sentence, empty if none.
        stage: Stage that failed, empty if none or if the episode could not be opened.
        frames: Its length, 0 if it could not be opened.
        seconds: Time that it took.
        computed: Results that were computed, by stage.
        found: Number of results that were in the cache.
        usage: What asking a language model took.
        notes: Problems about the run rather than the episode: key (the same for the same problem)
            and sentence.
    """

    model_config = ConfigDict(frozen=True)
    episode: int
    finished: bool
    annotations: tuple[Annotation, ...] = ()
    code: str = ""
    reason: str = ""
    stage: str = ""
    frames: int = 0
    seconds: float = 0.0
    computed: dict[str, int] = {}
    found: int = 0
    usage: Usage = NO_USAGE
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def stages_computed(self) -> int:
        """Number of results that were computed."""
        return sum(self.computed.values())

    def journal_entry(self, at: str, corrections: str) -> dict[str, Any]:
        """The line of the journal.

        Args:
            at: When, UTC, ISO 8601.
            corrections: Digest of the human corrections that were in force.
        """
        entry: dict[str, Any] = {
            "episode": self.episode,
            "state": "finished" if self.finished else "failed",
            "at": at,
            "seconds": round(self.seconds, 3),
            "frames": self.frames,
            "annotations": len(self.annotations),
            "computed": self.computed,
            "found": self.found,
            "corrections": corrections,
        }
        if not self.finished:
            entry |= {"code": self.code, "stage": self.stage, "reason": self.reason}
        if self.usage:
            entry["usage"] = {
                "requests": self.usage.requests,
                "tokens_in": self.usage.tokens_in,
                "tokens_out": self.usage.tokens_out,
                "kept": self.usage.kept,
            }
        return entry
