"""What a caption model is asked, and how: one protocol for all servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import BaseModel

from pipeline.backends.backend import Progress
from pipeline.backends.captioning.reply_store import ReplyStore
from pipeline.backends.language.endpoint import ServerSettings
from pipeline.model.drafting import Reply, SentRequest
from pipeline.model.problem import DataError
from pipeline.model.recipe import Reasoning, Recipe
from pipeline.model.usage import Usage

Written = TypeVar("Written", bound=BaseModel)

CAPTIONERS = ("gemini", "openai_compatible")
"""Names of the servers that can be asked; without one of them captions are drafted offline."""


@dataclass(frozen=True, slots=True)
class CaptionSettings:
    """How a caption model is asked. Keys of servers are never part of it.

    Attributes:
        model: Empty for the server's own choice.
        base_url: Of the server; empty for the SDK's own variable (GOOGLE_GEMINI_BASE_URL,
            OPENAI_BASE_URL), then the server's own.
        temperature: Of sampling.
        reasoning: How much the model may think.
        max_output_tokens: Where the server cuts an answer off, without its thoughts where
            `reasoning` says how many are allowed; such an answer is asked for once more with four
            times the limit.
        logprobs: Alternatives per token that are asked for, 0..20; 0 asks for none.
        timeout_s: How long one request may take, seconds.
        attempts: How often a request is sent while the server refuses for the moment.
        max_wait_s: Longest time between attempts, seconds.
        requests_per_minute: To this server by all processes of this machine; 0 for no limit.
        draw: Another number asks again instead of taking the kept answer.
    """

    model: str = ""
    base_url: str = ""
    temperature: float = 0.0
    reasoning: Reasoning = Reasoning.DEFAULT
    max_output_tokens: int = 2048
    logprobs: int = 5
    timeout_s: float = 120.0
    attempts: int = 4
    max_wait_s: float = 60.0
    requests_per_minute: int = 0
    draw: int = 0

    @property
    def server(self) -> ServerSettings:
        """What of it a server is told."""
        return ServerSettings(
            model=self.model.strip(),
            base_url=self.base_url.strip(),
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
            reasoning=self.reasoning,
            logprobs=self.logprobs,
            timeout_s=self.timeout_s,
            attempts=self.attempts,
            max_wait_s=self.max_wait_s,
            stage="captions",
            offline="offline",
            less="choose a recipe with less reasoning",
            repeat_cut=True,
        )

    @classmethod
    def of_recipe(cls, recipe: Recipe, model: str = "", base_url: str = "") -> CaptionSettings:
        """What a recipe asks for; `model` wins over that of the recipe."""
        return cls(
            model=model or recipe.model,
            base_url=base_url,
            temperature=recipe.temperature,
            reasoning=recipe.reasoning,
            max_output_tokens=recipe.max_output_tokens,
            logprobs=recipe.logprobs,
        )


class Captioner(Protocol):
    """Asks a caption model, or takes the kept answer to an equal question.

    Attributes:
        name: As chosen in options.
        title: For people.
    """

    name: str
    title: str

    def available(self) -> str | None:
        """Return None if it can be used, else one sentence that says why not."""
        ...

    def identity(self) -> str:
        """Name, and the address of the environment if there is one: enters keys of results."""
        ...

    def model(self, settings: CaptionSettings) -> str:
        """The model that would be asked; empty if the server chooses."""
        ...

    def ask(
        self,
        request: SentRequest,
        schema: type[Written],
        settings: CaptionSettings,
        progress: Progress,
    ) -> tuple[Written, Reply]:
        """Take the kept answer (`Reply.cached`), or ask the server and keep what it says.

        Args:
            request: All that the model gets, in order.
            schema: Shape of the answer.
            settings: How it is asked.
            progress: Called at least every 100 ms while the server is waited for; what it raises
                ends the request at once.

        Raises:
            DataError: `no_backend`, `no_key`, `no_model`, `no_address`, `no_connection`,
                `no_pictures`, `no_video`, `timeout`, `server_refused`, `server_busy`,
                `bad_answer` (blocked, cut off or not as asked for); its text is one sentence. A
                QuestionError (of `language.inquiry`) tells what was sent for it.
            Cancelled: As `progress` raised it.
        """
        ...

    def key(self, request: SentRequest, schema: type[BaseModel], settings: CaptionSettings) -> str:
        """Under which the reply is kept: equal for all that the model cannot tell apart."""
        ...

    def pending(
        self, request: SentRequest, schema: type[BaseModel], settings: CaptionSettings
    ) -> bool:
        """Whether asking would send a request; nothing is sent."""
        ...

    def estimate(self, request: SentRequest, settings: CaptionSettings) -> Usage:
        """What asking would take, about (see `token_estimate.py`): one request, its tokens."""
        ...

    def cost(self, usage: Usage, model: str) -> float | None:
        """US dollars by the price list; None where the model is not on it."""
        ...


def captioner(name: str, store: ReplyStore | None = None) -> Captioner:
    """Make the captioner of that name.

    Args:
        name: `gemini` or `openai_compatible`.
        store: Where replies are kept; None for the folder of the environment.

    Raises:
        DataError: `no_backend` if there is none of that name.
    """
    # lazy: neither is needed to show what was answered before
    from pipeline.backends.captioning.online import OnlineCaptioner
    from pipeline.backends.language.gemini_server import GeminiServer
    from pipeline.backends.language.openai_server import OpenAIServer

    for server in (GeminiServer(), OpenAIServer()):
        if server.name == name:
            return OnlineCaptioner(server, store)
    known = ", ".join(CAPTIONERS)
    raise DataError("no_backend", f"no captioning backend “{name}”; there are: {known}.")
