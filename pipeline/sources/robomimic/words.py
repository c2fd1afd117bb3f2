"""Words in robomimic and LIBERO files: their JSON, and what the robot was told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.name_words import words_of_name

_LONGEST_JSON = 1 << 22
_LANGUAGE = re.compile(r"\(:language\s+([^()]{1,500})\)")
_VARIANT = re.compile(r"_D\d+$")
# What robosuite's documentation says that each environment is about.
_ENVIRONMENTS = {
    "Door": "open the door",
    "Lift": "lift the red cube",
    "NutAssemblyRound": "put the round nut on the round peg",
    "NutAssemblySquare": "put the square nut on the square peg",
    "PickPlaceBread": "pick up the bread and place it in the bin",
    "PickPlaceCan": "pick up the can and place it in the bin",
    "PickPlaceCereal": "pick up the cereal box and place it in the bin",
    "PickPlaceMilk": "pick up the milk carton and place it in the bin",
    "Stack": "put the red cube on the green cube",
    "ToolHang": "hang the tool on the frame",
    "TwoArmHandover": "hand over the hammer",
    "TwoArmLift": "lift the pot",
    "Wipe": "wipe the table",
}


def instruction_of(
    path: Path, data: Any, settings: dict[str, Any], environment: str
) -> tuple[str, str, bool]:
    """Find the instruction of a file.

    Args:
        path: The file; its name and its folders' names are the last resort.
        data: Its group `data`.
        settings: Its `env_args`.
        environment: Name of the environment.

    Returns:
        The instruction, where it comes from, and whether the file says it in words.
    """
    problem_info = json_object(hdf5.attribute(data, "problem_info"))
    words = _sentence(problem_info.get("language_instruction"))
    if words:
        return words, "problem_info", True
    own = own_instruction(data)
    if own:
        return own, "an attribute of data", True
    for name in ("lang", "language_instruction", "language"):
        words = _sentence(settings.get(name))
        if words:
            return words, f"env_args: {name}", True
    match = _LANGUAGE.search(hdf5.text(hdf5.attribute(data, "bddl_file_content"))[:_LONGEST_JSON])
    if match:
        return _sentence(match.group(1)), "bddl_file_content", True
    if path.stem.endswith("_demo") and words_of_name(path.stem):
        return words_of_name(path.stem), f"the file's name {path.name}", False
    known = _ENVIRONMENTS.get(_VARIANT.sub("", environment))
    if known:
        return known, f"our words for the environment {environment}", False
    if not environment.startswith("Libero") and words_of_name(environment):
        return words_of_name(environment), f"the environment's name {environment}", False
    for name in (path.stem, path.parent.name, path.parent.parent.name):
        if words_of_name(name):
            return words_of_name(name), f"the name {name}", False
    return "", "", False


def own_instruction(node: Any) -> str:
    """The instruction among the attributes of a group, empty if there is none."""
    for name in ("language_instruction", "instruction", "language", "task_description", "lang"):
        words = _sentence(hdf5.text(hdf5.attribute(node, name)))
        if words:
            return words
    return _sentence(json_object(hdf5.attribute(node, "ep_meta")).get("lang"))


def _sentence(value: Any) -> str:
    """Text of an instruction: a string, or words in a list as LIBERO's parser gives them."""
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        value = " ".join(value)
    return " ".join(value.split()).strip("\"' ")[:2000] if isinstance(value, str) else ""


def json_object(value: Any) -> dict[str, Any]:
    """A JSON object kept as text, empty if it is none."""
    text = hdf5.text(value)
    if not text or len(text) > _LONGEST_JSON:
        return {}
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def short_text(value: Any) -> str:
    """A string of at most 200 characters, empty for anything else."""
    return value[:200] if isinstance(value, str) else ""
