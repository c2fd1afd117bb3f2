"""What stands out in the 3D view, and that it is put back as it was logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rerun_scenes import scene
from viewers.rerun_emphasis import THICKER, Emphasis, emphasis_bytes
from viewers.rerun_inputs import camera_path
from viewers.rerun_log import recording_bytes

CAMERA = camera_path(scene().camera_model)
TERMS = ("motion", "detector", "proximity", "overlap")


def emphasis(term: str, candidate: int = 1) -> Emphasis:
    return Emphasis(term, candidate, 1, CAMERA, True)


def static_values(data: bytes, folder: Path) -> dict[str, dict[str, Any]]:
    """Static colours and sizes by entity."""
    from rerun.chunk import RrdReader

    path = folder / f"{len(list(folder.iterdir()))}.rrd"
    path.write_bytes(data)
    found: dict[str, dict[str, Any]] = {}
    for chunk in RrdReader(str(path)).store().stream():
        batch = chunk.to_record_batch()
        for name in batch.schema.names if chunk.is_static else ():
            if name.rpartition(":")[2] in ("colors", "radii", "line_radii", "widths"):
                values = found.setdefault(chunk.entity_path.lstrip("/"), {})
                values[name] = batch[name].to_pylist()[-1]
    return found


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("candidate", [0, 1])
def test_putting_back_is_what_was_logged(term: str, candidate: int, tmp_path: Path) -> None:
    logged = static_values(recording_bytes(scene()), tmp_path)
    now = emphasis(term, candidate)
    back = static_values(emphasis_bytes("a", "b", now, None), tmp_path)
    assert set(back) == set(now.entities)
    for entity, values in back.items():
        assert entity in logged, entity
        for component, value in values.items():
            assert logged[entity][component] == value, (entity, component)


@pytest.mark.parametrize("term", TERMS)
def test_what_stands_out_has_the_terms_colour_and_is_thicker(term: str, tmp_path: Path) -> None:
    now = emphasis(term)
    strong = static_values(emphasis_bytes("a", "b", None, now), tmp_path)
    assert set(strong) == set(now.entities)
    r, g, b, a = now.color
    packed = r << 24 | g << 16 | b << 8 | a
    for values in strong.values():
        colors = [v for name, v in values.items() if name.endswith("colors")]
        assert colors == [[packed]]
    assert THICKER > 2


def test_without_geometry_there_is_nothing_in_the_world() -> None:
    flat = Emphasis("proximity", 1, 1, CAMERA, False)
    assert not any(e.startswith("world/") for e in flat.entities)
    assert any(e.startswith("world/") for e in emphasis("proximity").entities)
    assert not any(e.startswith("world/") for e in emphasis("detector").entities)
