"""A small graph with stages that are slow, broken or stuck on demand, for engine tests."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.engine.graph import Graph
from pipeline.model.arrays import F32
from pipeline.model.options import option
from pipeline.model.problem import DataError, Problem
from pipeline.stages.stage import Scope, Stage

BEHAVIOURS = ("fine", "slow", "deaf", "die", "raise", "refuse")


@dataclass(frozen=True)
class ToyOptions:
    factor: float = option(1.0, "multiplies", low=0, high=100)
    behaviour: str = option("fine", "what to do", choices=BEHAVIOURS)


@dataclass(frozen=True)
class ToyResult:
    values: F32
    note: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class NextResult:
    total: float
    parts: dict[str, float]
    problems: tuple[Problem, ...] = ()


class First(Stage[ToyOptions, ToyResult]):
    name, title, version, scope, inputs = "first", "First", 1, Scope.EPISODE, ()
    options_type, result_type = ToyOptions, ToyResult

    def run(self, demonstration, inputs, options, edits, context):
        match options.behaviour:
            case "slow":
                for i in range(2000):
                    context.progress(i / 2000, "working")
                    time.sleep(0.005)
            case "deaf":
                time.sleep(30)
            case "die":
                os._exit(7)
            case "raise":
                raise RuntimeError("a defect")
            case "refuse":
                raise DataError("no_good", "this input is no good")
        context.progress(1, "done")
        values = np.arange(4, dtype=np.float32) * np.float32(options.factor)
        return ToyResult(values, f"{len(edits)} edits")


class Second(Stage[ToyOptions, NextResult]):
    name, title, version, scope, inputs = "second", "Second", 1, Scope.SUBTASK, ("first",)
    options_type, result_type = ToyOptions, NextResult

    def run(self, demonstration, inputs, options, edits, context: Any):
        if options.behaviour == "raise":
            raise RuntimeError("a defect")
        values = inputs.get(ToyResult).values
        return NextResult(float(values.sum()) * options.factor, {"max": float(values.max())})


def toy_graph() -> Graph:
    return Graph((First(), Second()))
