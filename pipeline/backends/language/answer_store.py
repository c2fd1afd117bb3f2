"""Answers of language models on disk: equal questions are paid once, by all episodes together.

One JSON file per question, written atomically. It holds the instruction and the answer, never a
key of a server. Environment: DEMOSCOPE_CACHE_DIR, as for all caches; else the user's own folder.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pydantic import BaseModel, ValidationError

from pipeline.backends.language.answer_schema import WrittenAnswer
from pipeline.model.whole_file import write_whole

log = logging.getLogger(__name__)

CACHE_FOLDER = "DEMOSCOPE_CACHE_DIR"
"""Environment variable with the folder of caches."""
_APP = "demoscope"
_LIMIT = 4 << 20


class KeptAnswer(BaseModel):
    """One file.

    Attributes:
        backend: Who asked.
        model: Which model answered.
        prompt: Identity of the prompt.
        instruction: What was asked about.
        dropped: Options that the server did not take.
        tokens_in: What the answer took when it was asked.
        tokens_out: The same.
        answer: As the model wrote it, validated.
    """

    backend: str
    model: str
    prompt: str
    instruction: str
    dropped: list[str]
    tokens_in: int
    tokens_out: int
    answer: WrittenAnswer


def caches_folder() -> Path:
    """The folder of all caches, of the environment or the user's own."""
    import platformdirs

    return Path(os.environ.get(CACHE_FOLDER) or platformdirs.user_cache_dir(_APP)).expanduser()


def answers_folder() -> Path:
    """Where answers are kept unless said otherwise."""
    return caches_folder() / "language"


class AnswerStore:
    """Kept answers by key."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use `folder`, which need not exist; None for that of the environment, asked each time."""
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder if self._folder is not None else answers_folder()

    def path(self, key: str) -> Path:
        """File of a key (hexadecimal digits)."""
        if not key.isalnum():
            raise ValueError(f"no key: {key!r}")
        return self.folder / key[:2] / f"{key}.json"

    def asking_path(self, key: str) -> Path:
        """File whose lock says that somebody asks the question with that key."""
        return self.folder / "asking" / self.path(key).with_suffix(".lock").name

    def load(self, key: str) -> KeptAnswer | None:
        """The answer, or None; a broken file counts as absent."""
        path = self.path(key)
        try:
            if path.stat().st_size > _LIMIT:
                log.warning("%s is too large for an answer: asking again", path)
                return None
            return KeptAnswer.model_validate_json(path.read_bytes())
        except OSError:
            return None
        except ValidationError as error:
            log.warning("%s is broken (%d errors): asking again", path, error.error_count())
            return None

    def keep(self, key: str, kept: KeptAnswer) -> str:
        """Write atomically; returns why that failed, empty if it did not."""
        try:
            write_whole(self.path(key), kept.model_dump_json(indent=1).encode())
        except OSError as error:
            return f"the answer could not be kept in {self.folder} ({error.strerror})"
        return ""
