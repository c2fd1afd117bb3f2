"""Reads a chat completion: text, log-probabilities, counts, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.backends.language.answer_schema import one_line
from pipeline.backends.language.credentials import Secret
from pipeline.backends.language.endpoint import Reply, ServerRefusal
from pipeline.backends.language.http_faults import retry_after
from pipeline.backends.language.token_choices import (
    token_choice,
    whole_characters,
    without_key,
)
from pipeline.model.drafting import TokenChoice
from pipeline.model.problem import DataError

_MOST_TOKENS = 1_000_000_000
"""More than any model reads or writes: what a server counts beyond it is no count."""
_NO_CREDIT = frozenset({"insufficient_quota", "billing_not_active"})


def read_refusal(status: int, headers: Mapping[str, str], data: Any, key: Secret) -> ServerRefusal:
    """Read OpenAI's `error` object, vLLM's flat one, Ollama's text, or whatever came."""
    error = data.get("error", data) if isinstance(data, dict) else None
    message, code = "", ""
    if isinstance(error, dict):
        # FastAPI servers (vLLM before the request is parsed) have `detail`.
        message = str(error.get("message") or error.get("detail") or "")
        code = str(error.get("code") or error.get("type") or "")
        parameter = error.get("param")
        if parameter and str(parameter) not in message:
            message = f"{parameter}: {message}"
    elif isinstance(error, str):
        message = error
    return ServerRefusal(
        status,
        key.scrub(message).rstrip(". ") or "it does not say why",
        retry_after(headers),
        about_key=code == "invalid_api_key",
        final=code in _NO_CREDIT,
    )


def read_reply(data: dict[str, Any], model: str, request_id: str, key: Secret, stage: str) -> Reply:
    """Read a chat completion.

    Args:
        data: The JSON object.
        model: The one that was asked.
        request_id: Of the header; that of the object is taken if it is empty.
        key: Masked in all that is read.
        stage: Whose option the address is, for the sentence.

    Raises:
        DataError: `bad_answer`; it holds no choice.
    """
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise DataError(
            "bad_answer", f"the answer holds no choice with a message; check {stage}.base_url."
        )
    content = message.get("content")
    if isinstance(content, list):
        parts = [str(p.get("text", "")) for p in content if isinstance(p, dict)]
        content = "".join(parts)
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    reason = choice.get("finish_reason")
    blocked = str(message.get("refusal") or "")
    if reason == "content_filter":
        blocked = "its content filter stopped it"
    return Reply(
        whole_characters(key.scrub(str(content or ""))),
        one_line(key.scrub(str(data.get("model") or model)), 80),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        cut=reason == "length",
        blocked=one_line(key.scrub(blocked), 200),
        request_id=one_line(key.scrub(request_id or str(data.get("id") or "")), 120),
        tokens=without_key(_tokens(choice.get("logprobs")), key),
    )


def _tokens(logprobs: Any) -> tuple[TokenChoice, ...]:
    """Read `choices[0].logprobs`; servers leave it out, send null, or have their own form."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    found = []
    for one in content if isinstance(content, list) else []:
        if not isinstance(one, dict) or "token" not in one:
            return ()
        top = one.get("top_logprobs")
        rows = [
            (other.get("token"), other.get("logprob"))
            for other in (top if isinstance(top, list) else [])
            if isinstance(other, dict)
        ]
        found.append(token_choice(one["token"], one.get("logprob"), rows))
    return tuple(found)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value <= _MOST_TOKENS else 0
