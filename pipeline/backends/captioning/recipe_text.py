"""Recipes as TOML: reading with every key and bound checked, and writing."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pipeline.model.problem import DataError
from pipeline.model.recipe import (
    PictureOptions,
    PromptParts,
    Reasoning,
    Recipe,
    Representation,
    Sampler,
)

MOST_CHARACTERS = 64 << 10
"""Longest recipe file."""
MOST_GRID_WIDTH = 4096
"""Pixels of the widest grid: columns times cells."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_BOUNDS: dict[str, tuple[float, float]] = {
    "version": (1, 1_000_000),
    "temperature": (0.0, 2.0),
    "max_output_tokens": (16, 65_536),
    "logprobs": (0, 20),
    "rate": (0.0, 1.0),
    "pictures.frames": (1, 24),
    "pictures.columns": (1, 8),
    "pictures.cell_width": (32, 1024),
    "pictures.crop_side": (32, 1024),
    "pictures.crop_scale": (1.0, 64.0),
    "pictures.jpeg_quality": (1, 100),
    "pictures.clip_share": (0.05, 1.0),
    "pictures.clip_fps": (0.5, 30.0),
    "pictures.clip_side": (64, 1280),
}
_LENGTHS = {"title": 120, "about": 4000, "model": 200}
_MOST_RULES, _RULE_LENGTH = 16, 2000
_NOT_IN_FILE = ("name", "origin", "pictures", "parts")

T = TypeVar("T")


def parse_recipe(text: str, name: str, origin: str) -> Recipe:
    """Read a recipe.

    What a file leaves out has its default; what it says and nobody knows is refused.

    Args:
        text: TOML.
        name: File name without ending.
        origin: `built in`, or the file.

    Raises:
        DataError: `bad_recipe`, one sentence that names the origin, the key and what is allowed.
    """
    where = name if origin == "built in" else origin
    try:
        return _recipe(text, name, origin)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise DataError("bad_recipe", f"{where}: {reason}") from error


def _recipe(text: str, name: str, origin: str) -> Recipe:
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a name of letters, digits, - and _ as file name, got {name!r}")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"{len(text)} characters, more than a recipe can need")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"this is no TOML ({error})") from error
    tables = {"pictures": PictureOptions(), "parts": PromptParts()}
    values: dict[str, Any] = {}
    plain = [f.name for f in dataclasses.fields(Recipe) if f.name not in _NOT_IN_FILE]
    for key, value in data.items():
        if key in tables:
            if not isinstance(value, dict):
                raise ValueError(f"{key}: expected a table, got {_kind(value)}")
            values[key] = _table(tables[key], key, value)
            continue
        _known(key, "", (*plain, *tables))
        values[key] = _top_level(key, value)
    recipe = Recipe(name=name, origin=origin, **values)
    width = min(recipe.pictures.columns, recipe.pictures.frames) * recipe.pictures.cell_width
    if width > MOST_GRID_WIDTH:
        raise ValueError(
            f"pictures: a grid of {width} pixels, expected at most {MOST_GRID_WIDTH} "
            "(columns times cell_width)"
        )
    return recipe


def _top_level(key: str, value: Any) -> Any:
    match key:
        case "representation":
            return _one_of(key, value, Representation)
        case "sampler":
            return _one_of(key, value, Sampler)
        case "reasoning":
            return _one_of(key, value, Reasoning)
        case "title" | "about" | "model":
            # Broken into lines for the file's sake only.
            return " ".join(_text(key, value, _LENGTHS[key]).split())
        case "temperature" | "rate":
            return _number(key, value)
        case _:
            return _whole(key, value)


def _table(default: Any, table: str, data: Mapping[str, Any]) -> Any:
    fields = {f.name: getattr(default, f.name) for f in dataclasses.fields(default)}
    values: dict[str, Any] = {}
    for key, value in data.items():
        _known(key, f"{table}.", fields)
        full = f"{table}.{key}"
        match fields[key]:
            case bool():
                if not isinstance(value, bool):
                    raise ValueError(f"{full}: expected true or false, got {_kind(value)}")
                values[key] = value
            case int():
                values[key] = _whole(full, value)
            case float():
                values[key] = _number(full, value)
            case _:
                values[key] = _rules(full, value)
    return dataclasses.replace(default, **values)


def _rules(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{key}: expected a list of texts, got {_kind(value)}")
    if len(value) > _MOST_RULES:
        raise ValueError(f"{key}: expected at most {_MOST_RULES} rules, got {len(value)}")
    rules = tuple(_text(key, v, _RULE_LENGTH).strip() for v in value)
    if key == "parts.rules":
        # lazy: the prompts are read when the first recipe with rules is
        from pipeline.backends.captioning.prompt_text import caption_prompts

        for rule in rules:
            _known(rule, f"{key}: rule ", caption_prompts().rules)
    return rules


def _known(key: str, prefix: str, known: Iterable[str]) -> None:
    if key not in (names := tuple(known)):
        raise ValueError(f"{prefix}{key} is not known; there are: {', '.join(names)}")


def _one_of(key: str, value: Any, choices: Any) -> Any:
    words = [str(c.value) for c in choices]
    if value not in words:
        raise ValueError(f"{key}: expected one of {', '.join(words)}, got {_kind(value)}")
    return choices(value)


def _text(key: str, value: Any, most: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key}: expected a text, got {_kind(value)}")
    if len(value) > most:
        raise ValueError(f"{key}: expected at most {most} characters, got {len(value)}")
    return value


def _whole(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{key}: expected a whole number, got {_kind(value)}")
    return int(_within(key, value))


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key}: expected a number, got {_kind(value)}")
    return float(_within(key, value))


def _within(key: str, value: Any) -> Any:
    low, high = _BOUNDS[key]
    if not low <= value <= high:
        raise ValueError(f"{key}: expected {low} to {high}, got {value}")
    return value


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return json.dumps(value, ensure_ascii=False, default=str)[:60]


def recipe_toml(recipe: Recipe) -> str:
    """Write a recipe as TOML that `parse_recipe` reads back to an equal one.

    All values are written, not only those that differ from the defaults: a default that changes
    later changes nothing in what the file means. Name and origin are those of the file.
    """
    lines = []
    for field in dataclasses.fields(Recipe):
        value = getattr(recipe, field.name)
        if field.name not in _NOT_IN_FILE and value is not None:
            lines.append(f"{field.name} = {_toml(value)}")
    for table in ("pictures", "parts"):
        lines += ["", f"[{table}]"]
        options = getattr(recipe, table)
        lines += [
            f"{f.name} = {_toml(getattr(options, f.name))}" for f in dataclasses.fields(options)
        ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    # Strings of JSON are strings of TOML, except for one character that TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
