"""Documentation that must stay true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.actions import ACTIONS
from app.cli import build_parser
from tests.datasets import REPOSITORY
from tools.option_tables import PAGE, page


def test_option_tables_are_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tools/option_tables.py"


def test_readme_names_every_command_and_existing_files() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (commands,) = [a for a in build_parser()._actions if a.dest == "command"]
    for command in commands.choices:
        assert f"demoscope {command}" in text or f"make {command}" in text, command
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (REPOSITORY / target).exists(), target


PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text("utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        file = page.parent / target if target else page
        assert file.exists(), f"{target}: there is no such file"
        if anchor:
            assert anchor in anchors(file.read_text("utf-8")), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_modules_that_pages_name_exist(page: Path) -> None:
    """Only whole paths from the root; globs and places of the user are none."""
    named = r"`((?:app|docs|pipeline|resources|tests|tools|viewers|widgets)(?:/[\w.-]+)+)`"
    for path in re.findall(named, page.read_text("utf-8")):
        assert (REPOSITORY / path).exists(), path


def anchors(text: str) -> set[str]:
    """Names of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}


def test_shortcuts_of_the_readme_exist() -> None:
    keys = {key for spec in ACTIONS for key in spec.keys}
    for key in ("Space", "G", "H", "F", "A", "D", "N", "B", "T", "E", "X", "Ctrl+R", "Ctrl+."):
        assert key in keys, key
