"""Which features of an RLDS dataset are cameras, state, action and instruction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model.problem import DataError
from pipeline.sources.gripper_channels import tokens
from pipeline.sources.rlds.catalogue import KnownDataset
from pipeline.sources.rlds.tfds_metadata import Feature, Kind

_MOST_CHANNELS = 256
"""Vectors with more values per step are embeddings or maps, no signal of a robot."""
_PICTURE = frozenset({"image", "rgb", "img", "color", "colour", "camera", "depth", "with", "d"})
_INSTRUCTIONS = (
    "steps/language_instruction",
    "steps/observation/language_instruction",
    "steps/observation/natural_language_instruction",
    "steps/natural_language_instruction",
    "steps/observation/instruction",
    "steps/instruction",
)
_WORDS = frozenset({"instruction", "instructions", "task", "language", "caption"})
_OTHERS = frozenset({"reward", "discount", "is_terminal"})


@dataclass(frozen=True, slots=True)
class Channels:
    """A numeric feature of every step.

    Attributes:
        feature: Where it is.
        name: Name of the part in state or action.
        columns: Names of its columns.
    """

    feature: Feature
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What is read of each episode.

    Attributes:
        cameras: Colour pictures by camera key.
        depths: Depth by the camera key that it belongs to.
        state: Parts of the state, in order.
        action: Parts of the action, in order.
        instructions: Features that may hold the instruction, best first.
        found: For `DatasetInfo.found`.
        ignored: For `DatasetInfo.ignored`.
    """

    cameras: dict[str, Feature]
    depths: dict[str, Feature]
    state: tuple[Channels, ...]
    action: tuple[Channels, ...]
    instructions: tuple[Feature, ...]
    found: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of all columns of the state."""
        return tuple(n for part in self.state for n in part.columns)

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of all columns of the action."""
        return tuple(n for part in self.action for n in part.columns)


def layout_of(features: Sequence[Feature], known: KnownDataset | None, where: str) -> Layout:
    """Sort the features.

    Args:
        features: All of features.json.
        known: What is known of the dataset besides.
        where: The dataset, for the sentence.

    Raises:
        DataError: `not_rlds` if it has no steps: TFDS holds other things than robot episodes.
    """
    steps = [f for f in features if f.key.startswith("steps/") and f.lengths]
    if not steps:
        text = f"{where} is a TFDS dataset without “steps”: no robot episodes (RLDS) that can open"
        raise DataError("not_rlds", text)
    cameras: dict[str, Feature] = {}
    depths: list[Feature] = []
    signals: list[Feature] = []
    ignored: list[str] = []
    texts = [f for f in features if _is_text(f)]
    for feature in steps:
        name = feature.key.rsplit("/", 1)[-1]
        in_observation = feature.key.startswith("steps/observation/")
        if feature in texts or name in ("is_first", "is_last") or name in _OTHERS:
            continue
        if _is_picture(feature):
            if len(feature.lengths) > 1 and feature.lengths[1:] != (1,):
                ignored.append(f"{_short(feature)}: several pictures per step")
            elif "depth" in tokens(name) and "with" not in tokens(name):
                depths.append(feature)
            else:
                cameras[_short(feature)] = feature
        elif feature.kind is Kind.NUMBERS and (
            in_observation or feature.key.split("/")[1].startswith("action")
        ):
            why = _no_signal(feature)
            if why:
                ignored.append(f"{_short(feature)}: {why}")
            else:
                signals.append(feature)
        else:
            why = _no_signal(feature) or "neither seen nor done by the robot"
            ignored.append(f"{_short(feature)}: {why}")
    action = [f for f in signals if f.key == "steps/action" or f.key.startswith("steps/action/")]
    if not action:
        action = [f for f in signals if not f.key.startswith("steps/observation/")]
    state = [f for f in signals if f.key.startswith("steps/observation/")]
    more = [f for f in signals if f not in action and f not in state]
    if more:
        ignored.append(f"{', '.join(_short(f) for f in more)}: the action in other words")
    here = [n for n in sorted(_OTHERS) if any(f.key == f"steps/{n}" for f in steps)]
    if here:
        ignored.append(f"{', '.join(here)}: about learning, not about what is seen")
    # `state` and `joint_state` first: a robot's own vector before derived poses.
    state.sort(key=lambda f: (f.key != "steps/observation/state", len(f.key.split("/"))))
    instructions = _instructions(texts)
    ignored += [f"{_short(f)}: text that is no instruction" for f in texts if f not in instructions]
    paired = _pair(cameras, depths)
    used = {f.key for f in paired.values()}
    ignored += [f"{_short(f)}: depth of no camera" for f in depths if f.key not in used]
    names = known.state_names if known is not None else ()
    found = [f"{len(cameras)} cameras" if len(cameras) != 1 else "1 camera"]
    found += [f"depth of {key}: {_depth_unit(f)}" for key, f in paired.items()]
    if instructions:
        found.append(f"instruction from {instructions[0].key}")
    found.append("the last step's action, invalid in RLDS, is that of the step before")
    return Layout(
        cameras,
        paired,
        tuple(_channels(f, "steps/observation/", names) for f in state),
        tuple(_channels(f, "steps/", ()) for f in action),
        tuple(instructions),
        tuple(found),
        tuple(ignored),
    )


