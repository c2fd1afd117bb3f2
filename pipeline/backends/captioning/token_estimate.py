"""What a question will take, about, before anything is sent.

Tokens in, by what both vendors document (the count that comes back is what counts):

- text: 4 ASCII characters or 1 other character each, system text and schema included;
- Gemini 2: a picture of at most 384 x 384 pixels is 258; a larger one is cut into tiles of side
  `floor(min(width, height) / 1.5)`, 258 each; a frame of a video is 258;
- Gemini 3 and later: 1120 a picture, 70 a frame of a video (default media resolution);
- OpenAI (`gpt-`, `o1` ...): fitted into 2048 x 2048, then the shorter side to at most 768, 85 and
  170 for each tile of 512 x 512;
- other servers (Qwen-VL and its kin): one per 28 x 28 pixels; every second frame of a video.

Tokens out (our estimate): 120 for a caption, 180 more for a mini-CoT, and what models of the kind
think: 512 at `low`, 4096 at `high`, 1024 where a thinking model decides by itself.
"""

from __future__ import annotations

import math
import re

from pipeline.backends.captioning.captioner import CaptionSettings
from pipeline.model.drafting import PartKind, SentPart, SentRequest
from pipeline.model.recipe import Reasoning
from pipeline.model.usage import Usage

_TILE = 258
_SMALL = 384
_SCHEMA = 110
_CAPTION = 120
_MINI_COT = 180
_THOUGHTS = {Reasoning.OFF: 0, Reasoning.LOW: 512, Reasoning.HIGH: 4096}
_BY_ITSELF = 1024
_OLD_GEMINI = re.compile(r"(models/)?gemini-[12]\b")
_GEMINI = re.compile(r"(models/)?gemini-")
_OPENAI = re.compile(r"(gpt-|chatgpt-|o\d)")
_THINKING = re.compile(r"(models/)?(gemini-2\.5|gemini-[3-9])|gpt-5|o\d")


def estimated_usage(request: SentRequest, settings: CaptionSettings, model: str) -> Usage:
    """One request, and its tokens by the formulas above.

    Args:
        request: All that would be sent.
        settings: How it would be asked.
        model: Which model, empty if the server chooses.
    """
    tokens = text_tokens(request.system) + _SCHEMA
    for part in request.parts:
        if part.kind is PartKind.TEXT:
            tokens += text_tokens(part.text)
        else:
            tokens += media_tokens(part, model)
    written = _CAPTION + (_MINI_COT if "PREVIOUS" in request.system else 0)
    if settings.reasoning is Reasoning.DEFAULT:
        written += _BY_ITSELF if _THINKING.match(model) else 0
    else:
        written += _THOUGHTS[settings.reasoning]
    return Usage(1, tokens, written)


def text_tokens(text: str) -> int:
    """Tokens of a text: 4 ASCII characters or 1 other character each."""
    plain = sum(c.isascii() for c in text)
    return -(-plain // 4) + len(text) - plain


def media_tokens(part: SentPart, model: str) -> int:
    """Tokens of a picture or a video."""
    if part.kind is PartKind.VIDEO:
        frames = max(len(part.frames), 1)
        if _OLD_GEMINI.match(model):
            return _TILE * frames
        if _GEMINI.match(model):
            return 70 * frames
        return -(-frames // 2) * _patches(part.width, part.height)
    if _OLD_GEMINI.match(model):
        return _gemini_tiles(part.width, part.height)
    if _GEMINI.match(model):
        return 1120
    if _OPENAI.match(model):
        return _openai_tiles(part.width, part.height)
    return _patches(part.width, part.height)


def _gemini_tiles(width: int, height: int) -> int:
    if width <= _SMALL and height <= _SMALL:
        return _TILE
    side = max(math.floor(min(width, height) / 1.5), 1)
    return _TILE * math.ceil(width / side) * math.ceil(height / side)


def _openai_tiles(width: int, height: int) -> int:
    scale = min(1.0, 2048 / max(width, height, 1))
    scale *= min(1.0, 768 / max(min(width, height) * scale, 1.0))
    return 85 + 170 * math.ceil(width * scale / 512) * math.ceil(height * scale / 512)


def _patches(width: int, height: int) -> int:
    return max(math.ceil(width / 28) * math.ceil(height / 28), 1)
