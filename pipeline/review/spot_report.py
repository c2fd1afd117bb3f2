"""The report of a spot check: one page of HTML that needs nothing else."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

import resources
from pipeline.model.demonstration import DatasetSource
from pipeline.review.spot_check import SpotCheck
from pipeline.review.spot_intervals import Estimate, Interval
from pipeline.review.spot_json import command_of
from pipeline.review.spot_plan import LEAST_ANSWERS
from pipeline.review.spot_records import SpotItem
from pipeline.review.spot_result import Counts, SpotResult, summarise

_MOST_PICTURES = 60
"""Wrong and disagreeing items shown with a picture; more are listed in the JSON only."""


def write_page(check: SpotCheck, path: Path, source: DatasetSource | None) -> None:
    """Write the page.

    Args:
        check: The spot check.
        path: The file.
        source: Where pictures come from; None for a page without pictures.

    Raises:
        OSError: It cannot be written.
    """
    result = summarise(check)
    shown = (*result.wrong, *result.dropped_right)[:_MOST_PICTURES]
    pictures: dict[int, bytes] = {}
    if source is not None:
        # lazy: OpenCV
        from pipeline.review.spot_pictures import item_pictures

        boxes = {
            a.number: a.true_box
            for who in check.reviewers
            for a in check.answers(who).values()
            if a.true_box is not None
        }
        several = len({i.dataset for i in check.items}) > 1
        ours = [i for i in shown if not several or i.dataset == source.info.name]
        pictures = item_pictures(source, ours, boxes)
    path.write_text(page(check, result, pictures), encoding="utf-8")


def page(check: SpotCheck, result: SpotResult, pictures: Mapping[int, bytes]) -> str:
    """Make the page: all texts escaped, pictures inside, nothing loaded from elsewhere.

    Args:
        check: The spot check.
        result: What it says.
        pictures: JPEG by item.
    """
    template = Path(resources.__file__).parent / "reports" / "spot_check.html"
    threshold = check.plan.population.threshold
    kept_wrong = {i.number for i in result.kept_wrong}
    wrong = [
        _figure(check, i, pictures, "kept but wrong" if i.number in kept_wrong else "wrong")
        for i in result.wrong[:_MOST_PICTURES]
    ]
    room = _MOST_PICTURES - len(wrong)
    dropped = [
        _figure(check, i, pictures, "dropped but right") for i in result.dropped_right[:room]
    ]
    level = f"{100 * result.level:.0f} %"
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(f"Spot check of {check.header.dataset or check.header.file.name}"),
        precision=escape(percent(result.overall.precision)),
        headline=escape(
            f"Clopper-Pearson {percents(result.overall.exact)}, "
            f"Wilson, continuity-corrected {percents(result.overall.wilson)}"
        ),
        facts=_rows(_facts(check, result)),
        strata="".join(_stratum_row(*row) for row in _stratum_rows(result)),
        reviewers=_rows(_reviewers(result)),
        unsure=escape(_unsure_text(result)),
        method=escape(_method_text(result, level)),
        wrong_title=escape(f"Wrong: {len(result.wrong)}"),
        wrong="".join(wrong) or "<p>None of the judged boxes is wrong.</p>",
        dropped_title=escape(
            f"Dropped at R ≥ {threshold:g}, but right: {len(result.dropped_right)}"
            if threshold is not None
            else "Dropped but right"
        ),
        dropped="".join(dropped)
        or ("<p>None.</p>" if threshold is not None else "<p>No threshold was given.</p>"),
        command=escape(command_of(check.plan)),
    )


def _facts(check: SpotCheck, result: SpotResult) -> list[tuple[str, str]]:
    header = check.header
    size = sum(s.population for s in result.strata)
    counts, plan = result.counts, check.plan
    return [
        ("Dataset", header.dataset or "not said"),
        (
            "Annotations",
            f"{header.file.name}, {header.file.annotations:,} annotations, "
            f"SHA-256 {header.file.sha256[:16]}…",
        ),
        ("Population", f"{plan.population.text()}: {size:,} annotations with a box"),
        (
            "Sample",
            f"{len(check.items):,} drawn at random within {len(result.strata)} strata "
            f"({plan.allocation.value} allocation), seed {plan.seed}",
        ),
        (
            "Answers",
            f"{counts.right:,} right, {counts.wrong:,} wrong, {counts.unsure:,} could not be told; "
            f"{len(check.items) - counts.answered:,} open",
        ),
        ("Stopping rule", _stop_text(result)),
        ("Begun", f"{header.at[:16].replace('T', ' ')} UTC by {header.who}"),
    ]


def _stop_text(result: SpotResult) -> str:
    stop = result.stop
    if stop.wanted is None:
        return "none; the sample was fixed beforehand"
    half = result.overall.exact.half_width
    return (
        f"stop when the half-width is at most {100 * stop.wanted:g} points, after at least "
        f"{LEAST_ANSWERS} answers; now {100 * half:.1f}. {stop.text()}"
    )


def _unsure_text(result: SpotResult) -> str:
    bounds = result.bounds
    if not result.counts.unsure:
        return "No answer was “cannot tell”."
    return (
        f"“Cannot tell” was said of {result.counts.unsure}. They are left out: the precision is "
        f"that of annotations that can be told. If all of them were wrong it would be "
        f"{percent(bounds.all_wrong)}, if all were right {percent(bounds.all_right)}; the "
        f"Clopper-Pearson intervals of both span {percents(bounds.interval)}."
    )


def _method_text(result: SpotResult, level: str) -> str:
    why = (
        f" Intervals are computed at {level} because the stopping rule looks at them after every "
        "answer; so they cover at least about 95 % (exact for one stratum, simulated for several)."
        if result.stop.wanted is not None
        else ""
    )
    return (
        "Confidence 95 %. The overall precision weighs strata by their population. Clopper-Pearson "
        "over strata: exact binomial test at the effective sample size (Korn & Graubard 1998), "
        "conservative. Wilson, continuity-corrected (Newcombe 1998; over strata the score interval "
        "with constrained maximum likelihood and half an item of the effective sample taken off): "
        "conservative, too. Both respect that the population is finite." + why
    )


def _reviewers(result: SpotResult) -> list[tuple[str, str]]:
    rows = [
        (name, f"{c.right} right, {c.wrong} wrong, {c.unsure} could not be told")
        for name, c in result.reviewers
    ]
    for a in result.agreement:
        kappa = f"Cohen's kappa {a.kappa:.2f}" if math.isfinite(a.kappa) else "kappa not defined"
        share = f"{a.equal} of {a.both} alike" if a.both else "nothing judged by both"
        rows.append((f"{a.first} and {a.second}", f"{share}, {kappa}"))
    return rows or [("nobody", "no answer yet")]


def _stratum_rows(result: SpotResult) -> list[tuple[str, int, int, Counts, Estimate]]:
    rows = [(s.name, s.population, s.sampled, s.counts, s.estimate) for s in result.strata]
    size, drawn = sum(r[1] for r in rows), sum(r[2] for r in rows)
    return [*rows, ("overall, weighted", size, drawn, result.counts, result.overall)]


def _stratum_row(name: str, population: int, sampled: int, counts: Counts, found: Estimate) -> str:
    cells = (
        f"{population:,}",
        f"{sampled:,}",
        f"{counts.right:,}",
        f"{counts.wrong:,}",
        f"{counts.unsure:,}",
        percent(found.precision),
        percents(found.wilson) if counts.judged else "–",
        percents(found.exact) if counts.judged else "–",
    )
    body = "".join(f"<td>{escape(c)}</td>" for c in cells)
    return f"<tr><th>{escape(name)}</th>{body}<td>{_whisker(found)}</td></tr>\n"


def _whisker(found: Estimate) -> str:
    """The Clopper-Pearson interval from 0 to 100 % as a line with a dot."""
    low, high = 120 * found.exact.low, 120 * found.exact.high
    dot = (
        f'<circle cx="{120 * found.precision:.1f}" cy="7" r="3.5"/>'
        if math.isfinite(found.precision)
        else ""
    )
    return (
        '<svg width="120" height="14" role="img" aria-hidden="true">'
        '<line class="axis" x1="0" y1="7" x2="120" y2="7"/>'
        f'<line class="interval" x1="{low:.1f}" y1="7" x2="{high:.1f}" y2="7"/>{dot}</svg>'
    )


def _figure(check: SpotCheck, item: SpotItem, pictures: Mapping[int, bytes], why: str) -> str:
    data = pictures.get(item.number)
    image = (
        f'<img alt="frame {item.frame} with the judged box" '
        f'src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        if data is not None
        else '<div class="missing">no picture</div>'
    )
    reasons = {
        a.reason
        for who in check.reviewers
        if (a := check.answers(who).get(item.number)) is not None and a.reason
    }
    score = "no R" if item.score is None else f"R {item.score:.3f}, rank {item.rank} of {item.of}"
    lines = [
        f"Episode {item.episode}, subtask {item.subtask}: {why}",
        f"{item.object or 'no name'} · {item.instruction}",
        ", ".join((score, *item.warnings)),
        *sorted(reasons),
    ]
    text = "<br>".join(escape(line) for line in lines)
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>\n"


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    return "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>\n" for a, b in rows)


def percent(share: float) -> str:
    """A share for people, a dash for none."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else "–"


def percents(interval: Interval) -> str:
    """An interval for people."""
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"
