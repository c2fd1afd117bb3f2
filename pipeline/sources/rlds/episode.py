"""One RLDS episode: from its record to signals, instruction and findings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import Array
from pipeline.model.demonstration import Camera
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import MOST_FRAMES, Signal
from pipeline.sources.rlds.example import Example
from pipeline.sources.rlds.layout import Channels, Layout
from pipeline.sources.rlds.pictures import camera_of, stored_values
from pipeline.sources.rlds.tfds_metadata import Feature, Kind

_LONGEST_INSTRUCTION = 2000


@dataclass(frozen=True, slots=True)
class Episode:
    """What a record holds.

    Attributes:
        length: Steps T.
        instruction: May be empty.
        cameras: Those that have pictures.
        state: State of every step.
        action: Action of every step.
        problems: What is doubtful.
    """

    length: int
    instruction: str
    cameras: tuple[Camera, ...]
    state: Signal
    action: Signal
    problems: tuple[Problem, ...]


def step_count(example: Example, layout: Layout, where: str) -> int:
    """Number of steps T of an episode.

    Raises:
        DataError: `bad_table` if there are none, `too_long` if there are too many.
    """
    counts = [example.count(f"steps/{name}") for name in ("is_first", "is_last")]
    counts += [example.count(f.key) for f in layout.cameras.values() if f.kind is Kind.IMAGE]
    for part in (*layout.state, *layout.action):
        size = math.prod(part.feature.step_shape) if part.feature.encoding == "none" else 1
        counts.append(example.count(_key(example, part.feature)) // size)
    length = next((n for n in counts if n), 0)
    if not length:
        raise DataError("bad_table", f"{where} has no steps")
    if length > MOST_FRAMES:
        raise DataError("too_long", f"{where} has {length} steps, more than can be open")
    return length


def read_episode(example: Example, layout: Layout, where: str) -> Episode:
    """Read what is not pictures.

    Args:
        example: The record.
        layout: Which feature is what.
        where: The episode, for sentences.

    Raises:
        DataError: `bad_table` or `too_long`.
    """
    length = step_count(example, layout, where)
    problems = _flags(example, length)
    state = _signal(example, layout.state, length, problems)
    action = _signal(example, layout.action, length, problems, hold_last=_ends(example, length))
    text, changes = instruction_of(example, layout, length)
    if changes is not None:
        said = f"the instruction changes at step {changes}; the first one is used"
        problems.append(Problem("instruction_changes", said, frame=changes))
    cameras = []
    for key, feature in layout.cameras.items():
        camera = camera_of(example, key, feature, f"{where}: {key}")
        if isinstance(camera, Camera):
            cameras.append(camera)
        else:
            problems.append(Problem("camera_missing", camera, Severity.INFO))
        have = example.count(feature.key)
        if feature.kind is Kind.IMAGE and 0 < have < length:
            said = f"camera {key} has {have} pictures for {length} steps"
            problems.append(Problem("video_shorter", said, frame=have))
    return Episode(length, text, tuple(cameras), state, action, tuple(problems))


def instruction_of(example: Example, layout: Layout, length: int) -> tuple[str, int | None]:
    """The instruction, and the first step at which it is another one (None if it stays).

    The first feature that says anything is taken; a feature of the episode counts like one of
    its first step.
    """
    for feature in layout.instructions:
        texts = _texts(example, feature, length)
        said = [(i, t) for i, t in enumerate(texts) if t]
        if said:
            first = said[0][1]
            changes = next((i for i, t in said if t != first), None)
            return first, changes
    return "", None


def _texts(example: Example, feature: Feature, length: int) -> list[str]:
    if feature.kind is Kind.TEXT:
        key = _key(example, feature)
        # Many steps, mostly the same words.
        known: dict[bytes, str] = {}
        for text in example.texts(key)[:length]:
            if text not in known:
                known[text] = _clean(text[: 4 * _LONGEST_INSTRUCTION].decode(errors="replace"))
        return [known[text] for text in example.texts(key)[:length]]
    size = math.prod(feature.step_shape)
    codes = example.numbers(feature.key, 0, size)
    if codes is None:
        return []
    return [_clean("".join(chr(c) for c in codes if 0 < c < 0xD800))]


def _clean(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())[:_LONGEST_INSTRUCTION]


def _key(example: Example, feature: Feature) -> str:
    """Name of a feature's values: nested sequences keep theirs under a name of their own."""
    if len(feature.lengths) > 1 and feature.key not in example.keys:
        return f"{feature.key}/ragged_flat_values"
    return feature.key


def _signal(
    example: Example,
    parts: Sequence[Channels],
    length: int,
    problems: list[Problem],
    hold_last: bool = False,
) -> Signal:
    """Join numeric features; one that is missing becomes NaN, so that columns keep their place."""
    signal = Signal(length)
    for part in parts:
        try:
            values = _table(example, part.feature, length)
        except DataError as error:
            problems.append(Problem(error.code, str(error)))
            values = np.full((length, len(part.columns)), np.nan, np.float32)
        if hold_last and length > 1:
            values = values.copy()
            values[-1] = values[-2]
        signal.add(part.name, values, part.columns)
    return signal


def _table(example: Example, feature: Feature, length: int) -> Array:
    """(T, n) values of a feature. Raises DataError `bad_feature`."""
    size = math.prod(feature.step_shape)
    name = feature.key.removeprefix("steps/")
    if feature.encoding != "none":
        rows = [stored_values(example, feature, i, name).reshape(-1) for i in range(length)]
        return np.stack(rows)
    values = example.numbers(_key(example, feature))
    if values is None:
        raise DataError("bad_feature", f"{name} is not in this episode")
    if len(values) != length * size:
        text = f"{name} has {len(values)} values, {length} steps of {size} were expected"
        raise DataError("bad_feature", text)
    return values.reshape(length, size)


def _ends(example: Example, length: int) -> bool:
    """True if the last step is marked as such."""
    last = example.numbers("steps/is_last")
    return last is not None and len(last) == length and bool(last[-1])


def _flags(example: Example, length: int) -> list[Problem]:
    """What is_first and is_last say about the episode as a whole."""
    first, last = (example.numbers(f"steps/{name}") for name in ("is_first", "is_last"))
    problems = []
    if first is not None and len(first) and not first[0]:
        text = "the first step is not marked is_first: the episode's beginning is missing"
        problems.append(Problem("episode_cut", text, frame=0))
    if last is not None and len(last) == length:
        marked = np.flatnonzero(last)
        if not len(marked):
            text = "no step is marked is_last: the episode's end is missing"
            problems.append(Problem("episode_cut", text, frame=length - 1))
        elif marked[0] < length - 1:
            text = f"step {marked[0]} of {length} is marked is_last: several episodes in one?"
            problems.append(Problem("episode_cut", text, frame=int(marked[0])))
    return problems
