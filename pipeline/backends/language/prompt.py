"""The question to language models: a text of resources/prompts, filled in for one episode."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pipeline.backends.language.protocol import LanguageRequest


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt.

    Attributes:
        version: Raised when its meaning changes.
        system: What the model is to do.
        user: Text of the question, with `{request}` in it.
        repair: Text after an answer that cannot be used, with `{reason}` in it.
    """

    version: int
    system: str
    user: str
    repair: str

    @property
    def identity(self) -> str:
        """Version and a hash of the text, e.g. `1-3f9a01bc`: an edited prompt is another one."""
        text = "\0".join((self.system, self.user, self.repair))
        return f"{self.version}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"

    def question(self, request: LanguageRequest, times: bool) -> str:
        """Fill in the user's text.

        Args:
            request: What is asked; only what its key holds is written.
            times: Whether the times of phases are written, too.
        """
        content = {
            "instruction": request.text,
            "arms": list(request.arms),
            "phases": request.rows(times),
        }
        return self.user.replace("{request}", json.dumps(content, ensure_ascii=False))

    def correction(self, reason: str) -> str:
        """The text after an answer that cannot be used."""
        return self.repair.replace("{reason}", reason)


@cache
def subtasks_prompt() -> Prompt:
    """Read resources/prompts/subtasks.toml once."""
    text = (resources.files("resources") / "prompts" / "subtasks.toml").read_text("utf-8")
    data = tomllib.loads(text)
    return Prompt(
        int(data["version"]),
        str(data["system"]).strip(),
        str(data["user"]).strip(),
        str(data["repair"]).strip(),
    )
