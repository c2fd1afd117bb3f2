"""Replies of caption models on disk: equal questions are paid once, and what was sent stays.

One JSON file per question with the reply and the request, and one file per picture, named by the
hash of its bytes, so that the very bytes that a model saw can be shown later. All are written
atomically, and a broken one counts as absent. No key of a server is ever part of them.
Environment: DEMOSCOPE_CACHE_DIR, as for all caches; else the user's own folder.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.backends.captioning.reply_trim import mark_of, trim_replies
from pipeline.backends.language.answer_store import caches_folder
from pipeline.model.drafting import (
    Exchange,
    PartKind,
    Reply,
    SentPart,
    SentRequest,
    TokenChoice,
)
from pipeline.model.file_lock import held_lock
from pipeline.model.kept_files import touch_used
from pipeline.model.whole_file import write_whole

log = logging.getLogger(__name__)

LIMIT_BYTES = 4 << 30
"""Of replies and pictures together: some 8,000 questions (our choice, as for results)."""
_LIMIT = 16 << 20
_FOLDER = "captions"
_LOCK_S = 0.2
_NEW_SHARE = 16
"""Who kept this part of the limit trims: other processes may never come to it."""
_NEW: Counter[Path] = Counter()
"""Bytes that this process kept since it trimmed, by folder."""


class KeptPart(BaseModel):
    """One part of a request; `content` is the hash of its bytes, empty for a text."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    kind: PartKind
    role: str
    text: str = ""
    content: str = Field(default="", pattern=r"^[0-9a-f]*$")
    mime: str = ""
    width: int = 0
    height: int = 0
    frames: list[int] = []
    boxes: list[tuple[float, float, float, float]] = []
    note: str = ""


class KeptToken(BaseModel):
    """One token of an answer."""

    token: str
    logprob: float
    alternatives: list[tuple[str, float]] = []


class KeptReply(BaseModel):
    """One file: who was asked what, and what came."""

    version: int = 1
    backend: str
    address: str = ""
    system: str
    recipe: str = ""
    recipe_identity: str = ""
    purpose: str = ""
    parts: list[KeptPart]
    text: str
    model: str
    request_id: str = ""
    at: str = ""
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    requests: int = 0
    tokens: list[KeptToken] = []
    dropped: list[str] = []

    @property
    def reply(self) -> Reply:
        """As a reply that cost nothing this time; its times and tokens are those of the first."""
        return Reply(
            text=self.text,
            model=self.model,
            request_id=self.request_id,
            at=self.at,
            seconds=self.seconds,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            cost=self.cost,
            cached=True,
            requests=0,
            tokens=tuple(
                TokenChoice(t.token, t.logprob, tuple(t.alternatives)) for t in self.tokens
            ),
            dropped=tuple(self.dropped),
        )


