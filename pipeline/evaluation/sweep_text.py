"""Sweeps in words, for the command line and for the window."""

from __future__ import annotations

from pipeline.evaluation.sweep_options import Grid, Value
from pipeline.evaluation.sweep_results import (
    METRICS,
    Evidence,
    Gain,
    Metric,
    Sweep,
    SweepMap,
    Tornado,
)

FEW = 30
"""Episodes under which bootstrap intervals say little (our choice)."""


def value_text(value: Value) -> str:
    """A value with few digits."""
    return value if isinstance(value, str) else f"{value:.4g}"


def figure_text(value: float, *, signed: bool = False) -> str:
    """A metric with three digits; a dash where there is none."""
    if value != value:
        return "–"
    return f"{value:+.3f}".replace("-", "−") if signed else f"{value:.3f}"


def gain_text(gain: Gain) -> str:
    """What is left of the best value's gain on other annotations, one sentence."""
    apparent = figure_text(gain.apparent, signed=True)
    if gain.apparent <= 0:
        return "No value is better than the one in force."
    if gain.expected != gain.expected:
        return f"Apparent gain {apparent}; too few annotations to say what is left on others."
    return (
        f"Apparent gain {apparent}; on other annotations {figure_text(gain.expected, signed=True)} "
        f"(95 %: {figure_text(gain.low, signed=True)} to {figure_text(gain.high, signed=True)})."
    )


def caution_text(evidence: Evidence) -> str:
    """What to beware of, one or two sentences."""
    text = (
        "The best value is chosen on the annotations that judge it, so it looks better than it is; "
        "the out-of-bag gain says what is left."
    )
    if evidence.episodes < FEW:
        text += f" {evidence.episodes} episodes are few: expect the intervals to be too narrow."
    if evidence.left_out:
        text += f" {left_out_text(evidence)}"
    if evidence.known[0] < evidence.annotations:
        low, high = evidence.known
        text += (
            f" Of {evidence.annotations} judged annotations, {low} to {high} have a winner that is "
            "known to be right or wrong; the others are left out."
        )
    return text


def left_out_text(evidence: Evidence) -> str:
    """How many annotations could not be measured again, and why, one sentence."""
    total = evidence.annotations + evidence.left_out
    return (
        f"Measured on {evidence.annotations} of {total} judged annotations: the cache holds no "
        f"tracks of the same candidates for {evidence.left_out}."
    )


def evidence_text(evidence: Evidence) -> str:
    """What the figures were made of."""
    return (
        f"{evidence.annotations} judged annotations of {evidence.episodes} episodes, "
        f"{evidence.resamples} bootstrap resamples"
    )


def verdict_text(sweep: Sweep, metric: Metric) -> str:
    """Best value and flat range of one metric, two sentences."""
    curve = sweep.of(metric)
    low, high = (value_text(v) for v in sweep.flat_range(metric))
    title = metric.title(sweep.evidence.precision)
    flat = f"{title} stays within its noise from {low} to {high}."
    if not curve.effect > 0:
        return f"{title} does not depend on it."
    best = value_text(sweep.best_value(metric))
    if curve.best == sweep.grid.current:
        return f"The value in force is the best. {flat}"
    return f"Best at {best}. {gain_text(curve.gain)} {flat}"


def sweep_lines(result: Sweep | SweepMap | Tornado, metric: Metric = Metric.COV_95) -> str:
    """A result as lines of text.

    Args:
        result: Of `run_sweep`.
        metric: For maps and for all options: which one.
    """
    if isinstance(result, Sweep):
        return "\n".join(_sweep(result))
    if isinstance(result, SweepMap):
        return "\n".join(_map(result, metric))
    return "\n".join(_tornado(result, metric))


def _sweep(sweep: Sweep) -> list[str]:
    precision = sweep.evidence.precision
    shown = [m for m in METRICS if m is not Metric.COVERAGE or precision not in (0.90, 0.95)]
    lines = [f"{_name(sweep.grid)}: {evidence_text(sweep.evidence)}"]
    lines.append("  " + f"{'value':>12}" + "".join(f"{m.title(precision):>11}" for m in shown))
    for k, value in enumerate(sweep.values):
        mark = "*" if k == sweep.grid.current else " "
        figures = "".join(f"{figure_text(float(sweep.of(m).values[k])):>11}" for m in shown)
        lines.append(f" {mark}{value_text(value):>12}{figures}")
    lines.append("  * value in force")
    lines += [f"  {m.title(precision)}: {verdict_text(sweep, m)}" for m in shown]
    lines.append(f"  {caution_text(sweep.evidence)}")
    return lines


def _map(result: SweepMap, metric: Metric) -> list[str]:
    own = result.of(metric)
    title = metric.title(result.evidence.precision)
    first, second = result.first, result.second
    lines = [
        f"{title}, {_name(first)} (down) and {_name(second)} (across): "
        f"{evidence_text(result.evidence)}"
    ]
    lines.append("  " + " " * 12 + "".join(f"{value_text(v):>9}" for v in second.values))
    for i, value in enumerate(first.values):
        cells = ""
        for j in range(len(second.values)):
            mark = "*" if (i, j) == (first.current, second.current) else ""
            cells += f"{figure_text(float(own.values[i, j])) + mark:>9}"
        lines.append(f"  {value_text(value):>12}{cells}")
    lines.append("  * values in force")
    lines.append(f"  {map_verdict_text(result, metric)}")
    lines.append(f"  {caution_text(result.evidence)}")
    return lines


def map_verdict_text(result: SweepMap, metric: Metric) -> str:
    """Best pair of a map."""
    own = result.of(metric)
    if own.best == (result.first.current, result.second.current):
        return "The values in force are the best."
    i, j = own.best
    return (
        f"Best at {result.first.info.name} {value_text(result.first.values[i])}, "
        f"{result.second.info.name} {value_text(result.second.values[j])}. {gain_text(own.gain)}"
    )


def _tornado(result: Tornado, metric: Metric) -> list[str]:
    ranked = result.ranked(metric)
    if not ranked:
        return ["Nothing was swept."]
    evidence = min((s.evidence for s in ranked), key=lambda e: e.left_out)
    measured = max((s.evidence for s in ranked), key=lambda e: e.left_out)
    lines = [f"{metric.title(evidence.precision)}, one option at a time: {evidence_text(evidence)}"]
    lines.append(
        f"  {'option':26}{'now':>9}{'lowest':>9}{'highest':>9}{'best at':>9}  gain elsewhere"
    )
    for sweep in ranked:
        curve = sweep.of(metric)
        lines.append(
            f"  {sweep.parameter:26}{value_text(sweep.current_value):>9}"
            f"{figure_text(float(curve.values.min())):>9}{figure_text(float(curve.values.max())):>9}"
            f"{value_text(sweep.best_value(metric)):>9}  "
            f"{figure_text(curve.gain.expected, signed=True)}"
        )
    if result.skipped:
        lines.append(f"  Not swept, as they need cached tracks: {', '.join(result.skipped)}.")
    if measured.left_out:
        own = ", ".join(s.parameter for s in ranked if s.evidence.left_out)
        lines.append(f"  {own}: {left_out_text(measured)}")
    lines.append(f"  {caution_text(evidence)}")
    return lines


def _name(grid: Grid) -> str:
    return grid.info.name + (f" [{grid.info.unit}]" if grid.info.unit else "")
