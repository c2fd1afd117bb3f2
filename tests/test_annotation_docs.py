"""docs/annotations.md names every column, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.annotations.columns import LONGEST_LIST
from pipeline.annotations.jsonl import LONGEST_LINE
from pipeline.annotations.judgements import MOST_CANDIDATES
from pipeline.annotations.parquet import DATASET_KEY, OPTIONS_KEY, PREFIX, schema, write_table
from tests.datasets import REPOSITORY
from tests.pipeline.annotation_records import records

TEXT = (REPOSITORY / "docs" / "annotations.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def described(heading: str) -> dict[str, list[str]]:
    """Rows of the first table after a heading, by the name in their first cell."""
    lines = iter(TEXT[TEXT.index(heading) :].splitlines())
    rows = {}
    for line in lines:
        if line.startswith("| `"):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name.strip("`")] = cells
        elif rows:
            break
    return rows


def words(kind: pa.DataType) -> str:
    """A type as the page calls it."""
    if pa.types.is_list(kind):
        inner = kind.value_type
        many = "4 " if pa.types.is_floating(inner) else ""
        return f"list of {many}{words(inner)}"
    if pa.types.is_struct(kind):
        return "struct"
    return {"double": "float64", "float": "float32"}.get(str(kind), str(kind))


def test_every_column_is_described_in_its_order_with_its_type() -> None:
    rows = described("## Columns")
    assert list(rows) == schema().names
    assert {name: cells[0] for name, cells in rows.items()} == {
        field.name: words(field.type) for field in schema()
    }
    for field in schema():
        missing = rows[field.name][3]
        assert (missing == "null") == field.nullable, field.name


def test_every_field_inside_columns_is_described() -> None:
    candidate = schema().field("candidates").type.value_type
    rows = described("`candidates`: what")
    assert {n: cells[0] for n, cells in rows.items()} == {f.name: words(f.type) for f in candidate}
    for column in (schema().field("terms").type, schema().field("phases").type.value_type):
        for field in column:
            assert f"`{field.name}`" in TEXT, field.name


def test_limits_and_keys_are_those_of_the_code() -> None:
    assert f"more than {LONGEST_LIST} candidates" in TEXT
    assert f"the first {MOST_CANDIDATES} can be judged" in TEXT
    assert f"longer than {LONGEST_LINE >> 20} MiB" in TEXT
    for key in ("schema_version", DATASET_KEY, OPTIONS_KEY):
        assert f"`{PREFIX}{key}`" in TEXT


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Names that each example leaves behind, by its first import."""
    write_table(tmp_path / "annotations.parquet", records(9), {})
    monkeypatch.chdir(tmp_path)
    found: dict[str, dict[str, Any]] = {}
    for example in EXAMPLES:
        names: dict[str, Any] = {}
        exec(compile(example, "docs/annotations.md", "exec"), names)  # noqa: S102
        found[example.split()[1]] = names
    return found


def test_the_examples_give_what_they_say(results: dict[str, dict[str, Any]]) -> None:
    own = records(9)
    known = [a.score for a in own if a.score is not None]
    by_task = results["polars"]["by_task"]
    assert by_task["score"].to_list() == pytest.approx([sum(known) / len(known)])
    codes = set(results["polars"]["warnings"]["warnings"]) - {None}
    assert codes == {"near_tie", "no_geometry"}

    candidates = results["duckdb"]["candidates"]
    assert len(candidates) == sum(len(a.candidates) for a in own)
    assert candidates["won"].sum() == sum(a.winner >= 0 for a in own)
    assert candidates["detector"].tolist() == [c.detector for a in own for c in a.candidates]

    assert results["numpy"]["boxes"].tolist() == [
        list(a.start_box) for a in own if a.start_box and a.score is not None and a.score >= 0.5
    ]
    assert len(results["pathlib"]["scores"]) == len(own)
    assert results["pathlib"]["boxes_of_all"].shape == (len(candidates), 4)
