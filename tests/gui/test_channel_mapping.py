"""The channel mapping, and the help on shortcuts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QPushButton,
)
from pytestqt.qtbot import QtBot

from pipeline.model.demonstration import (
    ClosedIs,
    Combine,
    Demonstration,
    EpisodeRef,
    GripperChannels,
    MotionKind,
)
from pipeline.model.edits import SetChannels, SetMotion
from pipeline.sources.robot_presets import ArmPreset, Motion, RobotPreset
from pipeline.stages.phase_options import PhasesOptions
from pipeline.stages.phases import arm_signal
from widgets.channel_choice import in_force, preview
from widgets.channel_mapping import ChannelMapping
from widgets.channel_plot import ChannelPlot
from widgets.channel_table import ChannelTable, Column, sparks
from widgets.fields import FilterLine, quiet_button
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
    "right", "state", (3,), ("right_gripper",), ClosedIs.LOW, "guessed", "Its name says gripper"
)
PRESET = RobotPreset(
    name="Two arms",
    robot_types=("two*",),
    source="a test",
    arms=(
        ArmPreset(
            arm="left",
            channels=("left_gripper",),
            closed=ClosedIs.HIGH,
            percentiles=(5.0, 95.0),
            motion=Motion(channels=("left_elbow",)),
        ),
        ArmPreset(arm="right", channels=("right_gripper",), closed=ClosedIs.LOW),
    ),
)


@pytest.fixture
def mapping(qtbot: QtBot) -> ChannelMapping:
    made = ChannelMapping()
    qtbot.addWidget(made)
    made.resize(1100, 640)
    made.set_demonstration(demonstration(RIGHT))
    made.show()
    return made


def box(mapping: ChannelMapping, name: str) -> QComboBox:
    return next(b for b in mapping.findChildren(QComboBox) if b.accessibleName() == name)


def button(mapping: ChannelMapping, text: str) -> QPushButton:
    return next(b for b in mapping.findChildren(QPushButton) if b.text().startswith(text))


def table(mapping: ChannelMapping) -> ChannelTable:
    found = mapping.findChild(ChannelTable)
    assert found is not None
    return found


def check(
    mapping: ChannelMapping, place: str, on: bool = True, column: Column = Column.GRIPPER
) -> None:
    """Check or uncheck the channel `state 3`."""
    model = table(mapping).model()
    state = Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
    for row in range(model.rowCount()):
        if model.index(row, Column.PLACE).data() == place:
            assert model.setData(model.index(row, column), state, Qt.ItemDataRole.CheckStateRole)
            return
    raise AssertionError(place)


def plotted(mapping: ChannelMapping) -> list[float]:
    plot = mapping.findChild(SignalPlot)
    assert plot is not None
    return [float(v) for v in plot.signal]


def choose(qtbot: QtBot, combo: QComboBox, text: str) -> None:
    combo.setFocus()
    qtbot.keyClick(combo, Qt.Key.Key_Home)
    for _ in range(combo.count()):
        if combo.currentText() == text:
            return
        qtbot.keyClick(combo, Qt.Key.Key_Down)
    raise AssertionError(text)


def pick_preset(mapping: ChannelMapping, text: str) -> None:
    """Choose from the list of presets, which jumps back to its first line."""
    combo = box(mapping, "Preset")
    row = next(i for i in range(combo.count()) if combo.itemText(i).startswith(text))
    combo.activated.emit(row)


def texts(mapping: ChannelMapping) -> str:
    return "\n".join(w.text() for w in mapping.findChildren(QLabel) if w.isVisible())


def test_shows_the_mapping_in_force_and_its_reason(mapping: ChannelMapping) -> None:
    assert mapping.arm == "right"
    assert [(c.arm, c.gripper, c.motion) for c in mapping.draft] == [("right", (3,), (2,))]
    assert "Guessed: Its name says gripper." in texts(mapping)
    assert not button(mapping, "Use").isEnabled()
    assert "in force" in button(mapping, "Use").toolTip()
    plot = mapping.findChild(SignalPlot)
    assert plot is not None
    assert plot.thresholds == pytest.approx((0.55, 0.65))


def test_preview_follows_the_choice(mapping: ChannelMapping, qtbot: QtBot) -> None:
    assert plotted(mapping)[60] == pytest.approx(0.0, abs=0.05)
    assert plotted(mapping)[10] == pytest.approx(1.0, abs=0.05)
    choose(qtbot, box(mapping, "Closed is"), "High values (inverted)")
    assert plotted(mapping)[60] == pytest.approx(1.0, abs=0.05)
    check(mapping, "state 3", on=False)
    assert plotted(mapping) == []
    assert not button(mapping, "Use").isEnabled()
    assert "at least one gripper channel" in button(mapping, "Use").toolTip()


def test_nothing_is_emitted_before_use(mapping: ChannelMapping, qtbot: QtBot) -> None:
    got: list[object] = []
    mapping.mappingChosen.connect(got.append)
    check(mapping, "state 1")
    choose(qtbot, box(mapping, "Closed is"), "High values (inverted)")
    choose(qtbot, box(mapping, "Combine"), "The most closed")
    assert got == []
    qtbot.mouseClick(button(mapping, "Use"), Qt.MouseButton.LeftButton)
    edit = SetChannels(
        arm="right", signal="state", indices=(1, 3), closed_is="high", combine=Combine.MIN
    )
    assert got == [(edit,)]


def test_own_percentiles(mapping: ChannelMapping, qtbot: QtBot) -> None:
    low, high = mapping.findChildren(QDoubleSpinBox)
    own = mapping.findChild(QCheckBox)
    assert own is not None
    assert not low.isEnabled()
    assert (low.value(), high.value()) == (1.0, 99.0)
    own.click()
    low.setValue(70.0)
    high.setValue(60.0)  # ends never cross
    choice = mapping.draft[0]
    assert choice.percentiles == (59.0, 60.0)
    with qtbot.waitSignal(mapping.mappingChosen) as caught:
        qtbot.mouseClick(button(mapping, "Use"), Qt.MouseButton.LeftButton)
    assert caught.args[0][0].percentiles == (59.0, 60.0)


def test_a_gripper_never_mixes_state_and_action(mapping: ChannelMapping) -> None:
    check(mapping, "action 0")
    assert (mapping.draft[0].signal, mapping.draft[0].gripper) == ("action", (0,))
    assert "cannot mix" in texts(mapping)
    check(mapping, "action 2")
    assert mapping.draft[0].gripper == (0, 2)


def test_motion_channels_are_chosen_apart(mapping: ChannelMapping, qtbot: QtBot) -> None:
    check(mapping, "state 0", column=Column.MOTION)
    check(mapping, "state 2", on=False, column=Column.MOTION)
    with qtbot.waitSignal(mapping.mappingChosen) as caught:
        qtbot.mouseClick(button(mapping, "Use"), Qt.MouseButton.LeftButton)
    assert caught.args == [(SetMotion(arm="right", signal="state", indices=(0,)),)]
    choose(qtbot, box(mapping, "Motion from"), "End effector")
    assert mapping.draft[0].kind is MotionKind.END_EFFECTOR
    assert "No channel is named like that" in texts(mapping)


def test_arms_are_added_and_removed(mapping: ChannelMapping, qtbot: QtBot) -> None:
    mapping.add_arm("left")
    assert mapping.arm == "left"
    assert mapping.draft[1].motion == (0,)
    assert "gripper channel of “left”" in button(mapping, "Use").toolTip()
    check(mapping, "state 1")
    with qtbot.waitSignal(mapping.mappingChosen) as caught:
        qtbot.mouseClick(button(mapping, "Use"), Qt.MouseButton.LeftButton)
    edits = caught.args[0]
    assert edits == (
        SetChannels(arm="left", signal="state", indices=(1,), closed_is="low"),
        SetMotion(arm="left", signal="state", indices=(0,)),
    )
    mapping.set_demonstration(demonstration(RIGHT), edits)
    assert [c.arm for c in mapping.draft] == ["right", "left"]
    assert mapping.arm == "left"
    assert "Chosen by you" in texts(mapping)
    qtbot.mouseClick(button(mapping, "Remove"), Qt.MouseButton.LeftButton)
    assert mapping.arm == "right"
    with qtbot.waitSignal(mapping.mappingChosen) as caught:
        qtbot.mouseClick(button(mapping, "Use"), Qt.MouseButton.LeftButton)
    assert [(e.arm, e.removed) for e in caught.args[0]] == [("left", True)]
    mapping.set_demonstration(demonstration(RIGHT), (*edits, *caught.args[0]))
    assert [c.arm for c in mapping.draft] == ["right"]


def test_back_to_the_present_mapping(mapping: ChannelMapping, qtbot: QtBot) -> None:
    before = mapping.draft
    check(mapping, "state 1")
    qtbot.mouseClick(button(mapping, "Back"), Qt.MouseButton.LeftButton)
    assert mapping.draft == before
    assert not button(mapping, "Back").isEnabled()


def test_presets_that_fit_are_offered_and_fill_the_draft(mapping: ChannelMapping) -> None:
    other = PRESET.model_copy(update={"name": "Other", "arms": (ArmPreset(
        arm="arm", channels=("claw",), closed=ClosedIs.LOW),)})  # fmt: skip
    mapping.set_presets((PRESET, other), ("x.json: version: wrong",))
    combo = box(mapping, "Preset")
    listed = [combo.itemText(i) for i in range(combo.count())]
    assert listed == ["Choose…", "Demoscope's guess", "Two arms"]
    assert "x.json" in texts(mapping)
    pick_preset(mapping, "Two arms")
    assert [(c.arm, c.gripper, c.closed_is.value, c.percentiles) for c in mapping.draft] == [
        ("left", (1,), "high", (5.0, 95.0)),
        ("right", (3,), "low", None),
    ]
    assert mapping.draft[0].motion == (0,)
    assert button(mapping, "Use").isEnabled()
    pick_preset(mapping, "Demoscope")
    assert [c.arm for c in mapping.draft] == ["left", "right"]
    assert mapping.draft[0].percentiles is None


def test_the_mapping_can_be_kept_as_a_preset(mapping: ChannelMapping, qtbot: QtBot) -> None:
    with qtbot.waitSignal(mapping.presetWanted) as caught:
        qtbot.mouseClick(button(mapping, "Save"), Qt.MouseButton.LeftButton)
    grippers, motions = caught.args
    assert grippers[0].names == ("right_gripper",)
    assert motions[0].names == ("right_elbow",)


def test_without_a_guess_it_asks(mapping: ChannelMapping) -> None:
    mapping.set_demonstration(None)
    assert "Open an episode" in texts(mapping)
    mapping.set_demonstration(demonstration())
    assert mapping.arm == ""
    assert "No arm is mapped" in texts(mapping)
    assert not button(mapping, "Remove").isEnabled()
    check(mapping, "state 1")
    assert "Add an arm first" in texts(mapping)


def test_filter_hides_channels_but_keeps_their_checks(mapping: ChannelMapping) -> None:
    line = mapping.findChild(FilterLine)
    assert line is not None
    line.setText("elbow state")
    model = table(mapping).model()
    shown = [model.index(r, Column.NAME).data() for r in range(model.rowCount())]
    assert shown == ["left_elbow", "right_elbow"]
    assert mapping.draft[0].gripper == (3,)


def test_selected_channels_are_plotted_larger(mapping: ChannelMapping) -> None:
    plot = mapping.findChild(ChannelPlot)
    assert plot is not None
    assert [s.name for s in plot.strips] == ["state 3 · right_gripper"]
    table(mapping).selectAll()
    assert len(plot.strips) == 6


def ink(image: QImage, x: int) -> int:
    """Number of pixels in a column that are not the background."""
    base = image.pixelColor(0, 0)
    return sum(image.pixelColor(x, y) != base for y in range(image.height()))


def test_the_cursor_is_marked_in_the_plots(mapping: ChannelMapping, qtbot: QtBot) -> None:
    mapping.set_frame(30)
    for kind in (SignalPlot, ChannelPlot):
        plot = mapping.findChild(kind)
        assert plot is not None
        with_cursor = plot.grab().toImage()
        plot.set_frame(-1)
        without = plot.grab().toImage()
        more = [ink(with_cursor, x) - ink(without, x) for x in range(with_cursor.width())]
        assert max(more) > with_cursor.height() * 0.5


def test_plot_draws_the_signal_where_it_is(mapping: ChannelMapping) -> None:
    plot = mapping.findChild(SignalPlot)
    assert plot is not None
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
    (line,) = plot._lines(QRectF(0, 0, 100, 100))
    assert line.size() <= 200
    assert min(line.at(i).y() for i in range(line.size())) == pytest.approx(0.0)


def test_small_plots_keep_extremes_and_gaps() -> None:
    values = np.zeros((10_000, 3), np.float32)
    values[5_000, 0] = 7.0
    values[:4_000, 1] = np.nan
    found = sparks(values, 100)
    assert found[0].high.max() == 1.0
    assert (found[0].bottom, found[0].top) == (0.0, 7.0)
    assert np.isnan(found[1].low[:39]).all()
    assert (found[2].low == 0.5).all()
    assert sparks(np.zeros((0, 2), np.float32))[1].low.size == 0


def test_a_hundred_long_channels_are_all_drawn(qtbot: QtBot) -> None:
    names = tuple(f"joint_{i}.pos" for i in range(100))
    state = np.random.default_rng(0).normal(size=(10_000, 100)).astype(np.float32)
    large = Demonstration(
        EpisodeRef("/data/d", 0), "x", 30.0, 10_000, "", "", (), np.arange(10_000) / 30.0,
        state, names, state, names, (RIGHT,),
    )  # fmt: skip
    made = ChannelMapping()
    qtbot.addWidget(made)
    made.resize(1400, 900)
    made.set_demonstration(large)
    made.show()
    assert table(made).model().rowCount() >= 200  # state and action
    before = table(made).grab().toImage()
    made.set_frame(5_000)
    assert table(made).grab().toImage() != before, "the cursor is in every line"


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


def test_a_weak_force_is_plotted_as_the_phases_take_it(mapping: ChannelMapping) -> None:
    """A force has no end stops: a small one is a grasp where nothing larger was ever felt."""
    given = demonstration()
    state = given.state.copy()
    state[:, 3] = 0.0
    state[40:80, 3] = 0.02
    names = (*NAMES[:3], "right_gripper_force")
    force = GripperChannels("right", "state", (3,), names[3:], ClosedIs.HIGH)
    given = replace(given, state=state, state_names=names, grippers=(force,))
    (choice,) = in_force(given, ())
    shown = preview(given, choice, PhasesOptions())
    assert shown is not None
    taken = arm_signal(given, force, PhasesOptions())
    assert shown.activity == pytest.approx(taken.activity)
    assert shown.activity > 0.9
    position = replace(given, state_names=NAMES)
    flat = preview(position, choice, PhasesOptions())
    assert flat is not None
    assert flat.activity < 0.2


@pytest.mark.parametrize("make", [QPushButton, lambda text, of: quiet_button(text, "", of)])
def test_enter_in_a_dialog_presses_no_quiet_button(qtbot: QtBot, make: Any) -> None:
    """A plain button of Qt is pressed: it shows that the test can fail."""
    dialog = QDialog()
    qtbot.addWidget(dialog)
    line, pressed = QLineEdit(dialog), []
    button = make("Remove arm", dialog)
    button.clicked.connect(lambda: pressed.append(1))
    dialog.show()
    line.setFocus()
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert pressed == ([1] if make is QPushButton else [])
