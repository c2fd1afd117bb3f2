from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pipeline.model.problem import DataError
from pipeline.model.verdict import VerdictSource
from pipeline.review.spot_check import SpotCheck, is_journal, spot_check_verdicts, spot_checks
from pipeline.review.spot_intervals import estimate
from pipeline.review.spot_plan import LEAST_ANSWERS, Population, SpotPlan
from pipeline.review.spot_records import Verdict
from pipeline.review.spot_result import StopState, summarise
from tests.pipeline.spot_tables import annotation, of, table

RIGHT, WRONG, UNSURE = Verdict.RIGHT, Verdict.WRONG, Verdict.UNSURE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "annotations.jsonl"
    path.write_text("{}\n")
    return path


def begin(tmp_path: Path, file: Path, plan: SpotPlan | None = None, count: int = 60) -> SpotCheck:
    plan = plan or SpotPlan(size=12, bins=2)
    return SpotCheck.begin(tmp_path, table(count), file, plan, "ann")


def test_a_session_goes_on_where_it_was_killed(tmp_path: Path, file: Path) -> None:
    check = begin(tmp_path, file)
    for verdict in (RIGHT, WRONG, UNSURE):
        item = check.next_item("ann")
        assert item is not None
        check.answer(item.number, verdict, "ann", seconds=1.5)
    with check.path.open("ab") as journal:  # a kill in the middle of a line
        journal.write(b'{"kind":"answer","number":3,"verd')
    again = SpotCheck(check.path)
    assert again.items == check.items
    assert again.answers("ann") == check.answers("ann")
    item = again.next_item("ann")
    assert item is not None
    assert item.number == 3
    again.answer(3, RIGHT, "ann")
    assert [a.verdict for a in SpotCheck(check.path).answers("ann").values()] == [
        RIGHT,
        WRONG,
        UNSURE,
        RIGHT,
    ]


