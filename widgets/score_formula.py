"""The formula of R with a candidate's numbers, as lines of text that a widget can lay out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.model.score import ScoresResult, ScoreTerms

TERM_NAMES = {
    "motion": "motion",
    "detector": "detector",
    "proximity": "proximity",
    "robot overlap": "overlap",
}
"""Names in `ScoreTerms.contributions` and the short ones that signals carry."""

_TILDE = "\u0303"
"""Combining: normalised."""


@dataclass(frozen=True, slots=True)
class FormulaConstants:
    """Constants of the score's parts (SPARC, table of hyperparameters).

    The weights of motion and proximity come with the terms. A part whose value these constants do
    not reproduce is shown without its formula, so that no line ever claims false numbers.

    Attributes:
        motion_exponent: Exponent of m_in.
        rest_exponent: Exponent of m_out.
        noise_floor: px/s.
        detector_base: w_D at no proximity.
        detector_slope: How much w_D falls up to full proximity.
        overlap_onset: Overlap that is still free.
        penalty_scale: Penalty at full overlap.
        attenuation: How much of it full relief takes away.
        spike: Added at nearly full overlap.
        spike_at: Overlap from which it is added.
    """

    motion_exponent: float = 0.6
    rest_exponent: float = 0.2
    noise_floor: float = 1.0
    detector_base: float = 0.75
    detector_slope: float = 0.15
    overlap_onset: float = 0.3
    penalty_scale: float = 1.45
    attenuation: float = 0.85
    spike: float = 0.20
    spike_at: float = 0.98


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the sum.

    Attributes:
        name: `motion`, `detector`, `proximity` or `overlap`.
        sign: `+`, `−` or empty for the first.
        formula: e.g. `0.5·Ã`.
        inserted: The same with numbers.
        value: Its amount, rounded so that all parts add up to R as shown.
        meaning: One sentence.
    """

    name: str
    sign: str
    formula: str
    inserted: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Line:
    """A sub-formula.

    Attributes:
        name: Term it belongs to.
        symbol: What is computed, e.g. `A`.
        steps: What it equals: formula, formula with numbers, value.
    """

    name: str
    symbol: str
    steps: tuple[str, ...]


_MEANINGS = {
    "motion": "Moves during the interaction and rests otherwise (SPARC 3.3).",
    "detector": "Looks like the named object; counts less near the gripper (SPARC 3.3).",
    "proximity": "Share of its points near the gripper (SPARC 3.3).",
    "overlap": "Its points lie on the robot: it may be the robot itself (SPARC 3.3).",
}


def number(value: float, digits: int = 3) -> str:
    """A number with a true minus sign and without a negative zero."""
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def adding_up(values: Sequence[float], total: float, digits: int = 3) -> tuple[float, ...]:
    """Round values so that they add up to the rounded total.

    Each moves by less than one unit of the last digit (largest remainder). If the values do not
    add up to the total in the first place, they are rounded one by one.
    """
    unit = 10.0**-digits
    if abs(sum(values) - total) > unit / 2:
        return tuple(round(v, digits) for v in values)
    floors = [math.floor(v / unit + 1e-9) for v in values]
    missing = round(total / unit) - sum(floors)
    order = sorted(range(len(values)), key=lambda i: floors[i] - values[i] / unit)
    for i in order[: max(missing, 0)]:
        floors[i] += 1
    return tuple(round(f * unit, digits) for f in floors)


def shown_contributions(terms: ScoreTerms) -> tuple[tuple[str, float], ...]:
    """Contributions as shown: three digits that add up to R as shown."""
    raw = terms.contributions
    values = adding_up([v for _, v in raw], terms.score)
    return tuple((name, value) for (name, _), value in zip(raw, values, strict=True))


def parts_of(terms: ScoreTerms) -> tuple[Part, ...]:
    """The four parts of R with their numbers."""
    shown = {TERM_NAMES[name]: value for name, value in shown_contributions(terms)}
    wa, wp = f"{terms.motion_weight:g}", f"{terms.proximity_weight:g}"
    texts = (
        ("motion", "", f"{wa}·Ã", f"{wa}·{number(terms.motion_normalised)}"),
        ("detector", "+", "w_D·D", f"{number(terms.detector_weight)}·{number(terms.detector)}"),
        ("proximity", "+", f"{wp}·P̃", f"{wp}·{number(terms.proximity_normalised)}"),
        ("overlap", "−", "Π", number(terms.penalty)),
    )
    return tuple(
        Part(
            name,
            sign,
            formula,
            inserted,
            number(-shown[name] if name == "overlap" else shown[name]),
            _MEANINGS[name],
        )
        for name, sign, formula, inserted in texts
    )


