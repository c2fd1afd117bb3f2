"""The table of codes knows every code in the code base, and points at stages, never at faults."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.annotate import standard_graph
from pipeline.diagnosis.codes import (
    CODES,
    DATA,
    NO_SUSPECT,
    RUN,
    STAGE_ORDER,
    code_at,
    rank_of,
    suspect_of,
)
from pipeline.health.codes import HEALTH_CODES
from pipeline.model.problem import Severity
from tests.datasets import REPOSITORY

ROOMS = ("stages", "sources", "engine", "backends", "scoring", "health", "model")
"""Rooms whose findings reach an annotation or end its episode."""
MAKERS = ("Problem", "DataError", "StageFailed", "finding", "doubt")
MADE_OF_PARTS = {"no_such_dataset", "no_such_model"}
"""`no_such_{kind}` of the Hub."""


def codes_in(path: Path) -> Iterator[str]:
    """Codes that a module gives: literals and constants of the module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name not in MAKERS:
            continue
        code = node.args[1] if name == "StageFailed" else node.args[0]
        if isinstance(code, ast.Constant) and isinstance(code.value, str):
            yield code.value
        elif isinstance(code, ast.Name) and code.id in constants:
            yield constants[code.id]


def given() -> set[str]:
    modules = [m for room in ROOMS for m in (REPOSITORY / "pipeline" / room).rglob("*.py")]
    assert len(modules) > 100
    return {code for module in modules for code in codes_in(module)} | MADE_OF_PARTS


def test_the_table_knows_every_code() -> None:
    assert given() - set(CODES) == set()


def test_the_table_has_no_code_that_nobody_gives() -> None:
    assert set(CODES) - given() - set(HEALTH_CODES) == set()


def test_stages_of_the_table_are_those_of_the_pipeline() -> None:
    names = [s.name for s in standard_graph().stages]
    assert [s for s in STAGE_ORDER if s not in (DATA, RUN)] == names
    assert {c.stage for c in CODES.values()} <= set(STAGE_ORDER)


def test_the_page_tells_the_codes() -> None:
    text = (REPOSITORY / "docs/diagnosis.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| (yes|no) \| (.+?) \|$", text, re.MULTILINE)
    expected = [
        (c.code, c.stage, c.severity.value, "yes" if c.explains else "no", c.meaning)
        for c in CODES.values()
        if c.code not in HEALTH_CODES
    ]
    assert rows == expected


@pytest.mark.parametrize(
    ("warnings", "stage", "code"),
    [
        (("near_tie", "closed_at_start"), "phases", "closed_at_start"),
        (("near_tie", "identity_switch"), "tracks", "identity_switch"),
        (("one_candidate", "no_candidates"), "proposals", "no_candidates"),
        (("phases_disagree", "closed_at_start"), "phases", "closed_at_start"),
        (("robot_won", "missing_video"), "data", "missing_video"),
    ],
)
def test_the_earliest_grave_code_is_suspected(
    warnings: tuple[str, ...], stage: str, code: str
) -> None:
    suspect = suspect_of(warnings)
    assert suspect is not None
    assert (suspect.stage, suspect.code) == (stage, code)


@pytest.mark.parametrize(
    "warnings", [(), ("mask_fallback", "no_geometry"), ("no_target",), ("a_plugin_said",)]
)
def test_what_is_harmless_or_unknown_points_nowhere(warnings: tuple[str, ...]) -> None:
    assert suspect_of(warnings) is None
    assert all(rank_of(w) == NO_SUSPECT for w in warnings)


def test_a_stage_says_so_itself_by_its_gravest_code() -> None:
    warnings = ("grasp_failure", "closed_at_start", "near_tie", "no_target")
    assert code_at("phases", warnings) == "closed_at_start"
    assert code_at("masks", warnings) == ""
    assert code_at("target", warnings) == ""  # does not explain the object


def test_grave_codes_are_no_information() -> None:
    assert all(c.severity is not Severity.INFO for c in CODES.values() if c.is_grave)
