"""Caption recipes: what a model is shown and told. Data, not code (spec, captions, Drafting)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum


class Representation(StrEnum):
    """How the clip is shown."""

    COLLAGE = "collage"
    FRAMES = "frames"
    VIDEO = "video"
    COLLAGE_VIDEO = "collage_video"


class Sampler(StrEnum):
    """Which frames of the present are shown (spec, captions, Samplers)."""

    UNIFORM = "uniform"
    MIDDLE = "middle"
    LATE_LAST = "late_last"
    DP = "dp"
    DP_FPS = "dp_fps"
    MG_RGB = "mg_rgb"
    MG_FEATURE = "mg_feature"


class Reasoning(StrEnum):
    """How much the model may think before it answers; servers that cannot be told ignore it."""

    DEFAULT = "default"
    OFF = "off"
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """How pictures are made.

    Attributes:
        frames: Per grid and per row of close-ups.
        columns: Of a grid.
        cell_width: Of one frame in a grid, pixels; the height follows the camera.
        crop_side: Of a close-up as it is sent, pixels; it is square.
        crop_scale: Side of a close-up in local gripper scales, each about a quarter of the
            gripper's width; 16 is the diameter of the proximity sphere of the scores. Within a
            quarter and 0.6 of the picture's shorter side, whatever the scale is.
        jpeg_quality: 1..100.
        clip_share: Middle share of the clip that a video shows, 0..1.
        clip_fps: Frames per second of the video.
        clip_side: Longer side of the video, pixels.
    """

    frames: int = 6
    columns: int = 3
    cell_width: int = 384
    crop_side: int = 384
    crop_scale: float = 24.0
    jpeg_quality: int = 90
    clip_share: float = 0.6
    clip_fps: float = 4.0
    clip_side: int = 512


@dataclass(frozen=True, slots=True)
class PromptParts:
    """What is said beside the pictures; each can be switched.

    Attributes:
        vocabulary: The list of verbs.
        rules: Names of verb-scoped rules of resources/prompts/captions.toml, e.g. `stack`.
        own_rules: Texts of further rules, written after those as they are.
        mini_cot: PREVIOUS / NEXT / CURRENT before the caption (large models only).
        temporal_tokens: `[t=0.33]` before each picture.
        marks: Candidate outlines and numbers drawn on the pictures.
        hand_trace: The gripper reference and where it came from, drawn on the pictures.
        previous_caption: The caption before, as already finished.
        instruction: The instruction of the episode.
        primitives: The tags that a person gave.
    """

    vocabulary: bool = True
    rules: tuple[str, ...] = ("stack",)
    own_rules: tuple[str, ...] = ()
    mini_cot: bool = False
    temporal_tokens: bool = False
    marks: bool = False
    hand_trace: bool = False
    previous_caption: bool = False
    instruction: bool = True
    primitives: bool = True


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe.

    Attributes:
        name: File name without ending; letters, digits, `-`, `_`.
        version: Raised when its meaning changes.
        title: For people.
        about: What it is for, and what it was measured at (with source).
        representation: How the clip is shown.
        sampler: Frames of the present.
        pictures: How pictures are made.
        parts: What is said.
        model: Suggested model, empty for the backend's own.
        reasoning: How much the model may think.
        temperature: Of sampling.
        max_output_tokens: Where the server cuts the answer off.
        logprobs: Alternatives per token that are asked for, 0 for none.
        rate: Published share of acceptable captions, 0..1; None where nobody measured it.
        origin: `built in`, or the file it was read from.
    """

    name: str
    version: int = 1
    title: str = ""
    about: str = ""
    representation: Representation = Representation.COLLAGE
    sampler: Sampler = Sampler.UNIFORM
    pictures: PictureOptions = field(default_factory=PictureOptions)
    parts: PromptParts = field(default_factory=PromptParts)
    model: str = ""
    reasoning: Reasoning = Reasoning.DEFAULT
    temperature: float = 0.0
    max_output_tokens: int = 2048
    logprobs: int = 5
    rate: float | None = None
    origin: str = "built in"

    @property
    def identity(self) -> str:
        """Name, version and a hash of all that decides what is sent, e.g. `hand-collage-1-3f9a`."""
        values = dataclasses.asdict(self)
        for name in ("title", "about", "rate", "origin"):
            del values[name]
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        return f"{self.name}-{self.version}-{digest}"
