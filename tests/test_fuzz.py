"""Harmed files of every format: a sentence or a result, never a crash, a hang or a write.

`python -m tests.fuzz` does the same with thousands of cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.campaign import Opener, harm_all
from tests.fuzz.toys import TOYS

MOST_BYTES = 1 << 30


@pytest.fixture(scope="module")
def opener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opener]:
    opener = Opener(tmp_path_factory.mktemp("fuzz") / "home")
    yield opener
    opener.close()


@pytest.mark.parametrize("name", TOYS)
def test_harmed_datasets_give_a_sentence(name: str, tmp_path: Path, opener: Opener) -> None:
    dataset = TOYS[name](tmp_path / "data")
    tally = harm_all(dataset, tmp_path / "data", opener, amount=3, seed=1)
    assert not tally.failures, tally.failures[0]
    assert tally.peak < MOST_BYTES
    assert tally.noticed, "no harm was noticed"
