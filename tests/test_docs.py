"""Documentation that must stay true."""

from __future__ import annotations

import re

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


def test_shortcuts_of_the_readme_exist() -> None:
    keys = {key for spec in ACTIONS for key in spec.keys}
    for key in ("Space", "G", "H", "F", "A", "D", "N", "B", "T", "E", "X", "Ctrl+R", "Ctrl+."):
        assert key in keys, key
