"""Sets of backends that are chosen together: everything offline, or the models of the paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.backends.registry import embedded_of, make_backend
from pipeline.model.problem import DataError
from pipeline.stages.backend_options import BackendOptions


@dataclass(frozen=True, slots=True)
class Profile:
    """Backends of several stages.

    Attributes:
        name: As written on the command line.
        title: For people.
        backends: Stage -> (capability, backend).
    """

    name: str
    title: str
    backends: Mapping[str, tuple[str, str]]


_STAGES = {
    "proposals": "detection",
    "masks": "segmentation",
    "tracks": "tracking",
    "lifting": "geometry",
    "robot": "robot",
}

EMBEDDED_PROFILE = Profile(
    "embedded",
    "embedded backends",
    {stage: (capability, embedded_of(capability)) for stage, capability in _STAGES.items()},
)
MODELS_PROFILE = Profile(
    "models",
    "models",
    {
        "proposals": ("detection", "llmdet"),
        "masks": ("segmentation", "sam2"),
        # Takes the point tracker that is there (AllTracker, CoTracker, else the embedded one).
        "tracks": ("tracking", "hybrid"),
        "lifting": ("geometry", "moge"),
        # RobotSeg's weights must be fetched by hand.
        "robot": ("robot", "phrase_to_mask"),
    },
)
"""SPARC 3.2, with what can be fetched. Language models are asked only if chosen by name: they cost
money, and text leaves the machine."""

PROFILES = {p.name: p for p in (EMBEDDED_PROFILE, MODELS_PROFILE)}


def with_profile(options: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """Choose the backends of a profile; other options stay, weights go back to the backend's own.

    Args:
        options: Stage -> options instance.
        profile: What to choose.
    """
    chosen = dict(options)
    for stage, (_, backend) in profile.backends.items():
        old = chosen.get(stage)
        if isinstance(old, BackendOptions) and old.backend != backend:
            chosen[stage] = dataclasses.replace(old, backend=backend, weights="")
    return chosen


def missing(profile: Profile) -> dict[str, str]:
    """Backends of a profile that cannot be used now: name -> one sentence."""
    reasons = {}
    for capability, name in profile.backends.values():
        try:
            reason = make_backend(capability, name).available()
        except DataError as error:
            reason = str(error)
        if reason:
            reasons[name] = str(reason)
    return reasons
