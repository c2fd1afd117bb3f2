"""What an evaluation of recipes found: tables for a terminal, JSON, and a page of HTML."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import resources
from pipeline.captioning.evaluation_values import RecipeEvaluation
from pipeline.evaluation.caption_figures import (
    Change,
    JudgedCaption,
    RecipeComparison,
    RecipeFigures,
)
from pipeline.evaluation.caption_rubric import Failure
from pipeline.evaluation.intervals_of_curves import Interval
from pipeline.model.palette import BETTER, FAILURES, WORSE, Rgb
from pipeline.model.whole_file import write_whole

VERSION = 1
MOST_SHOWN = 300
"""Captions listed on the page; the JSON has all."""
_WIDTH = 160
_METHOD = (
    "A caption is acceptable if its verb, its object and its destination or source are right; "
    "else it counts nothing. Intervals are 95 %: Wilson for a rate, Newcombe (1998, paired, method "
    "10) for a difference, both at the effective number of captions, as those of one episode hang "
    "together. The p-value is exact and two-sided: the chance of such a net change or a larger one "
    "if that of each episode were as likely the other way round (McNemar’s exact test where every "
    "episode has one caption); “Holm” corrects it for several recipes compared with one baseline. "
    "Text similarity is for diagnosis only."
)


def percent(share: float) -> str:
    """A share for people, a dash for none."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else "–"


def percents(interval: Interval) -> str:
    """An interval for people."""
    if not math.isfinite(interval.low):
        return "–"
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def points(share: float) -> str:
    """A difference of rates in percentage points, with its sign."""
    return f"{100 * share:+.1f}" if math.isfinite(share) else "–"


def point_range(interval: Interval) -> str:
    """An interval of a difference, percentage points."""
    if not math.isfinite(interval.low):
        return "–"
    return f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}"


def p_text(value: float) -> str:
    """A p-value for people."""
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def verdict_text(comparison: RecipeComparison) -> str:
    """One sentence that says what may be concluded."""
    change, names = comparison.overall, (comparison.second, comparison.first)
    if not change.improvements + change.regressions:
        return f"{names[0]} and {names[1]} are right and wrong on the same captions."
    gain = (
        f"{names[0]} improves {change.improvements} and worsens {change.regressions} of "
        f"{change.count} captions against {names[1]}: {points(change.difference)} points"
    )
    sure = not math.isnan(comparison.adjusted) and comparison.adjusted < 0.05
    if sure:
        return f"{gain}, more than chance explains (p {p_text(comparison.adjusted)})."
    return f"{gain}, which chance may explain (p {p_text(comparison.adjusted)})."


# -- text ------------------------------------------------------------------------------------


def evaluation_text(evaluation: RecipeEvaluation) -> str:
    """The tables for a terminal."""
    lines = [
        f"{evaluation.dataset}: {evaluation.figures[0].count} captions; references: "
        f"{evaluation.references}; judge: {evaluation.judge}",
        "",
        *_table(
            ("recipe", "acceptable", "rate", "95 % interval", "verb", "thing", "egreg.", "simil."),
            [_recipe_cells(f) for f in evaluation.figures],
        ),
    ]
    for comparison in evaluation.comparisons:
        lines += [
            "",
            verdict_text(comparison),
            f"difference {points(comparison.overall.difference)} points, 95 % interval "
            f"{point_range(comparison.interval)}, p {p_text(comparison.p_value)}, Holm "
            f"{p_text(comparison.adjusted)}",
            *_table(
                ("verb", "captions", "better", "worse", "net", "points"),
                [
                    (
                        c.verb or "none",
                        str(c.count),
                        str(c.improvements),
                        str(c.regressions),
                        f"{c.net:+d}",
                        points(c.difference),
                    )
                    for c in comparison.verbs
                ],
            ),
        ]
    if not evaluation.comparisons:
        rates = evaluation.figures[0].verbs
        rows = [
            (v.verb or "none", str(v.count), percent(v.rate), percents(v.interval)) for v in rates
        ]
        lines += ["", *_table(("verb", "captions", "rate", "95 % interval"), rows)]
    lines += ["", evaluation.spent, *evaluation.notes]
    return "\n".join(line.rstrip() for line in lines)


def _recipe_cells(figures: RecipeFigures) -> tuple[str, ...]:
    kinds = {f.failure: f.count for f in figures.failures}
    return (
        figures.recipe,
        f"{figures.acceptable} of {figures.count}",
        percent(figures.rate),
        percents(figures.interval),
        str(kinds[Failure.WRONG_VERB]),
        str(kinds[Failure.WRONG_THING]),
        str(kinds[Failure.EGREGIOUS]),
        f"{figures.similarity:.2f}",
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]