def test_undo_takes_back_the_last_answer_and_stays_in_the_journal(
    tmp_path: Path, file: Path
) -> None:
    check = begin(tmp_path, file)
    assert check.undo("ann") is None
    check.answer(0, RIGHT, "ann")
    check.answer(1, WRONG, "ann")
    undone = check.undo("ann")
    assert undone is not None
    assert undone.number == 1
    assert check.verdict(1) is None
    lines = [json.loads(line) for line in check.path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["spot_check", "answer", "answer", "undo"]
    again = SpotCheck(check.path)
    assert list(again.answers("ann")) == [0]
    assert again.next_item("ann") == again.items[1]


def test_several_people_answer_the_same_sample(tmp_path: Path, file: Path) -> None:
    check = begin(tmp_path, file)
    said = {
        "ann": [RIGHT, RIGHT, WRONG, WRONG, UNSURE],
        "bob": [RIGHT, WRONG, WRONG, RIGHT, RIGHT],
        "eve": [RIGHT, RIGHT],
    }
    for who, verdicts in said.items():
        for number, verdict in enumerate(verdicts):
            check.answer(number, verdict, who)
    assert check.reviewers == ("ann", "bob", "eve")
    assert [check.verdict(i) for i in range(6)] == [RIGHT, RIGHT, WRONG, UNSURE, RIGHT, None]
    agreement = summarise(check).agreement
    both = agreement[0]
    assert (both.first, both.second, both.both, both.equal) == ("ann", "bob", 4, 2)
    # by hand: observed 2/4, by chance 2/4 × 2/4 + 2/4 × 2/4
    assert both.kappa == pytest.approx(0.0)
    assert math.isnan(agreement[1].kappa) or agreement[1].both == 2
    assert dict(summarise(check).reviewers)["eve"].right == 2


def test_the_result_is_what_scipy_says_of_the_counts(tmp_path: Path, file: Path) -> None:
    check = begin(tmp_path, file, SpotPlan(size=40, bins=2), count=200)
    for item in check.items:
        check.answer(item.number, WRONG if item.number % 9 == 4 else RIGHT, "ann", seconds=2)
    result = summarise(check)
    for number, stratum in enumerate(result.strata):
        own = [i for i in check.items if i.stratum == number]
        right = sum(check.verdict(i.number) is RIGHT for i in own)
        assert stratum.counts.right == right
        assert stratum.counts.judged == stratum.sampled == len(own)
        alone = estimate([right], [len(own)], [stratum.population])
        assert stratum.estimate.exact.low == pytest.approx(alone.exact.low)
        assert stratum.estimate.wilson.high == pytest.approx(alone.wilson.high)
    weighted = sum(s.population * s.counts.right / s.counts.judged for s in result.strata) / 200
    assert result.overall.precision == pytest.approx(weighted)
    assert result.seconds == 2
    assert result.stop.state is StopState.SAMPLE_ENDED
    assert result.bounds.all_wrong == pytest.approx(result.overall.precision)


def test_what_could_not_be_told_is_left_out_and_bounded(tmp_path: Path, file: Path) -> None:
    check = begin(tmp_path, file, SpotPlan(size=20, cuts=()))
    for number in range(20):
        check.answer(number, (RIGHT, RIGHT, RIGHT, WRONG, UNSURE)[number % 5], "ann")
    result = summarise(check)
    assert (result.counts.right, result.counts.wrong, result.counts.unsure) == (12, 4, 4)
    assert result.overall.precision == pytest.approx(12 / 16)
    assert result.bounds.all_wrong == pytest.approx(12 / 20)
    assert result.bounds.all_right == pytest.approx(16 / 20)
    assert result.bounds.interval.low < result.overall.exact.low
    assert result.bounds.interval.high > result.overall.precision


def test_the_rule_stops_at_the_wanted_width_and_says_what_is_left(
    tmp_path: Path, file: Path
) -> None:
    plan = SpotPlan(half_width=0.08, expected=0.9, seed=1)
    check = begin(tmp_path, file, plan, count=1000)
    more, said = [], 0
    for item in check.items:
        check.answer(item.number, WRONG if item.number % 10 == 7 else RIGHT, "ann")
        said += 1
        stop = summarise(check).stop
        if stop.state is StopState.REACHED:
            break
        assert stop.more is not None
        more.append(stop.more)
    result = summarise(check)
    assert result.stop.state is StopState.REACHED
    assert result.level == 0.96
    assert result.overall.exact.half_width <= 0.08
    assert said >= LEAST_ANSWERS
    # halfway the guess is near what it took
    half = said // 2
    assert more[half] == pytest.approx(said - half - 1, abs=15)
    assert "you can stop" in result.stop.text()


def test_a_used_up_sample_can_be_extended(tmp_path: Path, file: Path) -> None:
    check = begin(tmp_path, file, SpotPlan(half_width=0.05, size=12), count=300)
    for item in check.items:
        check.answer(item.number, WRONG if item.number % 4 == 0 else RIGHT, "ann")
    stop = summarise(check).stop
    assert stop.state is StopState.SAMPLE_ENDED
    assert stop.beyond > 50
    assert "draw about" in stop.text()
    assert check.extend(table(300), file, 30, "ann") == 18
    assert check.extend(table(300), file, 30, "ann") == 0
    again = SpotCheck(check.path)
    assert again.items == check.items
    assert [i.number for i in again.items] == list(range(30))
    assert len({i.key for i in again.items}) == 30
    assert sum(s.sampled for s in again.strata) == 30
    item = again.next_item("ann")
    assert item is not None
    assert item.number == 12
    file.write_text("changed\n")
    with pytest.raises(DataError, match="changed since the sample was drawn"):
        again.extend(table(300), file, 40, "ann")


def test_changed_annotations_are_told(tmp_path: Path, file: Path) -> None:
    whole = [annotation(i, 1.0 + i / 100) for i in range(20)]
    check = SpotCheck.begin(tmp_path, of(whole), file, SpotPlan(size=20, cuts=()), "ann")
    assert check.changed(of(whole)) == ()
    whole[3] = annotation(3, 1.0, start_box=(0.0, 0.0, 9.0, 9.0))
    whole[5] = annotation(5, 9.0)  # another R is no other box
    del whole[8]
    assert {i.episode for i in check.changed(of(whole))} == {3, 8}


def test_verdicts_for_curation(tmp_path: Path, file: Path) -> None:
    check = begin(tmp_path, file)
    check.answer(0, RIGHT, "ann")
    check.answer(1, WRONG, "ann", true_box=(1.0, 2.0, 3.0, 4.0), reason="the blue one")
    check.answer(2, UNSURE, "ann")
    other = begin(tmp_path, file, SpotPlan(size=4, seed=9))
    other.answer(0, WRONG, "bob")
    (tmp_path / "spot_checks" / "broken.jsonl").write_text("no journal\n")
    found = spot_check_verdicts(tmp_path)
    assert [v.right for v in found] == [True, False, None, False]
    assert {v.source for v in found} == {VerdictSource.SPOT_CHECK}
    assert found[1].true_box == (1.0, 2.0, 3.0, 4.0)
    assert found[1].reason == "the blue one"
    assert found[0].box == check.items[0].box
    assert (found[3].who, found[3].dataset) == ("bob", "toy")
    assert len(spot_checks(tmp_path)) == 3
    assert spot_check_verdicts(tmp_path / "nothing") == ()


def test_after_an_answer_only_its_spot_check_is_read_again(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = [begin(tmp_path, file, SpotPlan(size=4, seed=s)) for s in range(3)]
    for check in checks:
        check.answer(0, RIGHT, "ann")
    assert len(spot_check_verdicts(tmp_path)) == 3
    read: list[Path] = []

    def reading(path: Path) -> SpotCheck:
        read.append(path)
        return SpotCheck(path)

    monkeypatch.setattr("pipeline.review.spot_check.SpotCheck", reading)
    checks[1].answer(1, WRONG, "ann")
    assert sorted(v.right is True for v in spot_check_verdicts(tmp_path)) == [False] + 3 * [True]
    assert read == [checks[1].path]
    checks[1].undo("ann")
    assert len(spot_check_verdicts(tmp_path)) == 3


def test_a_snapshot_stays_as_it_is(tmp_path: Path, file: Path) -> None:
    check = begin(tmp_path, file)
    check.answer(0, RIGHT, "ann")
    before = check.snapshot()
    check.answer(1, WRONG, "ann")
    assert list(before.answers("ann")) == [0]
    assert summarise(before).counts.answered == 1
    assert summarise(check).counts.answered == 2


def test_disagreements_need_a_threshold(tmp_path: Path, file: Path) -> None:
    plan = SpotPlan(size=30, population=Population(threshold=1.0))
    check = begin(tmp_path, file, plan)
    for item in check.items:
        check.answer(item.number, WRONG if item.number % 3 == 0 else RIGHT, "ann")
    result = summarise(check)
    assert result.kept_wrong
    assert result.dropped_right
    assert all(i.score is not None and i.score >= 1.0 for i in result.kept_wrong)
    assert all(i.score is not None and i.score < 1.0 for i in result.dropped_right)
    assert set(result.kept_wrong) < set(result.wrong)


def test_files_that_are_no_spot_check(tmp_path: Path, file: Path) -> None:
    with pytest.raises(DataError, match="no spot check in this file"):
        SpotCheck(tmp_path / "nothing.jsonl")
    with pytest.raises(DataError, match="first line is no spot check"):
        SpotCheck(file)
    check = begin(tmp_path, file)
    assert is_journal(check.path)
    assert not is_journal(file)
    newer = json.loads(check.path.read_text().splitlines()[0]) | {"version": 99}
    file.write_text(json.dumps(newer) + "\n")
    with pytest.raises(DataError, match="newer Demoscope"):
        SpotCheck(file)
    with pytest.raises(DataError, match="no item 12"):
        check.answer(12, RIGHT, "ann")
