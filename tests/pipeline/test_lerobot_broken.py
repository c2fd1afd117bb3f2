"""Damage to image datasets and to datasets without metadata: a DataError, or a result."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset
from tests.datasets import FRONT, V3_DATA, write_v3
from tests.pipeline.test_lerobot_layouts import write_images
from tests.test_broken_metadata import Harm, cuts, wrong_columns

TABLE = V3_DATA.format(chunk_index=0, file_index=0)


@pytest.mark.parametrize("how", ["bytes", "path"])
def test_tables_with_pictures(tmp_path: Path, how: str) -> None:
    harm = Harm(write_images(tmp_path / "d", how, depth={}), TABLE)
    harm.try_all(cuts(harm.good))
    harm.try_all(wrong_columns(harm.good))


def test_first_pictures_and_depth(tmp_path: Path) -> None:
    root = write_images(tmp_path / "d", "bytes", depth={})
    path = root / TABLE
    good = path.read_bytes()
    failed = 0
    for _, data in (*cuts(good), *wrong_columns(good)):
        path.write_bytes(data)
        try:
            source = open_dataset(root)
            source.first_picture(1)  # type: ignore[attr-defined]
            reader = source.reader(source.open(0))
            reader.depth(FRONT, 3)
            reader.close()
        except DataError:
            failed += 1
    assert failed > 10


def test_tables_that_alone_say_which_episodes_there_are(tmp_path: Path) -> None:
    root = write_v3(tmp_path / "d", (12, 12))
    (root / "meta/episodes/chunk-000/file-000.parquet").unlink()
    harm = Harm(root, TABLE)
    harm.try_all(cuts(harm.good))
    harm.try_all(wrong_columns(harm.good))