# -- JSON ------------------------------------------------------------------------------------


def evaluation_json(evaluation: RecipeEvaluation) -> dict[str, Any]:
    """All figures and every row, with null for what is not known."""
    request = evaluation.request
    return {
        "demoscope_caption_evaluation": VERSION,
        "dataset": evaluation.dataset,
        "references": evaluation.references,
        "judge": evaluation.judge,
        "backend": request.backend,
        "recipes": [
            {
                "identity": identity,
                "same_as_reference": same,
                "acceptable_rate": _number(f.rate),
                **_plain(f),
            }
            for f, identity, same in zip(
                evaluation.figures,
                evaluation.identities,
                evaluation.same_as_reference,
                strict=True,
            )
        ],
        "comparisons": [
            {"difference": _number(c.overall.difference), **_plain(c)}
            for c in evaluation.comparisons
        ],
        "captions": [
            {
                "rubric": row.judgement.rubric.value,
                "failure": row.judgement.failure.value if row.judgement.failure else None,
                **_plain(row),
            }
            for row in evaluation.rows
        ],
        "spent": evaluation.spent,
        "notes": list(evaluation.notes),
    }


def _plain(value: Any) -> Any:
    plain: dict[str, Any] = dataclasses.asdict(value)
    return _clean(plain)


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


# -- HTML ------------------------------------------------------------------------------------


