from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.annotate import annotate_episode, standard_graph
from pipeline.annotations.table import AnnotationTable
from pipeline.curation.clips import CachedClips
from pipeline.engine.cache import ResultCache
from pipeline.evaluation.remeasuring import remeasure
from pipeline.scoring.formula import ScoresOptions
from pipeline.sources.detect import open_dataset
from tests.datasets import SAMPLE

MEASURED = ("motion_in", "motion_out", "proximity", "overlap", "relief")


@pytest.fixture(scope="module")
def annotated(_own_folders: Path) -> tuple[AnnotationTable, CachedClips]:
    """The sample's first episode, its clips from the cache, and rows that have none."""
    source, graph = open_dataset(SAMPLE), standard_graph()
    cache = ResultCache(_own_folders / "cache" / "results")
    done = annotate_episode(source, 0, graph=graph, cache=cache)
    missing = done.annotations[0].model_copy(update={"subtask_index": 7})
    nowhere = missing.model_copy(update={"episode_index": 999})
    table = AnnotationTable.of([*done.annotations, missing, nowhere])
    return table, CachedClips(table, source, graph, {}, cache)


def test_clips_of_the_cache_give_the_terms_of_the_run(
    annotated: tuple[AnnotationTable, CachedClips],
) -> None:
    table, clips = annotated
    rows = len(table) - 2
    found = remeasure(table, clips(range(len(table))), [ScoresOptions()])
    # A subtask and an episode that do not exist are left out.
    assert found.rows.tolist() == list(range(rows))
    again, before = found.tables[0].candidates, table.take(found.rows).candidates
    for name in MEASURED:
        np.testing.assert_array_equal(getattr(again, name), getattr(before, name))


def test_rows_of_other_datasets_are_left_out(
    annotated: tuple[AnnotationTable, CachedClips],
) -> None:
    table, clips = annotated
    own = table.dataset[0]
    assert own
    for name, count in ((own, 1), ("other", 0)):
        some = CachedClips(table, clips.source, clips.graph, {}, clips.cache, dataset=name)
        assert len(list(some([0]))) == count


def test_an_empty_cache_gives_nothing(
    annotated: tuple[AnnotationTable, CachedClips], tmp_path: Path
) -> None:
    table, clips = annotated
    none = CachedClips(table, clips.source, clips.graph, {}, ResultCache(tmp_path))
    assert list(none([0])) == []