def lines_of(
    terms: ScoreTerms,
    scores: ScoresResult,
    constants: FormulaConstants,
    evidence: TermEvidence | None = None,
) -> tuple[Line, ...]:
    """How Ã, P̃, w_D, o and Π came about; with evidence also what m_in, m_out, P and o counted."""
    lines = _term_lines(terms, scores, constants)
    if evidence is None or evidence.row_of(terms.candidate) < 0:
        return lines
    found = []
    for line in lines:
        if line.symbol == "A":
            found += _motion_lines(terms, evidence)
        if line.symbol == "P":
            counted = int(evidence.proximity_counted(terms.candidate).sum())
            over = f"{line.steps[0]}, {counted} of {len(evidence.frames)} tracked frames"
            line = Line(line.name, line.symbol, (over, *line.steps[1:]))
        if line.symbol == "Π":
            found.append(_overlap_line(terms, evidence))
        found.append(line)
    return tuple(found)


def _motion_lines(terms: ScoreTerms, evidence: TermEvidence) -> list[Line]:
    held, rest = evidence.motion_transitions(terms.candidate)
    spans = ", ".join(f"{a}–{b}" for a, b in evidence.spans) or "none"
    inside = f"mean speed in {_count(held, 'transition')} of the interaction {spans}"
    outside = f"in the {_count(rest, 'other')}"
    return [
        Line("motion", "m_in", (inside, f"{number(terms.motion_in, 1)} px/s")),
        Line("motion", "m_out", (outside, f"{number(terms.motion_out, 1)} px/s")),
    ]


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _overlap_line(terms: ScoreTerms, evidence: TermEvidence) -> Line:
    """How o comes about: every keyframe; a filled dot marks those that count."""
    known = evidence.overlap_known(terms.candidate)
    if not known:
        return Line("overlap", "o", ("unknown at every keyframe", number(terms.overlap)))
    used = evidence.overlap_counted(terms.candidate)
    curve = evidence.overlap[evidence.row_of(terms.candidate)]
    each = "  ".join(
        f"{'●' if r in used else '○'}{int(evidence.frames[r])}:\u00a0{number(float(curve[r]), 2)}"
        for r in known
    )
    strongest = "strongest" if len(used) == 1 else f"mean of the {len(used)} strongest"
    return Line(
        "overlap",
        "o",
        (f"{strongest} of {_count(len(known), 'keyframe')} ({each})", number(terms.overlap)),
    )


def _term_lines(
    terms: ScoreTerms, scores: ScoresResult, constants: FormulaConstants
) -> tuple[Line, ...]:
    c, unit = constants, "m" if scores.form == "3d" else "px"
    motion = terms.motion_in**c.motion_exponent
    motion /= (terms.motion_out + c.noise_floor) ** c.rest_exponent
    excess = max(0.0, terms.overlap - c.overlap_onset)
    full = 1 - c.overlap_onset
    penalty = c.penalty_scale * (excess / full) ** 2 * (1 - c.attenuation * terms.relief)
    spiked = terms.overlap >= c.spike_at
    penalty += c.spike if spiked else 0.0
    p = terms.proximity_normalised
    weight = c.detector_base - c.detector_slope * p
    spike = f" + {c.spike:.2f}"
    return (
        _line(
            "motion",
            "A",
            f"m_in^{c.motion_exponent:g} / (m_out + {c.noise_floor:g})^{c.rest_exponent:g}",
            f"{number(terms.motion_in, 1)}^{c.motion_exponent:g} / "
            f"({number(terms.motion_out, 1)} + {c.noise_floor:g})^{c.rest_exponent:g}",
            motion,
            terms.motion,
        ),
        _normalised("motion", "A", terms.motion, terms.motion_normalised, scores),
        _line(
            "detector",
            "w_D",
            f"{c.detector_base:g} − {c.detector_slope:g}·P̃",
            f"{c.detector_base:g} − {c.detector_slope:g}·{number(p)}",
            weight,
            terms.detector_weight,
        ),
        Line(
            "proximity",
            "P",
            (f"mean share of points inside the sphere ({unit})", number(terms.proximity)),
        ),
        _normalised("proximity", "P", terms.proximity, p, scores),
        _line(
            "overlap",
            "Π",
            f"{c.penalty_scale:g}·(max(0, o − {c.overlap_onset:g}) / {full:g})²"
            f"·(1 − {c.attenuation:g}·relief)" + (spike if spiked else ""),
            f"{c.penalty_scale:g}·({number(excess)} / {full:g})²"
            f"·(1 − {c.attenuation:g}·{number(terms.relief)})"
            + (spike if spiked else "")
            + f" with o = {number(terms.overlap)}",
            penalty,
            terms.penalty,
        ),
    )