def _short(feature: Feature) -> str:
    return feature.key.removeprefix("steps/").removeprefix("observation/")


def _is_text(feature: Feature) -> bool:
    if feature.kind is Kind.TEXT:
        return True
    # Language Table keeps its instruction as code points.
    name = feature.key.rsplit("/", 1)[-1]
    return feature.dtype == "int32" and "instruction" in name and len(feature.shape) == 1


def _is_picture(feature: Feature) -> bool:
    if feature.kind is Kind.IMAGE:
        return True
    shape, name = feature.shape, feature.key.rsplit("/", 1)[-1]
    if feature.kind is not Kind.NUMBERS or len(shape) not in (2, 3) or min(shape[:2]) < 16:
        return False
    if "depth" in tokens(name):
        return len(shape) == 2 or shape[2] == 1
    # A 3-vector of a 4x4 grid is no picture; uint8 of this size is.
    return len(shape) == 3 and shape[2] in (1, 3, 4) and feature.dtype in ("uint8", "float32")


def _no_signal(feature: Feature) -> str:
    """Why a numeric feature is no signal, empty if it is one."""
    size = math.prod(feature.step_shape)
    if "embedding" in tokens(feature.key):
        return "an embedding, not a signal of the robot"
    if min(feature.step_shape, default=1) < 0:
        return "of another length at each step"
    if size > _MOST_CHANNELS or size < 1:
        return f"{size} values per step are no signal of a robot"
    return ""


def _channels(feature: Feature, prefix: str, names: tuple[str, ...]) -> Channels:
    name = feature.key.removeprefix(prefix)
    count = math.prod(feature.step_shape)
    if name == "state" and len(names) == count:
        columns = tuple(f"{name}.{n}" for n in names)
    elif count == 1:
        columns = (name,)
    else:
        columns = tuple(f"{name}.{i}" for i in range(count))
    return Channels(feature, name, columns)


def _instructions(texts: Sequence[Feature]) -> list[Feature]:
    by_key = {f.key: f for f in texts}
    best = [by_key[key] for key in _INSTRUCTIONS if key in by_key]
    if best:
        return best
    return [f for f in texts if set(tokens(f.key.rsplit("/", 1)[-1])) & _WORDS]


def _stem(key: str) -> tuple[str, ...]:
    """What is left of a name without the words for picture and depth."""
    return tuple(t for t in tokens(key.rsplit("/", 1)[-1]) if t not in _PICTURE)


def _pair(cameras: dict[str, Feature], depths: Sequence[Feature]) -> dict[str, Feature]:
    """Give each depth to the camera of the same name (`wrist_image` - `wrist_depth`)."""
    paired: dict[str, Feature] = {}
    for depth in depths:
        for key in cameras:
            if _stem(key) == _stem(_short(depth)) and key not in paired:
                paired[key] = depth
                break
    return paired


def _depth_unit(feature: Feature) -> str:
    if feature.dtype.startswith("float"):
        return "taken as metres, the format does not say"
    return "taken as millimetres, the format does not say"
