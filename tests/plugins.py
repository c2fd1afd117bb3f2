"""Tiny distributions with entry points, as a lab would install them beside Demoscope."""

from __future__ import annotations

import re
from pathlib import Path

from tests.datasets import REPOSITORY

DOCS = REPOSITORY / "docs" / "backends.md"


def install(folder: Path, module: str, code: str, *points: str) -> Path:
    """Write a module and the metadata of its distribution; put `folder` on sys.path.

    Args:
        folder: As a site-packages.
        module: Its name.
        code: Its text.
        points: `capability name Class`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = []
    for point in points:
        capability, name, attribute = point.split()
        lines += [f"[demoscope.backends.{capability}]", f"{name} = {module}:{attribute}"]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def example_of_the_docs() -> str:
    """The detector of docs/backends.md."""
    return re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[0]
