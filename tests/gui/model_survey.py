"""What a machine with some backends, and some that lack something, looks like."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox

from pipeline.backends.catalogue import (
    CatalogueEntry,
    DeviceInfo,
    State,
    Survey,
    WeightsPlace,
)
from pipeline.backends.registry import BackendCard
from widgets.options_form import OptionsForm

MISSING = "its weights are not on this machine (690 MB, Apache-2.0); fetch them."


def entry(capability: str, name: str, kind: str, state: State, reason: str = "", **more):
    title = more.pop("title", name)
    card = BackendCard(capability, name, title, "Apache-2.0", kind, reason)
    return CatalogueEntry(card, state, runs_on_device=kind != "embedded", **more)


SURVEY = Survey(
    (
        entry("detection", "regions", "embedded", State.READY),
        entry(
            "detection",
            "llmdet",
            "model",
            State.WEIGHTS,
            MISSING,
            title="LLMDet (Swin-T)",
            weights=(WeightsPlace("lab/llmdet", "Apache-2.0", 690, ""),),
        ),
        entry("detection", "bright", "plug-in", State.READY),
        entry(
            "tracking",
            "cotracker",
            "model",
            State.LICENCE,
            "its licence has to be accepted first.",
            notice="Not for commercial use.",
            needs_consent=True,
            weights=(WeightsPlace("lab/co", "CC-BY-NC-4.0", 102, "/a/b.pth"),),
        ),
    ),
    (
        DeviceInfo("cuda:0", "cuda:0: A6000, 40.0 of 48.0 GiB free", "bfloat16"),
        DeviceInfo("cpu", "cpu: 8 cores", "float32"),
    ),
    complete=True,
)


def choose(form: OptionsForm, name: str, text: str) -> None:
    """As a person does in the popup."""
    box = form.editor(name)
    assert isinstance(box, QComboBox)
    box.setCurrentText(text)
    box.textActivated.emit(text)