def _line(
    name: str, symbol: str, formula: str, inserted: str, computed: float, stored: float
) -> Line:
    if math.isfinite(computed) and abs(computed - stored) <= 0.005 * max(1.0, abs(stored)):
        return Line(name, symbol, (formula, inserted, number(stored)))
    return Line(name, symbol, (f"{number(stored)} (by other settings of the scores stage)",))


def _normalised(name: str, symbol: str, value: float, stored: float, scores: ScoresResult) -> Line:
    all_values = [t.motion if name == "motion" else t.proximity for t in scores.terms]
    low, high = min(all_values), max(all_values)
    tilde = f"{symbol}{_TILDE}"
    if high - low > 1e-9 and abs((value - low) / (high - low) - stored) <= 0.005:
        formula = f"({symbol} − min) / (max − min)"
        inserted = f"({number(value)} − {number(low)}) / ({number(high)} − {number(low)})"
        return Line(name, tilde, (formula, inserted, number(stored)))
    return Line(name, tilde, (f"{number(stored)} (no spread between the candidates)",))


def rival_of(candidate: int, scores: ScoresResult) -> int:
    """Whom to compare with: the winner, or for the winner the best of the others; -1 if alone."""
    if candidate != scores.winner and scores.winner >= 0:
        return scores.winner
    return next((c for c in scores.ranking if c != candidate), -1)


def value_text(symbol: str, terms: ScoreTerms) -> str:
    """The value of a line of `lines_of` for another candidate, e.g. the rival."""
    value = {
        "m_in": terms.motion_in,
        "m_out": terms.motion_out,
        "A": terms.motion,
        f"A{_TILDE}": terms.motion_normalised,
        "w_D": terms.detector_weight,
        "P": terms.proximity,
        f"P{_TILDE}": terms.proximity_normalised,
        "o": terms.overlap,
        "Π": terms.penalty,
    }[symbol]
    return number(value, 1) + " px/s" if symbol.startswith("m_") else number(value)


def as_text(
    candidate: int,
    scores: ScoresResult,
    names: dict[int, str],
    constants: FormulaConstants,
    evidence: TermEvidence | None = None,
) -> str:
    """Everything the breakdown shows, as plain text."""
    terms = scores.of(candidate)
    parts = parts_of(terms)
    total = number(terms.score)

    def joined(texts: list[str]) -> str:
        return "".join(f" {p.sign} {t}" if p.sign else t for p, t in zip(parts, texts, strict=True))

    lines = [
        headline(candidate, scores, names),
        "R = " + joined([p.formula for p in parts]),
        "  = " + joined([p.inserted for p in parts]),
        "  = " + joined([p.value for p in parts]),
        f"  = {total}",
    ]
    for line in lines_of(terms, scores, constants, evidence):
        lines.append(f"{line.symbol} = " + " = ".join(line.steps))
    rival = rival_of(candidate, scores)
    if rival >= 0:
        other = scores.of(rival)
        lines.append(f"{name_of(candidate, names)} minus {name_of(rival, names)}:")
        ours = shown_contributions(terms), shown_contributions(other)
        for (name, mine), (_, theirs) in zip(*ours, strict=True):
            lines.append(f"  {name}: {number(mine)} − {number(theirs)} = {signed(mine - theirs)}")
        gap = signed(round(terms.score, 3) - round(other.score, 3))
        lines.append(f"  R: {total} − {number(other.score)} = {gap}")
    lines.extend(f"{p.code}: {p.message}" for p in scores.problems)
    return "\n".join(lines)


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign."""
    text = number(value, digits)
    return text if text.startswith("−") or float(text) == 0 else f"+{text}"


def name_of(candidate: int, names: dict[int, str]) -> str:
    """`red cube #0`, or `#0` without a name."""
    name = names.get(candidate, "")
    return f"{name} #{candidate}" if name else f"#{candidate}"


def headline(candidate: int, scores: ScoresResult, names: dict[int, str]) -> str:
    """Who it is, its rank, and what decides between it and its rival."""
    terms = scores.of(candidate)
    rank = scores.ranking.index(candidate) + 1
    text = f"{name_of(candidate, names)}, rank {rank} of {len(scores.terms)}"
    if candidate == scores.winner:
        text += ", chosen by a person" if scores.chosen_by == "person" else ", winner"
    rival = rival_of(candidate, scores)
    if rival < 0:
        return f"{text}. It is the only candidate."
    other = scores.of(rival)
    gap = round(terms.score, 3) - round(other.score, 3)
    leads = "leads" if gap >= 0 else "trails"
    pairs = zip(shown_contributions(terms), shown_contributions(other), strict=True)
    by_term = [(name, mine - theirs) for (name, mine), (_, theirs) in pairs]
    name, most = max(by_term, key=lambda item: item[1] * (1 if gap >= 0 else -1))
    return (
        f"{text}; {leads} {name_of(rival, names)} by {number(abs(gap))}, "
        f"most by {name} ({signed(most)})."
    )
