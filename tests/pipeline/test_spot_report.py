from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pipeline.review.spot_check import SpotCheck
from pipeline.review.spot_json import command_of, report_data, write_json
from pipeline.review.spot_plan import Allocation, Cut, Keep, Population, SpotPlan
from pipeline.review.spot_records import Verdict
from pipeline.review.spot_report import write_page
from pipeline.review.spot_result import summarise
from pipeline.sources.detect import open_dataset
from tests.datasets import write_v2
from tests.pipeline.spot_tables import annotation, of, table

EVIL = '<script>alert("x")</script> & $command ${title}'


class Page(HTMLParser):
    """Counts tags and collects texts and pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def judged(tmp_path: Path, plan: SpotPlan, *, evil: str = "", count: int = 12) -> SpotCheck:
    file = tmp_path / "annotations.jsonl"
    file.write_text("{}\n")
    whole = table(count)
    if evil:
        whole = of(
            [
                annotation(
                    i, 1.0 + i / 10, instruction=evil, object=evil, dataset=evil, keyframe=4 + i % 3
                )
                for i in range(12)
            ]
        )
    check = SpotCheck.begin(tmp_path, whole, file, plan, evil or "ann")
    for item in check.items:
        verdict = Verdict.WRONG if item.number % 3 == 0 else Verdict.RIGHT
        check.answer(item.number, verdict, evil or "ann", reason=evil)
    return check


def test_the_page_states_everything_and_loads_nothing(tmp_path: Path) -> None:
    source = open_dataset(str(write_v2(tmp_path / "toy", (20,) * 6)))
    plan = SpotPlan(size=6, bins=2, seed=17, population=Population(threshold=1.0))
    check = judged(tmp_path, plan, count=6)
    out = tmp_path / "report.html"
    write_page(check, out, source)
    text = out.read_text(encoding="utf-8")
    page = Page(text)
    result = summarise(check)
    words = " ".join(page.texts)
    for stated in (
        "seed 17",
        "6 drawn at random within 2 strata",
        f"{result.counts.right} right, 2 wrong",
        f"{100 * result.overall.precision:.1f} %",
        f"{100 * result.overall.exact.low:.1f} to {100 * result.overall.exact.high:.1f} %",
        "Wilson, continuity-corrected "
        f"{100 * result.overall.wilson.low:.1f} to {100 * result.overall.wilson.high:.1f} %",
        check.strata[0].name,
        check.header.file.sha256[:16],
        "none; the sample was fixed beforehand",
        "ann",
        command_of(plan),
    ):
        assert stated in words, stated
    shown = len(result.wrong) + len(result.dropped_right)
    assert page.tags.count("img") == shown >= 2
    assert all(s.startswith("data:image/jpeg;base64,") for s in page.sources)
    assert not re.search(r"https?://", text)
    assert "script" not in page.tags


def test_texts_of_a_dataset_stay_texts(tmp_path: Path) -> None:
    check = judged(tmp_path, SpotPlan(size=6, cuts=()), evil=EVIL)
    out = tmp_path / "report.html"
    write_page(check, out, None)
    page = Page(out.read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.texts.count("no picture") == 2
    assert any(EVIL in text for text in page.texts)


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    source = open_dataset(str(write_v2(tmp_path / "toy", (20,))))
    check = judged(tmp_path, SpotPlan(size=12, cuts=()))
    out = tmp_path / "report.html"
    write_page(check, out, source)
    text = out.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg") <= 1
    assert "no picture" in text


def test_json_has_a_version_and_no_nan(tmp_path: Path) -> None:
    check = judged(tmp_path, SpotPlan(size=6, half_width=0.1))
    out = tmp_path / "report.json"
    write_json(check, out)

    def refuse(name: str) -> float:
        raise AssertionError(name)

    data = json.loads(out.read_text(encoding="utf-8"), parse_constant=refuse)
    result = summarise(check)
    assert data["version"] == 2
    assert data["wilson_continuity_corrected"] == pytest.approx(
        [result.overall.wilson.low, result.overall.wilson.high]
    )
    assert "wilson" not in data
    assert data["seed"] == 0
    assert data["computed_at"] == 0.96
    assert data["precision"] == pytest.approx(result.overall.precision)
    assert data["clopper_pearson"] == pytest.approx(
        [result.overall.exact.low, result.overall.exact.high]
    )
    assert len(data["items"]) == len(check.items)
    assert {i["verdict"] for i in data["items"]} == {"right", "wrong"}
    empty = SpotCheck.begin(
        tmp_path, table(5), tmp_path / "annotations.jsonl", SpotPlan(size=2), "ann"
    )
    assert json.dumps(report_data(empty), allow_nan=False)
    assert report_data(empty)["precision"] is None


def test_the_command_draws_the_same_plan() -> None:
    import argparse

    from app.spot_check_command import _plan, add_parser

    plan = SpotPlan(
        population=Population(
            tasks=("pick and place",),
            without_codes=("near_tie",),
            least=0.5,
            keep=Keep.KEPT,
            threshold=float(np.float64(0.7)),
        ),
        cuts=(Cut.RELIABILITY, Cut.CAMERA),
        bins=3,
        allocation=Allocation.NEYMAN,
        half_width=0.05,
        expected=0.85,
        seed=3,
    )
    import shlex

    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    for one in (plan, SpotPlan(size=9, cuts=())):
        words = shlex.split(command_of(one))[1:]
        assert _plan(parser.parse_args(words)) == one
