"""Reads what Gemini answers: text, log-probabilities, counts, or why not."""

from __future__ import annotations

from typing import Any

from pipeline.backends.language.answer_schema import one_line
from pipeline.backends.language.credentials import Secret
from pipeline.backends.language.endpoint import Reply, ServerRefusal
from pipeline.backends.language.http_faults import retry_after, seconds
from pipeline.backends.language.token_choices import token_choice, without_key
from pipeline.model.drafting import TokenChoice

_FILTERED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
    }
)
"""Reasons for which Gemini takes an answer away, even if it has begun."""


def read_refusal(error: Any, key: Secret) -> ServerRefusal:
    """Read status, message, the reason and the time to wait of an APIError."""
    details = error.details if isinstance(error.details, dict) else {}
    inner = details.get("error")
    inner = inner if isinstance(inner, dict) else details
    wait, reasons = None, []
    listed = inner.get("details")
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict):
            continue
        reasons.append(str(item.get("reason", "")))
        if str(item.get("@type", "")).endswith("RetryInfo"):
            wait = seconds(str(item.get("retryDelay", "")))
    headers = getattr(error.response, "headers", None)
    if wait is None and headers is not None:
        wait = retry_after(headers)
    message = key.scrub(str(error.message or "")).rstrip(". ")
    return ServerRefusal(
        int(error.code or 0),
        message or "it does not say why",
        wait,
        about_key="API_KEY_INVALID" in reasons or "api key" in message.lower(),
    )


def read_reply(response: Any, model: str, key: Secret) -> Reply:
    """Read a GenerateContentResponse; thoughts are no part of the text."""
    usage = response.usage_metadata
    tokens_in = (usage.prompt_token_count or 0) if usage else 0
    tokens_out = 0
    if usage:
        tokens_out = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    blocked, reason, text = "", "", ""
    tokens: tuple[TokenChoice, ...] = ()
    if response.candidates:
        candidate = response.candidates[0]
        reason = candidate.finish_reason.name if candidate.finish_reason else ""
        parts = (candidate.content.parts or []) if candidate.content else []
        text = "".join(p.text for p in parts if p.text and not p.thought)
        if reason in _FILTERED or (not text and reason not in ("", "STOP", "MAX_TOKENS")):
            blocked = f"it stopped for the reason {reason}"
        tokens = _tokens(candidate.logprobs_result)
    else:
        feedback = response.prompt_feedback
        why = feedback.block_reason.name if feedback and feedback.block_reason else "none given"
        blocked = f"no candidate, reason {why}"
    return Reply(
        key.scrub(text),
        one_line(key.scrub(str(response.model_version or model)), 80),
        tokens_in,
        tokens_out,
        cut=reason == "MAX_TOKENS",
        blocked=blocked,
        request_id=one_line(key.scrub(str(response.response_id or "")), 120),
        tokens=without_key(tokens, key),
    )


def _tokens(result: Any) -> tuple[TokenChoice, ...]:
    """Read a LogprobsResult: the chosen token of each step, and the candidates of that step."""
    chosen = (result.chosen_candidates or []) if result is not None else []
    top = (result.top_candidates or []) if result is not None else []
    found = []
    for k, one in enumerate(chosen):
        others = (top[k].candidates or []) if k < len(top) else []
        rows = [(c.token, c.log_probability) for c in others]
        found.append(token_choice(one.token, one.log_probability, rows))
    return tuple(found)