def write_report(evaluation: RecipeEvaluation, path: Path) -> None:
    """Write the page, HTML that needs nothing else, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    write_whole(path, evaluation_page(evaluation).encode())


def evaluation_page(evaluation: RecipeEvaluation) -> str:
    """Make the page: all texts escaped, plots inside, nothing loaded from elsewhere."""
    best = max(evaluation.figures, key=lambda f: f.rate)
    template = Path(resources.__file__).parent / "reports" / "caption_evaluation.html"
    wrong = [row for row in evaluation.rows if not row.right]
    shown = wrong[:MOST_SHOWN]
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=escape(f"Caption recipes on {evaluation.dataset}"),
        rate=escape(percent(best.rate)),
        headline=escape(
            f"of the captions by {best.recipe} are acceptable ({percents(best.interval)}), the "
            f"highest of {len(evaluation.figures)}."
            if len(evaluation.figures) > 1
            else f"of the captions by {best.recipe} are acceptable ({percents(best.interval)})."
        ),
        facts=_facts(evaluation),
        notes=_notes(evaluation.notes),
        recipes="".join(map(_recipe_row, evaluation.figures)),
        failures="".join(map(_failure_row, evaluation.figures)),
        comparisons="".join(map(_comparison, evaluation.comparisons)),
        names="".join(f"<th>{escape(f.recipe)}</th>" for f in evaluation.figures),
        verbs="".join(_verb_rows(evaluation.figures)),
        shown=escape(
            f"{len(wrong)} of {len(evaluation.rows)}"
            + (f"; the first {MOST_SHOWN} are listed" if len(wrong) > MOST_SHOWN else "")
        ),
        wrong="".join(map(_wrong_row, shown)) or '<tr><td colspan="5">None.</td></tr>\n',
        method=escape(_METHOD),
        verb_color=_css(FAILURES["wrong_verb"]),
        thing_color=_css(FAILURES["wrong_thing"]),
        egregious_color=_css(FAILURES["egregious"]),
        better_color=_css(BETTER),
        worse_color=_css(WORSE),
    )


def _css(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _facts(evaluation: RecipeEvaluation) -> str:
    rows = [
        ("Dataset", evaluation.dataset),
        ("References", evaluation.references),
        ("Judge", evaluation.judge),
        *(
            (f.recipe, f"{identity}; {same} captions equal the reference word by word")
            for f, identity, same in zip(
                evaluation.figures,
                evaluation.identities,
                evaluation.same_as_reference,
                strict=True,
            )
        ),
        ("Taken", evaluation.spent),
    ]
    return "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>\n" for a, b in rows)


def _notes(notes: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>\n" for note in notes)
    return f"<ul>\n{items}</ul>" if items else ""


def _cells(values: Iterable[str]) -> str:
    return "".join(f"<td>{escape(v)}</td>" for v in values)


def _recipe_row(figures: RecipeFigures) -> str:
    count = figures.count
    before = _cells(
        (f"{count:,}", f"{figures.acceptable:,}", percent(figures.rate), percents(figures.interval))
    )
    after = _cells(
        (
            percent(figures.wrong_verbs / count),
            percent(figures.wrong_things / count),
            f"{figures.similarity:.2f}",
        )
    )
    plot = whisker(figures.rate, figures.interval)
    return f"<tr><th>{escape(figures.recipe)}</th>{before}<td>{plot}</td>{after}</tr>\n"


def whisker(rate: float, interval: Interval) -> str:
    """An interval on 0 to 100 % as a line with a dot, SVG."""
    inside = f'<line class="axis" x1="0" y1="7" x2="{_WIDTH}" y2="7"/>'
    if math.isfinite(interval.low):
        low, high = _WIDTH * interval.low, _WIDTH * interval.high
        inside += f'<line class="interval" x1="{low:.1f}" y1="7" x2="{high:.1f}" y2="7"/>'
    if math.isfinite(rate):
        inside += f'<circle cx="{_WIDTH * rate:.1f}" cy="7" r="3.5"/>'
    return f'<svg width="{_WIDTH}" height="14" role="img" aria-hidden="true">{inside}</svg>'


_CLASSES = {
    Failure.WRONG_VERB: "verb",
    Failure.WRONG_THING: "thing",
    Failure.EGREGIOUS: "egregious",
}


def _failure_row(figures: RecipeFigures) -> str:
    total = sum(f.count for f in figures.failures)
    cells = [f"{f.count} ({percent(f.share)})" if total else "0" for f in figures.failures]
    bars, x = [], 0.0
    for found in figures.failures:
        width = _WIDTH * found.share if total else 0.0
        kind = _CLASSES[found.failure]
        bars.append(f'<rect class="{kind}" x="{x:.1f}" y="1" width="{width:.1f}" height="12"/>')
        x += width
    plot = f'<svg width="{_WIDTH}" height="14" role="img" aria-hidden="true">{"".join(bars)}</svg>'
    return (
        f"<tr><th>{escape(figures.recipe)}</th>{_cells((str(total), *cells))}<td>{plot}</td></tr>\n"
    )


def _comparison(comparison: RecipeComparison) -> str:
    most = max((max(c.improvements, c.regressions) for c in comparison.verbs), default=0) or 1
    rows = "".join(_change_row(c, most) for c in comparison.verbs)
    facts = (
        f"Difference {points(comparison.overall.difference)} points, 95 % interval "
        f"{point_range(comparison.interval)}; p {p_text(comparison.p_value)}, Holm "
        f"{p_text(comparison.adjusted)}."
    )
    return (
        f"<h2>{escape(comparison.second)} against {escape(comparison.first)}</h2>\n"
        f"<p>{escape(verdict_text(comparison))}<br>{escape(facts)}</p>\n"
        '<p class="small"><i class="better" style="margin-left:0"></i>improved'
        '<i class="worse"></i>worsened</p>\n'
        '<div class="scroll"><table class="numbers">\n<thead><tr><th>Verb</th><th>References</th>'
        "<th>Improved</th><th>Worsened</th><th>Net</th><th>Points</th><th></th></tr></thead>\n"
        f"<tbody>\n{rows}</tbody>\n</table></div>\n"
    )


def _change_row(change: Change, most: int) -> str:
    half = _WIDTH / 2
    up, down = half * change.improvements / most, half * change.regressions / most
    plot = (
        f'<svg width="{_WIDTH}" height="14" role="img" aria-hidden="true">'
        f'<rect class="worse" x="{half - down:.1f}" y="1" width="{down:.1f}" height="12"/>'
        f'<rect class="better" x="{half}" y="1" width="{up:.1f}" height="12"/>'
        f'<line class="axis" x1="{half}" y1="0" x2="{half}" y2="14"/></svg>'
    )
    cells = _cells(
        (
            str(change.count),
            str(change.improvements),
            str(change.regressions),
            f"{change.net:+d}",
            points(change.difference),
        )
    )
    return f"<tr><th>{escape(change.verb or 'none')}</th>{cells}<td>{plot}</td></tr>\n"


def _verb_rows(figures: Sequence[RecipeFigures]) -> Iterable[str]:
    for verb in figures[0].verbs:
        rates = [next(v for v in f.verbs if v.verb == verb.verb) for f in figures]
        cells = "".join(
            f'<td title="{escape(percents(v.interval))}">{escape(percent(v.rate))}</td>'
            for v in rates
        )
        yield f"<tr><th>{escape(verb.verb or 'none')}</th><td>{verb.count}</td>{cells}</tr>\n"


def _wrong_row(row: JudgedCaption) -> str:
    failure = row.judgement.failure
    kind = failure.words if failure is not None else ""
    why = f"{kind}: {row.judgement.reason}" if row.judgement.reason else kind
    texts = "".join(
        f'<td class="text">{escape(text)}</td>'
        for text in (row.reference, row.caption or row.error, why)
    )
    where = f"episode {row.episode}, subtask {row.subtask + 1}"
    return f"<tr><td>{escape(where)}</td><td>{escape(row.recipe)}</td>{texts}</tr>\n"
