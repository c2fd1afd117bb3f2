"""A scan outlives what its episodes do, and remembers what it found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.health.cache import HealthCache
from pipeline.health.scan import HealthScan, ScanSettings
from pipeline.health.values import EpisodeHealth
from pipeline.model.problem import DataError
from tests.datasets import SAMPLE
from tests.health_sources import OPEN_FRAGILE

# -- the cache ---------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, EpisodeHealth, Path]:
    file = tmp_path / "episode.parquet"
    file.write_bytes(b"rows")
    health = EpisodeHealth(3, files=(str(file),), content="x", frames=7)
    return tmp_path / "cache", health, file


def recall(folder: Path, key: str = "key") -> EpisodeHealth | None:
    cache = HealthCache(folder, "/data/set")
    found = cache.get(3, key)
    cache.close()
    return found


def keep(folder: Path, health: EpisodeHealth) -> None:
    cache = HealthCache(folder, "/data/set")
    cache.put("key", health)
    cache.close()


def test_the_cache_forgets_what_has_changed(kept) -> None:
    folder, health, file = kept
    assert recall(folder) is None
    keep(folder, health)
    assert recall(folder) == health
    assert recall(folder, "other options") is None
    file.write_bytes(b"more rows")
    assert recall(folder) is None
    keep(folder, health)
    assert recall(folder) == health
    file.unlink()
    assert recall(folder) is None


def test_what_names_no_files_is_not_kept(kept) -> None:
    folder, health, _ = kept
    keep(folder, replace(health, files=()))
    assert recall(folder) is None


@pytest.mark.parametrize("rubbish", [b"no database" * 200, b""])
def test_a_damaged_cache_counts_as_empty(kept, rubbish: bytes) -> None:
    folder, health, _ = kept
    keep(folder, health)
    (file,) = folder.glob("*.sqlite")
    for other in folder.iterdir():
        other.unlink()
    file.write_bytes(rubbish)
    assert recall(folder) is None
    keep(folder, health)
    assert recall(folder) == health


def test_a_cache_that_cannot_be_written_is_no_obstacle(kept, tmp_path: Path) -> None:
    _, health, file = kept
    keep(file, health)
    assert recall(file) is None


def test_the_cache_is_bounded(tmp_path: Path) -> None:
    for number in range(70):
        HealthCache(tmp_path, f"/data/{number}").close()
    assert len(list(tmp_path.glob("*.sqlite"))) <= 65


# -- the scan ----------------------------------------------------------------------------------


def scan(path: str, **settings: object) -> tuple[dict[int, EpisodeHealth], list[int]]:
    found: dict[int, EpisodeHealth] = {}
    order: list[int] = []
    last = None
    for step in HealthScan(path, ScanSettings(opener=OPEN_FRAGILE, **settings)).run():  # type: ignore[arg-type]
        for health in step.episodes:
            assert health.episode not in found
            found[health.episode] = health
            order.append(health.episode)
        last = step
    assert last is not None
    assert (last.done, last.total) == (len(found), len(found))
    return found, order


def test_a_scan_outlives_crashes_hangs_and_defects() -> None:
    found, order = scan("8 crash=2 hang=4 raise=5", timeout=1.0)
    assert sorted(order) == list(range(8))
    said = {e: [p.code for p in h.problems] for e, h in found.items() if h.problems}
    assert said == {2: ["scan_crashed"], 4: ["scan_timed_out"], 5: ["scan_crashed"]}
    assert "exit code 11" in found[2].problems[0].message
    assert "more than 1 s" in found[4].problems[0].message
    assert "RuntimeError: a defect of ours" in found[5].problems[0].message


def test_a_scan_with_several_processes_sees_each_episode_once() -> None:
    found, _ = scan("9 crash=4", jobs=2)
    assert sorted(found) == list(range(9))


def test_a_scan_begins_where_people_look() -> None:
    _, order = scan("6", first=(4, 2))
    assert order == [4, 2, 0, 1, 3, 5]
    found, _ = scan("6", episodes=(1, 5))
    assert sorted(found) == [1, 5]


def test_a_dataset_that_cannot_be_opened_ends_the_scan() -> None:
    with pytest.raises(DataError, match="ValueError"):
        list(HealthScan("nonsense", ScanSettings(opener=OPEN_FRAGILE)).run())


@pytest.mark.parametrize("remembers", [True, False])
def test_a_digest_tells_what_is_new_and_compares_across_a_crash(
    tmp_path: Path, remembers: bool
) -> None:
    cache = tmp_path if remembers else None
    settings = ScanSettings(opener=OPEN_FRAGILE, digest=True, cache=cache)
    told: dict[int, list[str]] = {}
    for step in HealthScan("8 same=1,6 crash=4", settings).run():
        told |= {e: [p.code for p in problems] for e, problems in step.changed.items()}
    assert (step.done, step.total) == (8, 8)
    same = {0: ["duplicate_episode"], 1: ["duplicate_episode"], 6: ["duplicate_episode"]}
    assert told == same | {4: ["scan_crashed"]}


def test_a_digest_is_made_by_one_process() -> None:
    with pytest.raises(ValueError, match="one process"):
        ScanSettings(digest=True, jobs=2)


def test_a_scan_can_be_stopped() -> None:
    running = HealthScan("500", ScanSettings(opener=OPEN_FRAGILE))
    steps = running.run()
    next(steps)
    running.stop()
    assert sum(len(s.episodes) for s in steps) < 500


def test_a_second_scan_opens_nothing(tmp_path: Path) -> None:
    settings = ScanSettings(cache=tmp_path)
    first = [h for s in HealthScan(str(SAMPLE), settings).run() for h in s.episodes]
    second = [s for s in HealthScan(str(SAMPLE), settings).run() if s.episodes]
    assert all(h.files for h in first)
    assert len(second) <= 2  # What is remembered comes many at a time.
    assert [h for s in second for h in s.episodes] == first
