"""Writes docs/options.md: every option of every stage, from the classes themselves.

python tools/option_tables.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.annotate import standard_graph
from pipeline.model.options import OptionInfo, describe

PAGE = Path(__file__).resolve().parent.parent / "docs" / "options.md"
HEAD = (
    "# Options of the stages\n\n"
    "Made by `python tools/option_tables.py` from the option classes; a test keeps it true. "
    "Set them in the window's stage panel or with `demoscope annotate --set "
    "stage.option=value`.\n"
)


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for stage in standard_graph().stages:
        reads = ", ".join(stage.inputs) or "the demonstration"
        parts.append(f"## {stage.title} (`{stage.name}`, version {stage.version}; reads {reads})\n")
        parts.append("| Option | Default | Range | What it does | Source |\n|---|---|---|---|---|")
        parts += [_row(info) for info in describe(stage.options_type)]
        parts.append("")
    return "\n".join(parts)


def _row(info: OptionInfo) -> str:
    span = ", ".join(info.choices) if info.choices else info.span
    default = f"{info.default} {info.unit}".strip() or "(empty)"
    text = info.help.replace("|", "\\|")
    return f"| `{info.name}` | {default} | {span} | {text} | {info.source} |"


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    if "--check" in sys.argv:
        return 0 if PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
