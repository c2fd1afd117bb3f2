"""Choices of a backend and of its device in a form, with the reasons against some of them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox

from pipeline.backends.catalogue import CatalogueEntry, State, Survey
from pipeline.backends.registry import EMBEDDED, MODELS
from widgets.fields import tip

MORE = "Models…"
"""Last entry of a choice of backends: opens the list of models."""
_DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a choice.

    Attributes:
        value: As in the options.
        about: Tool tip.
        reason: Why it cannot be chosen now, empty if it can.
    """

    value: str
    about: str = ""
    reason: str = ""


def backend_choices(
    capability: str, survey: Survey | None, chosen: str, weights: str = ""
) -> tuple[Choice, ...]:
    """Backends of a capability: embedded, models, plug-ins.

    Args:
        capability: E.g. `detection`.
        survey: None while nobody has looked: then only ours are known, and nothing against them.
        chosen: Value in force; it is in the list whatever was found.
        weights: Weights that the user named; then missing ones of its own are no reason.
    """
    if survey is None:
        names = (*EMBEDDED.get(capability, {}), *MODELS.get(capability, {}))
        found = tuple(Choice(name) for name in names)
    else:
        found = tuple(_choice(entry, weights) for entry in survey.of(capability))
    if chosen and all(c.value != chosen for c in found):
        reason = "there is no such backend here" if survey is not None else ""
        found = (*found, Choice(chosen, reason, reason))
    return found


def device_choices(survey: Survey | None, chosen: str) -> tuple[Choice, ...]:
    """Devices of this machine, `auto` first; without a survey those that may be there."""
    if survey is None or not survey.complete:
        found = tuple(Choice(name) for name in _DEVICES)
    else:
        first = survey.devices[0].text if survey.devices else "nothing: torch is not installed"
        auto = Choice("auto", f"Now {first}")
        found = (auto, *(Choice(d.name, d.text) for d in survey.devices))
    if all(c.value != chosen for c in found):
        found = (*found, Choice(chosen, f"{chosen} was not found on this machine"))
    return found


def placement_hint(
    capability: str, survey: Survey | None, backend: str, device: str, precision: str
) -> str:
    """Where the chosen backend would run, in a few words; empty while that is not known."""
    if backend in EMBEDDED.get(capability, {}):
        return "embedded: runs on the CPU"
    if survey is None or not survey.complete:
        return ""
    entry = survey.find(capability, backend)
    if entry is not None and not entry.runs_on_device:
        return ""
    if not survey.devices:
        return "torch is not installed"
    placement = survey.placement(device, precision)
    return f"runs on {placement}" if placement else f"{device} is not on this machine"


def fill(box: QComboBox, choices: tuple[Choice, ...], value: str, *, more: bool = False) -> None:
    """Put choices into a combo box and choose one; emits nothing.

    Args:
        box: Its entries are replaced.
        choices: Those with a reason are greyed.
        value: To choose.
        more: Append `MORE`.
    """
    blocker = QSignalBlocker(box)
    box.clear()
    model = box.model()
    for i, choice in enumerate(choices):
        box.addItem(choice.value)
        about = tip(choice.value, choice.about, choice.reason) if choice.about else choice.reason
        box.setItemData(i, about, Qt.ItemDataRole.ToolTipRole)
        item = model.item(i) if isinstance(model, QStandardItemModel) else None
        if item is not None:
            item.setEnabled(not choice.reason)
    if more:
        box.insertSeparator(box.count())
        box.addItem(MORE)
        box.setItemData(
            box.count() - 1, "What is missing, and how to get it", Qt.ItemDataRole.ToolTipRole
        )
    box.setCurrentText(value)
    del blocker


def _choice(entry: CatalogueEntry, weights: str) -> Choice:
    card = entry.card
    reason = card.reason
    if weights and entry.state is State.WEIGHTS:
        reason = ""
    about = f"{card.title}, {card.licence}, {card.kind}" if card.licence else card.kind
    return Choice(card.name, about, reason)
