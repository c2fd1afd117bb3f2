"""The form of an options dataclass."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QStandardItemModel, QWheelEvent
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)
from pytestqt.qtbot import QtBot

from pipeline.model.options import option
from widgets.options_form import OptionsForm, decimals_of, number_text, step_of, words

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@dataclass(frozen=True)
class Options:
    threshold: float = option(0.6, "Closed below it.", low=0.0, high=1.0, source="SPARC, Table 5")
    noise_floor: float = option(1.0, "Floor.", unit="px/s", low=0.0, high=50.0)
    min_frames: int = option(7, "Shortest phase.", unit="frames", low=1, high=500)
    backend: str = option("regions", "Which detector.", choices=("regions", "llmdet"))
    smooth: bool = option(True, "Smooth motion.")
    phrase: str = option("", "What to look for.")


@dataclass(frozen=True)
class Ordered:
    low: float = option(0.2, "Lower end.", low=0.0, high=1.0)
    high: float = option(0.8, "Upper end.", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError("low: expected less than high")


@dataclass(frozen=True)
class Nothing:
    pass


@pytest.fixture
def form(qtbot: QtBot) -> OptionsForm:
    made = OptionsForm()
    qtbot.addWidget(made)
    made.set_options(Options())
    made.show()
    return made


def emitted(form: OptionsForm) -> list[Options]:
    got: list[Options] = []
    form.optionsChanged.connect(got.append)
    return got


def label_of(form: OptionsForm, name: str) -> QLabel:
    editor = form.editor(name)
    return next(w for w in form.findChildren(QLabel) if w.buddy() is editor)


def test_editors_show_values_units_and_ranges(form: OptionsForm) -> None:
    threshold, frames = form.editor("threshold"), form.editor("min_frames")
    assert isinstance(threshold, QDoubleSpinBox)
    assert (threshold.value(), threshold.minimum(), threshold.maximum()) == (0.6, 0.0, 1.0)
    assert isinstance(frames, QSpinBox)
    assert frames.text() == "7 frames"
    assert isinstance(form.editor("backend"), QComboBox)
    assert isinstance(form.editor("smooth"), QCheckBox)
    assert label_of(form, "min_frames").text() == "Min frames"


def test_tool_tip_says_help_default_range_and_source(form: OptionsForm) -> None:
    text = form.editor("threshold").toolTip()
    for part in ("Closed below it.", "Default: 0.6", "0 to 1", "SPARC, Table 5"):
        assert part in text


def test_a_change_is_emitted_as_a_new_instance(form: OptionsForm) -> None:
    got = emitted(form)
    spin = form.editor("threshold")
    assert isinstance(spin, QDoubleSpinBox)
    spin.setValue(0.55)
    assert got == [Options(threshold=0.55)]
    box = form.editor("smooth")
    assert isinstance(box, QCheckBox)
    box.click()
    assert got[-1] == Options(threshold=0.55, smooth=False)
    assert form.changed == ("threshold", "smooth")


def test_choice_and_text(form: OptionsForm, qtbot: QtBot) -> None:
    got = emitted(form)
    combo, line = form.editor("backend"), form.editor("phrase")
    assert isinstance(combo, QComboBox)
    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Down)
    assert got[-1].backend == "llmdet"
    assert isinstance(line, QLineEdit)
    qtbot.keyClicks(line, "red cube")
    assert got[-1].phrase == ""
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert got[-1].phrase == "red cube"
    assert len(got) == 2


def test_typing_emits_once_when_done(form: OptionsForm, qtbot: QtBot) -> None:
    got = emitted(form)
    spin = form.editor("min_frames")
    assert isinstance(spin, QSpinBox)
    spin.selectAll()
    qtbot.keyClicks(spin, "120")
    assert got == []
    qtbot.keyClick(spin, Qt.Key.Key_Return)
    assert [o.min_frames for o in got] == [120]


def test_setter_is_silent_and_keeps_the_widgets(form: OptionsForm) -> None:
    got = emitted(form)
    before = form.editor("threshold")
    form.set_options(Options(threshold=0.123456, smooth=False, backend="llmdet"))
    assert form.editor("threshold") is before
    assert isinstance(before, QDoubleSpinBox)
    assert before.value() == pytest.approx(0.123456)
    form.set_options(Ordered())
    form.set_options(None)
    assert got == []


def test_changed_values_are_marked_and_reset(form: OptionsForm, qtbot: QtBot) -> None:
    got = emitted(form)
    reset_all = form.findChild(QPushButton)
    assert reset_all is not None
    assert not reset_all.isEnabled()
    assert "defaults" in reset_all.toolTip()
    form.set_options(Options(noise_floor=2.5, min_frames=9))
    assert label_of(form, "noise_floor").text().startswith("•")
    assert not label_of(form, "threshold").text().startswith("•")
    row = next(r for r in form._rows if r.info.name == "noise_floor")
    assert row.reset.isVisible()
    qtbot.mouseClick(row.reset, Qt.MouseButton.LeftButton)
    assert got == [Options(min_frames=9)]
    assert not row.reset.isVisible()
    qtbot.mouseClick(reset_all, Qt.MouseButton.LeftButton)
    assert got[-1] == Options()
    assert form.changed == ()


def test_refused_values_say_why_and_go_back(qtbot: QtBot) -> None:
    form = OptionsForm()
    qtbot.addWidget(form)
    form.set_options(Ordered())
    got = emitted(form)
    spin = form.editor("low")
    assert isinstance(spin, QDoubleSpinBox)
    spin.setValue(0.9)
    assert got == []
    assert spin.value() == 0.2
    assert any(not w.isHidden() and "less than high" in w.text() for w in form.findChildren(QLabel))


def wheel(widget: QWidget) -> QWheelEvent:
    center = QPointF(widget.rect().center())
    event = QWheelEvent(
        center,
        QPointF(widget.mapToGlobal(center.toPoint())),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    return event


def test_wheel_needs_the_focus(form: OptionsForm, qtbot: QtBot) -> None:
    got = emitted(form)
    with qtbot.waitActive(form):
        form.activateWindow()
    other = form.editor("phrase")
    other.setFocus()
    for name in ("threshold", "min_frames", "backend"):
        assert not wheel(form.editor(name)).isAccepted()
    assert got == []
    spin = form.editor("min_frames")
    spin.setFocus()
    wheel(spin)
    assert [o.min_frames for o in got] == [8]


def test_unavailable_choices_say_why(form: OptionsForm) -> None:
    form.set_unavailable("backend", {"llmdet": "needs torch"})
    combo = form.editor("backend")
    assert isinstance(combo, QComboBox)
    model = combo.model()
    assert isinstance(model, QStandardItemModel)
    assert not model.item(1).isEnabled()
    assert model.item(1).toolTip() == "needs torch"
    assert model.item(0).isEnabled()
    with pytest.raises(KeyError):
        form.set_unavailable("threshold", {})


def test_empty_forms_say_so(qtbot: QtBot) -> None:
    form = OptionsForm()
    qtbot.addWidget(form)
    form.set_options(Nothing())
    texts = [w.text() for w in form.findChildren(QLabel) if not w.isHidden()]
    assert texts == ["This stage has no options."]


def test_words_numbers_and_steps() -> None:
    assert words("noise_floor") == "Noise floor"
    assert number_text(1.0, "px/s") == "1 px/s"
    assert number_text(True) == "on"
    assert [decimals_of(v) for v in (1.0, 0.05, 0.123)] == [0, 2, 3]
    assert [step_of(v) for v in (0.6, 8.0, 0.05, 0.0)] == pytest.approx([0.01, 0.1, 0.001, 0.01])
