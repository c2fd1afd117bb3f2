"""Layouts of the viewer as JSON: what may be kept, and what fits a recording. No Qt.

A layout is what the viewer's `get_blueprint` gives, without the time panel: time is the window's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TIME_PANEL = "/time_panel"
LONGEST_LAYOUT = 2**20
"""Characters. One of six cameras with all plots has some 10,000."""
LATEST_FRAME = 2**40
"""Larger numbers of a loop range are none of ours."""
_OFF, _SELECTION = "Off", "Selection"

Blueprint = dict[str, Any]
Loop = tuple[int, int] | None
"""First and last frame of the loop, or None."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One state of a viewer's blueprint.

    Attributes:
        text: The layout, as it is kept and compared.
        time_panel: The part that is not kept.
        loop: Loop range of the time panel.
    """

    text: str
    time_panel: Blueprint
    loop: Loop


def parse_blueprint(text: str) -> Blueprint:
    """Read a blueprint's JSON.

    Raises:
        ValueError: It is too long, or no object of objects by entity path.
    """
    if len(text) > LONGEST_LAYOUT:
        raise ValueError("the layout is too long")
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("the layout is nested too deeply") from error
    if not isinstance(found, dict) or not all(isinstance(part, dict) for part in found.values()):
        raise ValueError("a layout is an object of objects")
    return found


def layout_of(text: str) -> Layout:
    """Split what the viewer answered into what is kept and the time panel.

    Raises:
        ValueError: See `parse_blueprint`.
    """
    found = parse_blueprint(text)
    panel = found.pop(TIME_PANEL, {})
    return Layout(_text(found), panel, _loop_of(panel))


def with_time_panel(layout: str, panel: Blueprint, *, playing: bool) -> str:
    """A whole blueprint of a kept layout; without a time panel the viewer would reset its own.

    Raises:
        ValueError: See `parse_blueprint`.
    """
    found = parse_blueprint(layout)
    shown = panel.get("TimePanelBlueprint")
    fields = dict(shown) if isinstance(shown, dict) else {}
    fields["play_state"] = "Playing" if playing else "Paused"
    found[TIME_PANEL] = {"TimePanelBlueprint": fields}
    return _text(found)


def loop_text(loop: Loop) -> str:
    """A partial blueprint that sets or ends the loop."""
    fields: Blueprint = {"loop_mode": _OFF}
    if loop is not None:
        fields = {
            "loop_mode": _SELECTION,
            "time_selection": {"min": loop[0], "max": loop[1]},
        }
    return _text({TIME_PANEL: {"TimePanelBlueprint": fields}})


def shows_anything(layout: str, entities: Iterable[str]) -> bool:
    """True if some view of the layout has some entity of the recording in it.

    Args:
        layout: JSON.
        entities: Entity paths of the recording.

    Raises:
        ValueError: See `parse_blueprint`.
    """
    found = parse_blueprint(layout)
    paths = ["/" + entity.strip("/") for entity in entities]
    for key, part in found.items():
        view = part.get("ViewBlueprint")
        if not isinstance(view, dict):
            continue
        origin = "/" + str(view.get("space_origin", "")).strip("/")
        contents = found.get(f"{key}/ViewContents", {}).get("ViewContents", {})
        query = contents.get("query") if isinstance(contents, dict) else None
        rules = _rules(query, origin)
        if any(_is_in(path, rules) for path in paths):
            return True
    return False


def _rules(query: object, origin: str) -> list[tuple[bool, str]]:
    """Rules of a view: (includes, expression), the `$origin` replaced."""
    lines = [query] if isinstance(query, str) else query
    if not isinstance(lines, list) or not lines:
        lines = ["$origin/**"]
    rules = []
    for line in (one for text in lines for one in str(text).splitlines()):
        text = line.strip()
        includes = not text.startswith("-")
        text = text.lstrip("+-").strip()
        if text:
            place = text.replace("$origin", origin).strip("/")
            rules.append((includes, "/" + place))
    return rules


def _is_in(path: str, rules: list[tuple[bool, str]]) -> bool:
    """The most specific rule that matches decides, as in the viewer."""
    best, result = -1, False
    for includes, expression in rules:
        subtree = expression.endswith("/**")
        base = expression.removesuffix("/**").rstrip("/")
        matches = path == (base or "/") or (subtree and path.startswith(base + "/"))
        specific = 2 * len(base) + (not subtree)
        if matches and specific >= best:
            best, result = specific, includes
    return result


def _loop_of(panel: Blueprint) -> Loop:
    fields = panel.get("TimePanelBlueprint", {})
    span = fields.get("time_selection") if isinstance(fields, dict) else None
    if not isinstance(span, dict) or fields.get("loop_mode") != _SELECTION:
        return None
    ends = []
    for value in (span.get("min"), span.get("max")):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not abs(value) <= LATEST_FRAME:  # also NaN
            return None
        ends.append(round(value))
    return min(ends), max(ends)


def _text(blueprint: Blueprint) -> str:
    return json.dumps(blueprint, sort_keys=True, separators=(",", ":"))
