"""What a caption model was shown, and what it answered: kept byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.arrays import U8
from pipeline.model.caption_fields import CaptionFields
from pipeline.model.problem import Problem


class PartKind(StrEnum):
    """What one part of a request is."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class SentPart:
    """One part of a request, in the order in which it is sent.

    Attributes:
        kind: What it is.
        role: `past`, `present`, `future`, `close-ups`, `clip`, or what a text is: `question`, ...
        text: Of a text; empty otherwise.
        data: (n,) uint8, the encoded picture or video as sent; empty for a text.
        mime: E.g. `image/jpeg`; empty for a text.
        width: Pixels, 0 for a text.
        height: Pixels, 0 for a text.
        frames: Episode frames that are seen in it, in reading order.
        boxes: Part of each frame that is seen, (x0, y0, x1, y1) in pixels of the camera; empty
            where all of it is.
        note: What a person should know, e.g. which fallback a crop took; never sent.
    """

    kind: PartKind
    role: str
    text: str
    data: U8
    mime: str = ""
    width: int = 0
    height: int = 0
    frames: tuple[int, ...] = ()
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """All that a model gets.

    Attributes:
        system: What it is to do.
        parts: Texts, pictures and videos in order; the user's turn.
        recipe: Name of the recipe.
        recipe_identity: `Recipe.identity`.
        purpose: `draft`, `revise` or `judge`.
    """

    system: str
    parts: tuple[SentPart, ...]
    recipe: str = ""
    recipe_identity: str = ""
    purpose: str = "draft"


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """One token of the answer and what else it might have been.

    Attributes:
        token: As the server writes it, with its spaces.
        logprob: Natural logarithm of its probability.
        alternatives: (token, logprob), the most probable first; may hold the chosen one.
    """

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        text: As the model wrote it.
        model: As the server names it.
        request_id: Of the server, empty if it gives none.
        at: When it was asked, UTC, ISO 8601.
        seconds: From question to answer, with all repeats.
        tokens_in: As the server counts them.
        tokens_out: The same, thoughts included.
        cost: US dollars by the price list, None where the model is not on it.
        cached: Whether the answer was kept from an equal question, so that nothing was sent.
        requests: Sent for it, the refused ones included; 0 if cached.
        tokens: With log-probabilities, empty where the server gives none.
        dropped: Options that the server did not take.
    """

    text: str
    model: str
    request_id: str = ""
    at: str = ""
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    cached: bool = False
    requests: int = 0
    tokens: tuple[TokenChoice, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question to a model and its answer.

    Attributes:
        request: As sent.
        reply: As it came.
    """

    request: SentRequest
    reply: Reply


@dataclass(frozen=True, slots=True)
class CaptionVersion:
    """One version of a caption that a drafter wrote.

    Attributes:
        text: The sentence.
        fields: Its parts.
        drafter: `offline`, `gemini`, `openai_compatible`, ...
        model: Which model, empty offline.
        recipe: `Recipe.identity`, empty offline.
        critique: `uid` of the critique that it answers, empty for the draft.
        reasoning: What the model wrote before the caption (mini-CoT), or empty.
        exchange: What was asked and answered, None offline.
        problems: `caption_outside_vocabulary`, `crop_fallback`, `revision_not_offline`, ...
    """

    text: str
    fields: CaptionFields
    drafter: str
    model: str = ""
    recipe: str = ""
    critique: str = ""
    reasoning: str = ""
    exchange: Exchange | None = None
    problems: tuple[Problem, ...] = ()
