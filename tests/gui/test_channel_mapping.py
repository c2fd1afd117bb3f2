"""The mapping of gripper channels, and the help on shortcuts."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QListWidget, QPushButton
from pytestqt.qtbot import QtBot

from pipeline.model.demonstration import ClosedIs, Demonstration, EpisodeRef, GripperChannels
from widgets.channel_mapping import ChannelMapping
from widgets.shortcut_help import ShortcutHelp, ShortcutLine
from widgets.signal_plot import SignalPlot

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

LENGTH = 120
NAMES = ("left_elbow", "left_gripper", "right_elbow", "right_gripper")


def demonstration(*grippers: GripperChannels) -> Demonstration:
    """The right gripper is low (closed) in the middle third."""
    state = np.zeros((LENGTH, 4), np.float32)
    state[:, 3] = 1.0
    state[40:80, 3] = 0.0
    state[:, 1] = np.linspace(0, 1, LENGTH)
    return Demonstration(
        EpisodeRef("/data/d", 0),
        "x",
        30.0,
        LENGTH,
        "",
        "",
        (),
        np.arange(LENGTH) / 30.0,
        state,
        NAMES,
        state[:, ::-1].copy(),
        NAMES[::-1],
        grippers,
    )


RIGHT = GripperChannels(
    "right", "state", (3,), ("right_gripper",), ClosedIs.LOW, "guessed", "Its name says gripper."
)


@pytest.fixture
def mapping(qtbot: QtBot) -> ChannelMapping:
    made = ChannelMapping()
    qtbot.addWidget(made)
    made.resize(360, 520)
    made.set_demonstration(demonstration(RIGHT))
    made.show()
    return made


def box(mapping: ChannelMapping, name: str) -> QComboBox:
    return next(b for b in mapping.findChildren(QComboBox) if b.accessibleName() == name)


def use(mapping: ChannelMapping) -> QPushButton:
    return next(b for b in mapping.findChildren(QPushButton) if b.text().startswith("Use"))


def check(mapping: ChannelMapping, name: str, on: bool = True) -> None:
    found = mapping.findChild(QListWidget)
    assert found is not None
    item = next(found.item(i) for i in range(found.count()) if found.item(i).text().endswith(name))
    item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def plotted(mapping: ChannelMapping) -> list[float]:
    plot = mapping.findChild(SignalPlot)
    assert plot is not None
    return [float(v) for v in plot.signal]


def choose(qtbot: QtBot, combo: QComboBox, text: str) -> None:
    combo.setFocus()
    while combo.currentText() != text:
        before = combo.currentIndex()
        qtbot.keyClick(combo, Qt.Key.Key_Down)
        if combo.currentIndex() == before:
            qtbot.keyClick(combo, Qt.Key.Key_Home)


def test_shows_the_guess_and_its_reason(mapping: ChannelMapping) -> None:
    assert mapping.arm == "right"
    assert mapping.indices == (3,)
    texts = [w.text() for w in mapping.findChildren(QLabel)]
    assert "Guessed: right_gripper. Its name says gripper." in texts
    assert not use(mapping).isEnabled()
    assert "in force" in use(mapping).toolTip()


def test_preview_follows_the_choice(mapping: ChannelMapping, qtbot: QtBot) -> None:
    assert plotted(mapping)[60] == pytest.approx(0.0, abs=0.05)
    assert plotted(mapping)[10] == pytest.approx(1.0, abs=0.05)
    choose(qtbot, box(mapping, "Closed is"), "high values")
    assert plotted(mapping)[60] == pytest.approx(1.0, abs=0.05)
    check(mapping, "right_gripper", on=False)
    assert plotted(mapping) == []
    assert not use(mapping).isEnabled()
    assert "at least one" in use(mapping).toolTip()


def test_nothing_is_emitted_before_use(mapping: ChannelMapping, qtbot: QtBot) -> None:
    got: list[tuple[object, ...]] = []
    mapping.channelsChanged.connect(lambda *values: got.append(values))
    check(mapping, "left_gripper")
    choose(qtbot, box(mapping, "Closed is"), "high values")
    assert got == []
    qtbot.mouseClick(use(mapping), Qt.MouseButton.LeftButton)
    assert got == [("right", "state", (1, 3), "high")]


def test_changing_the_signal_keeps_channels_of_the_same_name(
    mapping: ChannelMapping, qtbot: QtBot
) -> None:
    choose(qtbot, box(mapping, "Signal"), "action")
    assert mapping.indices == (0,)
    with qtbot.waitSignal(mapping.channelsChanged) as caught:
        qtbot.mouseClick(use(mapping), Qt.MouseButton.LeftButton)
    assert caught.args == ["right", "action", (0,), "low"]


def test_other_arms_can_be_mapped(mapping: ChannelMapping, qtbot: QtBot) -> None:
    choose(qtbot, box(mapping, "Arm"), "left (not mapped)")
    assert mapping.arm == "left"
    assert mapping.indices == ()
    check(mapping, "left_gripper")
    with qtbot.waitSignal(mapping.channelsChanged) as caught:
        qtbot.mouseClick(use(mapping), Qt.MouseButton.LeftButton)
    assert caught.args == ["left", "state", (1,), "low"]
    mapping.set_demonstration(demonstration(RIGHT))
    assert mapping.arm == "left"


def test_without_a_guess_it_asks(mapping: ChannelMapping) -> None:
    mapping.set_demonstration(None)
    assert any("Open an episode" in w.text() for w in mapping.findChildren(QLabel) if w.isVisible())
    mapping.set_demonstration(demonstration())
    assert mapping.arm == "arm"
    assert any("Nothing looks like" in w.text() for w in mapping.findChildren(QLabel))


def test_filter_hides_channels_but_keeps_their_checks(mapping: ChannelMapping) -> None:
    line = mapping.findChild(QLineEdit)
    found = mapping.findChild(QListWidget)
    assert line is not None
    assert found is not None
    line.setText("elbow")
    shown = [found.item(i).text() for i in range(found.count()) if not found.item(i).isHidden()]
    assert sorted(shown) == ["0  left_elbow", "2  right_elbow"]
    assert mapping.indices == (3,)


def test_plot_draws_the_signal_where_it_is(mapping: ChannelMapping) -> None:
    plot = mapping.findChild(SignalPlot)
    assert plot is not None
    empty = SignalPlot(mapping)
    empty.resize(plot.size())
    image = plot.grab().toImage()
    base = plot.palette().base().color()
    column = [image.pixelColor(image.width() * 6 // 10, y) for y in range(image.height())]
    inked = [y for y, color in enumerate(column) if color != base]
    # Closed in the middle: the line is in the lower half there.
    assert max(inked) > image.height() * 0.7


def test_long_signals_keep_their_extremes(qtbot: QtBot) -> None:
    plot = SignalPlot()
    qtbot.addWidget(plot)
    plot.resize(200, 100)
    signal = np.full(50_000, 0.5, np.float32)
    signal[31_234] = 1.0
    plot.set_signal(signal, ("open", "closed"))
    from PySide6.QtCore import QRectF

    line = plot._line(QRectF(0, 0, 100, 100))
    assert line.size() <= 200
    assert min(line.at(i).y() for i in range(line.size())) == pytest.approx(0.0)


def test_shortcut_help_filters_by_action_and_key(qtbot: QtBot) -> None:
    window = ShortcutHelp()
    qtbot.addWidget(window)
    window.set_lines(
        (
            ShortcutLine("Play", "Play or pause", "Space"),
            ShortcutLine("Review", "Accept the caption", "Return"),
            ShortcutLine("Play", "One frame on", "Right"),
            ShortcutLine("File", "Export", ""),
        )
    )
    assert not window.isModal()
    assert window.visible_lines()[:2] == (("Play or pause", "Space"), ("One frame on", "Right"))
    assert window.visible_lines()[-1] == ("Export", "–")
    window.set_filter("return")
    assert window.visible_lines() == (("Accept the caption", "Return"),)
    window.set_filter("play frame")
    assert window.visible_lines() == (("One frame on", "Right"),)
    window.set_filter("nothing like it")
    assert window.visible_lines() == ()
