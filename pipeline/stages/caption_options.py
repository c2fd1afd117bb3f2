"""Options of the stage captions."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.options import option
from pipeline.model.problem import DataError
from pipeline.model.recipe import Reasoning, Recipe
from pipeline.stages.server_options import (
    attempts_option,
    draw_option,
    longest_wait_option,
    timeout_option,
)

OFFLINE = "offline"
"""The drafter that needs no model."""
AS_RECIPE = "recipe"
"""Value of options that leave the choice to the recipe."""
ANY_TEMPERATURE = -1.0
"""The temperature that leaves the choice to the recipe."""


@dataclass(frozen=True, slots=True)
class CaptionsOptions:
    """Options of the stage. Keys of servers are none: they come from environment or keyring."""

    backend: str = option(
        OFFLINE,
        "Who drafts: offline writes the sentence from the subtask record, without a model; gemini "
        "and openai_compatible show a server what the recipe says, pictures of the clip included.",
        choices=(OFFLINE, "gemini", "openai_compatible"),
    )
    allow_fallback: bool = option(
        False,
        "If the server cannot be asked or fails, draft offline instead; the result says so.",
        keyed=False,
    )
    recipe: str = option(
        "",
        "What the model is shown and told; “demoscope captions recipes” lists them. Empty: the one "
        "that measured best for the size of the model.",
        source="seed 000: collage 61.0 % acceptable, frames 49.2 %, video 28.7 %",
    )
    model: str = option(
        "",
        "Name of the model on the server. Empty: the recipe's, else the backend's own.",
    )
    base_url: str = option(
        "",
        "Address of the server for openai_compatible, e.g. http://127.0.0.1:8000/v1; for gemini "
        "only if a gateway stands before it. Empty: what the SDK's environment variables say.",
    )
    temperature: float = option(
        ANY_TEMPERATURE, "Of sampling; -1 takes the recipe's.", low=-1.0, high=2.0
    )
    reasoning: str = option(
        AS_RECIPE,
        "How much the model may think before it answers; recipe takes the recipe's.",
        choices=(AS_RECIPE, *(r.value for r in Reasoning)),
    )
    draw: int = draw_option()
    timeout_s: float = timeout_option(120.0)
    attempts: int = attempts_option()
    max_wait_s: float = longest_wait_option()
    requests_per_minute: int = option(
        0,
        "Most requests per minute to one server, by all processes of this machine together; 0 for "
        "no limit of ours.",
        unit="1/min",
        low=0,
        high=100_000,
        keyed=False,
    )
    measured_color: bool = option(
        True,
        "Offline: name the colour of the winner's mask where the instruction names none.",
    )
    naming_limit: float = option(
        15.0,
        "Largest difference between the mask's colour and a colour word's nearest prototype "
        "(CIEDE2000, k_L = 2) at which the word is used.",
        unit="ΔE",
        low=0.0,
        high=100.0,
    )
    contradiction: float = option(
        20.0,
        "Difference from the instruction's colour words from which the mask contradicts them.",
        unit="ΔE",
        low=0.0,
        high=100.0,
    )
    contradiction_margin: float = option(
        10.0,
        "The measured colour must fit another word better by this much: thin or shaded masks are "
        "far from every word.",
        unit="ΔE",
        low=0.0,
        high=100.0,
    )

    @property
    def offline(self) -> bool:
        """Whether no server is asked."""
        return self.backend == OFFLINE


def reasoning_of(options: CaptionsOptions, recipe: Recipe) -> Reasoning:
    """How much the model may think."""
    return recipe.reasoning if options.reasoning == AS_RECIPE else Reasoning(options.reasoning)


def temperature_of(options: CaptionsOptions, recipe: Recipe) -> float:
    """Of sampling.

    Raises:
        DataError: `bad_options` for a temperature below 0 that is not the recipe's mark.
    """
    if options.temperature == ANY_TEMPERATURE:
        return recipe.temperature
    if options.temperature < 0:
        raise DataError(
            "bad_options",
            f"captions.temperature: expected 0 to 2, or -1 for the recipe's, got "
            f"{options.temperature:g}.",
        )
    return options.temperature
