"""Sweeps for programs; see docs/evaluation.md."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.evaluation.sweep_options import Grid
from pipeline.evaluation.sweep_results import (
    Evidence,
    Gain,
    MetricCurve,
    Sweep,
    SweepMap,
    Tornado,
)
from pipeline.model.arrays import Array


def sweep_json(result: Sweep | SweepMap | Tornado) -> dict[str, Any]:
    """A result as JSON; numbers that are not known are None."""
    if isinstance(result, Tornado):
        return {"options": [sweep_json(s) for s in result.sweeps], "skipped": list(result.skipped)}
    if isinstance(result, Sweep):
        return {
            **_grid(result.grid),
            "metrics": {c.metric.value: _curve(c) for c in result.curves},
            "evidence": _evidence(result.evidence),
        }
    return {
        "first": _grid(result.first),
        "second": _grid(result.second),
        "metrics": {
            m.metric.value: {
                "values": _plain(m.values),
                "best": list(m.best),
                "gain": _gain(m.gain),
            }
            for m in result.maps
        },
        "evidence": _evidence(result.evidence),
    }


def _grid(grid: Grid) -> dict[str, Any]:
    return {"option": grid.info.name, "values": list(grid.values), "current": grid.current}


def _curve(curve: MetricCurve) -> dict[str, Any]:
    return {
        "values": _plain(curve.values),
        "low": _plain(curve.low),
        "high": _plain(curve.high),
        "best": curve.best,
        "flat": list(curve.flat),
        "gain": _gain(curve.gain),
    }


def _gain(gain: Gain) -> dict[str, Any]:
    return {
        name: _plain(np.array(getattr(gain, name)))
        for name in ("apparent", "expected", "low", "high")
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "annotations": evidence.annotations,
        "known": list(evidence.known),
        "episodes": evidence.episodes,
        "resamples": evidence.resamples,
        "precision": evidence.precision,
        "left_out": evidence.left_out,
    }


def _plain(values: Array) -> Any:
    """Nested lists, or one number; None for what is not finite."""
    if values.ndim:
        return [_plain(v) for v in values]
    number = float(values)
    return number if np.isfinite(number) else None
