"""Backends in the form of options: what is offered, what is grey, and why."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from pipeline.model.options import option
from pipeline.stages.backend_options import BackendOptions
from tests.gui.model_survey import SURVEY, choose
from widgets.backend_choice import MORE
from widgets.options_form import OptionsForm

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@dataclass(frozen=True)
class Options(BackendOptions):
    backend: str = option("regions", "Who looks.", capability="detection")
    limit: int = option(9, "Most boxes.", low=1, high=99)


# -- choices in the form -------------------------------------------------------------------------


@pytest.fixture
def form(qtbot: QtBot) -> OptionsForm:
    made = OptionsForm()
    qtbot.addWidget(made)
    made.set_options(Options())
    made.show()
    return made


def choices(form: OptionsForm, name: str) -> list[str]:
    box = form.editor(name)
    assert isinstance(box, QComboBox)
    return [box.itemText(i) for i in range(box.count()) if box.itemText(i)]


def test_backends_are_offered_before_anybody_has_looked(form: OptionsForm) -> None:
    assert choices(form, "backend") == ["regions", "llmdet", MORE]
    assert choices(form, "device") == ["auto", "cpu", "cuda", "mps"]
    assert form.placement == "embedded: runs on the CPU"
    assert form.capability == "detection"


def test_what_was_found_is_offered_and_what_is_not_usable_is_grey(form: OptionsForm) -> None:
    heard: list[object] = []
    form.optionsChanged.connect(heard.append)
    form.set_survey(SURVEY)
    assert choices(form, "backend") == ["regions", "llmdet", "bright", MORE]
    assert choices(form, "device") == ["auto", "cuda:0", "cpu"]
    box = form.editor("backend")
    assert isinstance(box, QComboBox)
    model = box.model()
    assert isinstance(model, QStandardItemModel)
    enabled = {box.itemText(i): model.item(i).isEnabled() for i in range(box.count())}
    assert enabled == {"regions": True, "llmdet": False, "bright": True, "": False, MORE: True}
    assert "690 MB" in box.itemData(1, Qt.ItemDataRole.ToolTipRole)
    assert heard == []


def test_named_weights_make_a_model_choosable(form: OptionsForm) -> None:
    form.set_survey(SURVEY)
    form.set_options(Options(weights="/my/weights"))
    box = form.editor("backend")
    assert isinstance(box, QComboBox)
    model = box.model()
    assert isinstance(model, QStandardItemModel)
    assert model.item(1).isEnabled()


def test_the_form_says_where_the_backend_would_run(form: OptionsForm) -> None:
    form.set_survey(SURVEY)
    for options, words in (
        (Options(), "embedded: runs on the CPU"),
        (Options(backend="llmdet"), "runs on cuda:0, bfloat16"),
        (Options(backend="llmdet", device="cpu"), "runs on cpu, float32"),
        (Options(backend="llmdet", device="cpu", precision="float16"), "runs on cpu, float16"),
        (Options(backend="llmdet", device="cuda:3"), "cuda:3 is not on this machine"),
    ):
        form.set_options(options)
        assert form.placement == words
    assert "cuda:3" in choices(form, "device"), "what is in force is never hidden"
    form.set_options(Options(backend="gone"))
    assert "gone" in choices(form, "backend")


def test_choosing_changes_the_option_and_more_opens_the_list(
    qtbot: QtBot, form: OptionsForm
) -> None:
    form.set_survey(SURVEY)
    with qtbot.waitSignal(form.optionsChanged) as changed:
        choose(form, "backend", "bright")
    assert changed.args[0].backend == "bright"
    with qtbot.waitSignal(form.modelsWanted) as wanted:
        choose(form, "backend", MORE)
    assert wanted.args == ["detection", "bright"]
    box = form.editor("backend")
    assert isinstance(box, QComboBox)
    assert box.currentText() == "bright"
    with qtbot.waitSignal(form.optionsChanged) as changed:
        choose(form, "device", "cpu")
    assert changed.args[0].device == "cpu"
