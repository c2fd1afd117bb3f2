"""A graph whose second stage has a backend, for plug-ins that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipeline.backends.detection.protocol import DetectionRequest
from pipeline.engine.graph import Graph
from pipeline.model.options import option
from pipeline.model.problem import Problem
from pipeline.stages.backend_options import BackendOptions, with_backend
from pipeline.stages.stage import Scope, Stage
from tests.pipeline.toy_stages import First


@dataclass(frozen=True)
class FoundOptions(BackendOptions):
    backend: str = option("regions", "Who looks.", capability="detection")


@dataclass(frozen=True)
class FoundResult:
    count: int
    backend: str
    problems: tuple[Problem, ...] = ()


class Found(Stage[FoundOptions, FoundResult]):
    name, title, version, scope, inputs = "found", "Found", 1, Scope.EPISODE, ("first",)
    options_type, result_type = FoundOptions, FoundResult
    capability: ClassVar[str] = "detection"

    def run(self, demonstration, inputs, options, edits, context: Any):
        image = np.full((48, 64, 3), 90, np.uint8)
        image[10:20, 10:20] = 250
        request = DetectionRequest(image, "", (), (), (), 5, 0.0, 0.5, 0.001, 0.9)

        def work(backend: Any) -> int:
            return len(backend.detect(request, context.progress))

        count, name, problems = with_backend(self.capability, options, work)
        return FoundResult(count, name, problems)


def backend_graph() -> Graph:
    return Graph((First(), Found()))
