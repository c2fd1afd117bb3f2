from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.main import main
from pipeline.annotate import annotate_episode, standard_graph
from pipeline.annotations.table import AnnotationTable
from pipeline.curation.clips import CachedClips, cached_clips
from pipeline.engine.cache import ResultCache
from pipeline.evaluation.remeasuring import remeasure
from pipeline.model.problem import Cancelled, DataError
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


def test_options_of_another_version_are_one_sentence(
    annotated: tuple[AnnotationTable, CachedClips], results_cache: Path
) -> None:
    table, _ = annotated
    with pytest.raises(DataError, match=r"not all known here \(stage tracks: no option gone"):
        cached_clips(table, SAMPLE, {"tracks": {"gone": 1}}, results_cache)
    other = cached_clips(table, SAMPLE, {"tracks": {"track_fps": 5}}, results_cache)
    assert list(other([0])) == [], "made with other options"


def test_looking_for_clips_can_be_cancelled(
    annotated: tuple[AnnotationTable, CachedClips], tmp_path: Path
) -> None:
    table, _ = annotated
    clips = cached_clips(table, SAMPLE, {}, tmp_path, is_cancelled=lambda: True)
    with pytest.raises(Cancelled):
        list(clips(range(len(table))))


def test_the_command_sweeps_what_is_measured(
    annotated: tuple[AnnotationTable, CachedClips],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, clips = annotated
    made = annotate_episode(clips.source, 0, graph=clips.graph, cache=clips.cache).annotations
    # Of another episode, but made from the boxes of this one: its tracks tell nothing about it.
    foreign = made[0].model_copy(update={"episode_index": 1})
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(a.model_dump_json() + "\n" for a in (*made, foreign)))
    before = sorted(clips.cache.folder.glob("*/*"))

    def evaluate(truth: Path, *more: str) -> tuple[int, str, str]:
        code = main(["evaluate", str(path), str(truth), "--bootstrap", "5", *more])
        return (code, *capsys.readouterr())

    wanted = ("--sweep", "scores.sphere_radius_scale")
    code, out, err = evaluate(SAMPLE, "--json", *wanted)
    assert code == 0, err
    found = json.loads(out)
    evidence, own = found["sweep"]["evidence"], found["sweep"]["metrics"]["accuracy"]
    assert (evidence["annotations"], evidence["left_out"]) == (len(made), 1)
    assert own["values"][found["sweep"]["current"]] == 1.0
    assert "cache holds no tracks of the same candidates for 1" in evaluate(SAMPLE, *wanted)[1]
    assert sorted(clips.cache.folder.glob("*/*")) == before, "nothing is computed"

    file = SAMPLE / "ground_truth" / "annotations.jsonl"
    code, _, err = evaluate(file, *wanted)
    assert (code, "name its folder" in err) == (1, True)
    assert evaluate(file, "--sweep", "scores.motion_weight")[0] == 0