def content_digest(data: bytes) -> str:
    """Name of the bytes of a picture or video: 40 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=20).hexdigest()


class ReplyStore:
    """Kept replies by key."""

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        """Use a folder.

        Args:
            folder: It need not exist; None for that of the environment, asked each time.
            limit_bytes: What was used longest ago is removed beyond this by `trim`.
        """
        self._folder = folder
        self._limit = limit_bytes

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder if self._folder is not None else caches_folder() / _FOLDER

    def path(self, key: str) -> Path:
        """File of a key (hexadecimal digits)."""
        if not key.isalnum():
            raise ValueError(f"no key: {key!r}")
        return self.folder / "replies" / key[:2] / f"{key}.json"

    def asking_path(self, key: str) -> Path:
        """File whose lock says that somebody asks the question with that key."""
        return self.folder / "asking" / self.path(key).with_suffix(".lock").name

    def content_path(self, digest: str) -> Path:
        """File of the bytes with that digest (see `content_digest`)."""
        if not digest.isalnum():
            raise ValueError(f"no digest: {digest!r}")
        return self.folder / "content" / digest[:2] / digest

    def load(self, key: str) -> Reply | None:
        """The reply (`cached`), or None; a broken file counts as absent."""
        kept = self._read(key)
        return kept.reply if kept is not None else None

    def exchange(self, key: str) -> Exchange | None:
        """The reply with all that was sent for it, byte for byte; None if anything is missing."""
        with held_lock(self.folder / "lock", _LOCK_S):  # nothing is trimmed meanwhile
            return self._exchange(key)

    def _exchange(self, key: str) -> Exchange | None:
        kept = self._read(key)
        if kept is None:
            return None
        parts = []
        for part in kept.parts:
            data = self.content(part.content) if part.content else b""
            if data is None:
                return None
            parts.append(
                SentPart(
                    kind=part.kind,
                    role=part.role,
                    text=part.text,
                    data=np.frombuffer(data, np.uint8),
                    mime=part.mime,
                    width=part.width,
                    height=part.height,
                    frames=tuple(part.frames),
                    boxes=tuple(part.boxes),
                    note=part.note,
                )
            )
        request = SentRequest(
            kept.system, tuple(parts), kept.recipe, kept.recipe_identity, kept.purpose
        )
        return Exchange(request, kept.reply)

    def content(self, digest: str) -> bytes | None:
        """The bytes with that digest; None if they are missing or broken."""
        try:
            data = self.content_path(digest).read_bytes()
        except OSError:
            return None
        if content_digest(data) != digest:
            log.warning("%s is broken", self.content_path(digest))
            return None
        touch_used(self.content_path(digest))
        return data

    def keep(
        self, key: str, request: SentRequest, reply: Reply, backend: str, address: str = ""
    ) -> str:
        """Write request and reply, pictures first; returns why that failed, empty if it did not."""
        try:
            with held_lock(self.folder / "lock", _LOCK_S):  # no picture goes before its reply
                self._keep(key, request, reply, backend, address)
        except OSError as error:
            return f"the reply could not be kept in {self.folder} ({error.strerror})"
        if _NEW[self.folder] > self._limit // _NEW_SHARE:
            _NEW[self.folder] = 0
            self.trim()
        return ""

    def _keep(
        self, key: str, request: SentRequest, reply: Reply, backend: str, address: str
    ) -> None:
        kept = KeptReply(
            backend=backend,
            address=address,
            system=request.system,
            recipe=request.recipe,
            recipe_identity=request.recipe_identity,
            purpose=request.purpose,
            parts=[self._keep_part(part) for part in request.parts],
            text=reply.text,
            model=reply.model,
            request_id=reply.request_id,
            at=reply.at,
            seconds=reply.seconds,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            cost=reply.cost,
            requests=reply.requests,
            tokens=[
                KeptToken(token=t.token, logprob=t.logprob, alternatives=list(t.alternatives))
                for t in reply.tokens
            ],
            dropped=list(reply.dropped),
        )
        data = kept.model_dump_json(indent=1).encode()
        _NEW[self.folder] += len(data)
        write_whole(self.path(key), data)

    def mark_recorded(self, reply: Reply) -> None:
        """Say that a caption in somebody's history came from a reply: it is trimmed last."""
        mark = mark_of(reply.at, reply.model, reply.request_id, reply.text)
        path = self.folder / "recorded" / mark[:2] / mark
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            log.info("%s: %s", path, error)

    def trim(self, in_use_since: float | None = None) -> int:
        """Remove what was used longest ago beyond the limit (see `reply_trim.py`).

        Args:
            in_use_since: What was used since then (seconds since the epoch) stays: when the run in
                progress began.

        Returns:
            Bytes removed.
        """
        return trim_replies(self.folder, self._limit, in_use_since)

    def _keep_part(self, part: SentPart) -> KeptPart:
        data = part.data.tobytes()
        digest = content_digest(data) if data else ""
        # A picture that many questions show is written once; a broken one is written again.
        if digest and self.content(digest) is None:
            _NEW[self.folder] += len(data)
            write_whole(self.content_path(digest), data)
        return KeptPart(
            kind=part.kind,
            role=part.role,
            text=part.text,
            content=digest,
            mime=part.mime,
            width=part.width,
            height=part.height,
            frames=list(part.frames),
            boxes=list(part.boxes),
            note=part.note,
        )

    def _read(self, key: str) -> KeptReply | None:
        path = self.path(key)
        try:
            if path.stat().st_size > _LIMIT:
                log.warning("%s is too large for a reply: asking again", path)
                return None
            kept = KeptReply.model_validate_json(path.read_bytes())
            touch_used(path)
            return kept
        except OSError:
            return None
        except ValidationError as error:
            log.warning("%s is broken (%d errors): asking again", path, error.error_count())
            return None
