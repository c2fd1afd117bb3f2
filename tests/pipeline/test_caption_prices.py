"""What captions cost, and what they will take."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.backends.captioning.captioner import CaptionSettings, captioner
from pipeline.backends.captioning.prices import cost_of, price_list, price_of
from pipeline.backends.captioning.token_estimate import estimated_usage, media_tokens, text_tokens
from pipeline.model.drafting import PartKind, SentPart, SentRequest
from pipeline.model.recipe import Reasoning
from pipeline.model.usage import Usage
from tests.pipeline.caption_asking import REQUEST, text


@pytest.mark.parametrize(
    ("model", "row"),
    [
        ("gemini-2.5-flash", "gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("Gemini-2.5-Flash-Lite", "gemini-2.5-flash-lite"),
        ("gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
        ("google/gemini-3-flash-preview", "gemini-3-flash"),
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("gemini-2.5-flash-image", None),
        ("gemini-2.5-flashy", None),
        ("gemini-9-pro", None),
        ("gpt-5.1", None),
        ("gpt-4", None),
        ("qwen2.5-vl-7b-instruct", None),
        ("", None),
    ],
)
def test_the_row_of_a_model(model: str, row: str | None) -> None:
    found = price_of(model)
    assert (found.model if found else None) == row


def test_rows_say_when_and_where() -> None:
    names = [p.model for p in price_list()]
    assert len(names) == len(set(names))
    for price in price_list():
        date.fromisoformat(price.date)
        assert price.source.startswith("https://")
        assert 0 < price.tokens_in < price.tokens_out < 1000


def test_costs() -> None:
    assert cost_of(Usage(1, 1000, 100), "gemini-2.5-flash") == pytest.approx(0.00055)
    assert cost_of(Usage(1, 1000, 100), "unheard-of") is None
    short = cost_of(Usage(2, 300_000, 10), "gemini-2.5-pro")
    long = cost_of(Usage(1, 300_000, 10), "gemini-2.5-pro")
    assert short is not None
    assert long is not None
    assert long == pytest.approx(2 * short, rel=0.01)  # beyond 200,000 tokens in one question
    assert captioner("gemini").cost(Usage(kept=3), "gemini-2.5-pro") == 0.0


def _picture(width: int, height: int, kind: PartKind = PartKind.IMAGE) -> SentPart:
    frames = tuple(range(10))
    return SentPart(kind, "present", "", np.ones(9, np.uint8), "image/jpeg", width, height, frames)


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gemini-2.5-flash", (384, 384), 258),
        ("gemini-2.5-flash", (960, 540), 6 * 258),  # Google's own example
        ("models/gemini-2.5-pro", (385, 100), 6 * 2 * 258),
        ("gemini-3-flash-preview", (960, 540), 1120),
        ("gpt-4.1", (1024, 1024), 85 + 4 * 170),  # OpenAI's own examples
        ("gpt-4.1", (2048, 4096), 85 + 6 * 170),
        ("qwen2.5-vl", (280, 140), 50),
        ("", (1, 1), 1),
    ],
)
def test_tokens_of_a_picture(model: str, size: tuple[int, int], tokens: int) -> None:
    assert media_tokens(_picture(*size), model) == tokens


def test_tokens_of_a_video() -> None:
    video = _picture(280, 140, PartKind.VIDEO)
    assert media_tokens(video, "gemini-2.5-pro") == 10 * 258
    assert media_tokens(video, "gemini-3-pro") == 10 * 70
    assert media_tokens(video, "qwen2.5-vl") == 5 * 50


def test_tokens_of_a_text() -> None:
    assert text_tokens("") == 0
    assert text_tokens("abcde") == 2
    assert text_tokens("门门") == 2


def test_an_estimate() -> None:
    settings = CaptionSettings(model="gemini-2.5-pro")
    words = SentRequest("Do.", (text("What is done?"),))
    few = estimated_usage(words, settings, "gemini-2.5-pro")
    many = captioner("gemini").estimate(REQUEST, settings)
    assert few.requests == many.requests == 1
    assert many.tokens_in - few.tokens_in == pytest.approx(4 * 258, abs=20)
    outs = [
        estimated_usage(words, replace(settings, reasoning=r), "gemini-2.5-pro").tokens_out
        for r in (Reasoning.OFF, Reasoning.LOW, Reasoning.DEFAULT, Reasoning.HIGH)
    ]
    assert outs == sorted(set(outs))
