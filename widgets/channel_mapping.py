"""Which channels are grippers and which tell motion: see the guess, choose others, per arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSplitter,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.demonstration import Demonstration, MotionKind
from pipeline.model.edits import Edit
from pipeline.sources.robot_presets import RobotPreset
from pipeline.stages.motion_channels import guess_motion
from pipeline.stages.phase_options import PhasesOptions
from widgets import channel_choice as choices
from widgets.channel_choice import ArmChoice
from widgets.channel_form import ChannelForm
from widgets.channel_plot import ChannelPlot, Strip
from widgets.channel_presets import PresetBox
from widgets.channel_table import ChannelTable, Place
from widgets.fields import EmptyHint, FilterLine, muted, quiet_button, tip
from widgets.signal_plot import SignalPlot
from widgets.theme import GRID, HALF_GRID

_ARMS = ("left", "right", "arm")
_MOST_ARMS = 8
_EMPTY = "Open an episode to map its channels."
_BY = {
    "guessed": "Guessed",
    "preset": "Known robot",
    "format": "Defined by the format",
    "user": "Chosen by you",
}
_HOW = (
    "Check in the table which channels are this arm's gripper and which tell its motion. Nothing "
    "changes before “Use this mapping”."
)


class ChannelMapping(QWidget):
    """Chooses gripper and motion channels of all arms, with plots; a draft until it is used.

    Attributes:
        mappingChosen: The edits (`SetChannels`, `SetMotion`) that put the draft in force.
        presetWanted: Gripper channels and motion channels of all arms, to be saved as a preset.
    """

    mappingChosen = Signal(tuple)
    presetWanted = Signal(tuple, tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Channel mapping")
        self._demonstration: Demonstration | None = None
        self._options = PhasesOptions()
        self._before: tuple[ArmChoice, ...] = ()
        self._draft: tuple[ArmChoice, ...] = ()
        self._build_parts()
        self._build_layout()
        self.set_demonstration(None)

    def _build_parts(self) -> None:
        self._preset = PresetBox(self)
        self._preset.presetChosen.connect(self._apply_preset)
        self._save = quiet_button("Save as preset…", "", self)
        self._save.clicked.connect(self._want_preset)
        self._trouble = QLabel(self)
        self._trouble.setWordWrap(True)
        self._trouble.setTextFormat(Qt.TextFormat.PlainText)
        self._filter = FilterLine("Filter channels", self)
        self._table = ChannelTable(self)
        self._filter.textChanged.connect(self._table.set_filter)
        model = self._table.model_of_channels
        model.gripperChecked.connect(self._check_gripper)
        model.motionChecked.connect(self._check_motion)
        self._table.channelsSelected.connect(self._show_selected)
        self._tabs = QTabBar(self)
        self._tabs.setAccessibleName("Arm")
        self._tabs.setDrawBase(False)
        self._tabs.setExpanding(False)
        self._tabs.currentChanged.connect(self._show_arm)
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._add = quiet_button("Add arm", "Map another arm", self)
        self._add.setMenu(self._menu)
        self._remove = quiet_button("Remove arm", "", self)
        self._remove.clicked.connect(self._remove_arm)
        self._reason = muted(QLabel(self))
        self._form = ChannelForm(self)
        self._form.choiceChanged.connect(self._put)
        self._form.kindChosen.connect(self._take_kind)
        self._opening = SignalPlot(self)
        self._plot = ChannelPlot(self)
        self._note = muted(QLabel(_HOW, self))
        for label in (self._reason, self._note):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._use = quiet_button("Use this mapping", "", self)
        self._use.clicked.connect(self._emit)
        self._undo = quiet_button("Back to the present one", "", self)
        self._undo.clicked.connect(self._revert)

    def _build_layout(self) -> None:
        top = _row(QLabel("Preset", self), self._preset, self._save)
        top.addStretch(1)
        arms = _row(self._tabs, self._add, self._remove)
        arms.insertStretch(1, 1)
        left = _column(self._filter, self._table)
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(GRID)
        right.addLayout(arms)
        right.addWidget(self._reason)
        right.addWidget(self._form)
        right.addWidget(QLabel("Opening of the gripper", self))
        right.addWidget(self._opening, 2)
        right.addWidget(QLabel("Selected channels", self))
        right.addWidget(self._plot, 3)
        splitter = QSplitter(Qt.Orientation.Horizontal, self)
        for layout in (left, right):
            side = QWidget(splitter)
            side.setLayout(layout)
            splitter.addWidget(side)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(2 * GRID)
        splitter.setSizes([60 * GRID, 50 * GRID])
        splitter.setStretchFactor(0, 6)
        splitter.setStretchFactor(1, 5)
        bottom = _row(self._note, self._undo, self._use)
        bottom.setStretch(0, 1)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(top)
        column.addWidget(self._trouble)
        column.addWidget(splitter, 1)
        column.addLayout(bottom)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(EmptyHint(_EMPTY, self))
        self._stack.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)

    # -- setters ---------------------------------------------------------------------------

    def set_demonstration(
        self,
        demonstration: Demonstration | None,
        edits: tuple[Edit, ...] = (),
        options: PhasesOptions | None = None,
    ) -> None:
        """Show the mapping in force; emits nothing. Keeps the arm if it is still there.

        Args:
            demonstration: The open episode.
            edits: Corrections in force.
            options: Of the phases: thresholds and percentiles. None: the defaults.
        """
        new = demonstration is not self._demonstration
        self._options = options or PhasesOptions()
        self._demonstration = demonstration
        self._stack.setCurrentIndex(0 if demonstration is None else 1)
        self._before = () if demonstration is None else choices.in_force(demonstration, edits)
        self._draft = self._before
        if new:
            self._table.set_demonstration(demonstration)
        self._preset.set_demonstration(demonstration)
        self._fill_tabs(self.arm or self._busiest())
        if new:
            self._show_used()

    def _busiest(self) -> str:
        """The arm whose gripper moves most: the one people look for."""
        shown = self._demonstration
        if shown is None or not self._draft:
            return ""
        signals = {c.arm: choices.preview(shown, c, self._options) for c in self._draft}
        return max(signals, key=lambda arm: getattr(signals[arm], "activity", 0.0))

    def set_presets(self, presets: Sequence[RobotPreset], problems: Sequence[str] = ()) -> None:
        """Offer presets.

        Args:
            presets: All there are; those that fit the episode are listed.
            problems: What is wrong with files of presets, a sentence each.
        """
        self._preset.set_presets(presets)
        self._trouble.setText("\n".join(problems))
        self._trouble.setVisible(bool(problems))

    def set_frame(self, frame: int) -> None:
        """Mark the frame of the cursor in all plots."""
        for part in (self._table, self._opening, self._plot):
            part.set_frame(frame)

    @property
    def arm(self) -> str:
        """Arm that is shown, or empty."""
        row = self._tabs.currentIndex()
        return str(self._tabs.tabData(row)) if row >= 0 else ""

    @property
    def draft(self) -> tuple[ArmChoice, ...]:
        """What “Use this mapping” would put in force."""
        return self._draft

    # -- presets ---------------------------------------------------------------------------

    def _apply_preset(self, preset: RobotPreset | None) -> None:
        """Fill the draft; None takes the guess."""
        shown = self._demonstration
        if shown is None:
            return
        filled = choices.guessed(shown) if preset is None else choices.by_preset(shown, preset)
        if not filled:
            self._note.setText("Nothing looks like a gripper; check its channels in the table.")
            return
        self._draft = filled
        self._fill_tabs(self.arm)
        self._show_used()

    def _want_preset(self) -> None:
        shown = self._demonstration
        if shown is not None:
            grippers = tuple(c.channels(shown) for c in self._draft)
            self.presetWanted.emit(grippers, tuple(c.moves(shown) for c in self._draft))

    # -- arms ------------------------------------------------------------------------------

    def _fill_tabs(self, wanted: str) -> None:
        blocker = QSignalBlocker(self._tabs)
        while self._tabs.count():
            self._tabs.removeTab(0)
        for choice in self._draft:
            row = self._tabs.addTab(choice.arm.capitalize())
            self._tabs.setTabData(row, choice.arm)
        names = [c.arm for c in self._draft]
        self._tabs.setCurrentIndex(names.index(wanted) if wanted in names else 0)
        del blocker
        self._show_arm()

    def _fill_menu(self) -> None:
        self._menu.clear()
        taken = {c.arm for c in self._draft}
        free = [a for a in _ARMS if a not in taken]
        free += [f"arm {i}" for i in range(2, _MOST_ARMS + 1) if f"arm {i}" not in taken][:1]
        for arm in free:
            self._menu.addAction(arm.capitalize(), partial(self.add_arm, arm))

    def add_arm(self, arm: str) -> None:
        """Add an arm to the draft; its gripper channels are to be checked."""
        shown = self._demonstration
        if shown is None or any(c.arm == arm for c in self._draft):
            return
        moves = guess_motion(shown, arm)
        added = ArmChoice(
            arm,
            motion_signal=moves.signal,
            motion=moves.indices,
            kind=moves.kind,
            reason="check its channels in the table",
            gripper_by="user",
        )
        self._draft = (*self._draft, added)
        self._fill_tabs(arm)

    def _remove_arm(self) -> None:
        self._draft = tuple(c for c in self._draft if c.arm != self.arm)
        self._fill_tabs("")

    def _current(self) -> ArmChoice | None:
        return next((c for c in self._draft if c.arm == self.arm), None)

    # -- refreshing ------------------------------------------------------------------------

    def _show_arm(self) -> None:
        """Show the arm of the tab: form, checks, opening, buttons."""
        choice = self._current()
        self._form.setEnabled(choice is not None)
        self._remove.setEnabled(choice is not None)
        self._remove.setToolTip(
            "This robot has no such arm: its gripper takes no part" if choice else "There is no arm"
        )
        if choice is None:
            self._reason.setText("No arm is mapped. Add one, or choose a preset.")
        else:
            self._form.set_choice(choice, self._options)
            by = (
                _BY.get(choice.gripper_by, choice.gripper_by)
                if choice.gripper
                else "No gripper yet"
            )
            by_hand = choice.gripper_by == "user" and choice.gripper
            reason = "" if by_hand else choice.reason
            self._reason.setText(f"{by}: {reason}." if reason else f"{by}.")
        self._show_marks()
        self._show_opening(choice)
        self._show_buttons()

    def _show_marks(self) -> None:
        choice = self._current()
        used: dict[Place, list[str]] = {}
        for other in self._draft:
            for i in other.gripper:
                used.setdefault((other.signal, i), []).append(f"{other.arm} gripper")
            for i in other.motion:
                used.setdefault((other.motion_signal, i), []).append(f"{other.arm} motion")
        gripper = frozenset((choice.signal, i) for i in choice.gripper) if choice else frozenset()
        motion = (
            frozenset((choice.motion_signal, i) for i in choice.motion) if choice else frozenset()
        )
        self._table.model_of_channels.set_marks(
            gripper, motion, {place: ", ".join(words) for place, words in used.items()}
        )

    def _show_opening(self, choice: ArmChoice | None) -> None:
        shown, options = self._demonstration, self._options
        offset = options.hysteresis_offset
        close_below = options.closure_threshold - offset
        open_above = options.closure_threshold + offset
        self._opening.set_thresholds(close_below, open_above)
        self._opening.setToolTip(
            tip(
                "Opening",
                "0 closed to 1 open, as the phases see it. Closed under the lower dashed line "
                f"({close_below:.2f}), open again over the upper one ({open_above:.2f}).",
                "Source: SPARC B.1.1 and the options of the phases.",
            )
        )
        signal = None
        if shown is not None and choice is not None:
            signal = choices.preview(shown, choice, options)
        if signal is None or choice is None:
            hint = "Check the channels of this arm's gripper in the table."
            self._opening.set_signal(np.zeros(0, np.float32), ("", ""), hint)
            return
        if signal.activity < options.min_activity:
            self._reason.setText(
                f"{self._reason.text()} It moves over {signal.activity:.1%} of its plausible range "
                f"here, under {options.min_activity:.0%}: for the phases this gripper rests."
            )
        if len(choice.gripper) == 1:
            ends = (f"open {signal.raw_high:.4g}", f"closed {signal.raw_low:.4g}")
            self._opening.set_signal(signal.opening, ends)
        else:
            self._opening.set_signal(signal.opening, ("open", "closed"))

    def _show_buttons(self) -> None:
        missing = choices.missing(self._draft)
        changed = missing != "" or bool(choices.edits_between(self._before, self._draft))
        self._use.setEnabled(changed and not missing)
        self._undo.setEnabled(changed)
        self._undo.setToolTip("" if changed else "This is the mapping in force")
        self._save.setEnabled(bool(self._draft) and not missing)
        saved = "Keep this mapping for other datasets of the same robot"
        self._save.setToolTip(missing or (saved if self._draft else "No arm is mapped"))
        if missing:
            self._note.setText(missing)
        elif changed:
            self._note.setText(
                "Not in force yet. “Use this mapping” takes it for the whole dataset; the phases "
                "or the robot and all stages after them run again, and it can be undone."
            )
        else:
            self._note.setText(_HOW)
        self._use.setToolTip(missing or ("" if changed else "This is the mapping in force"))

    def _show_used(self) -> None:
        """Select the gripper channels of the arm that is shown."""
        choice = self._current()
        if choice is not None:
            self._table.select_places(frozenset((choice.signal, i) for i in choice.gripper))

    def _show_selected(self, places: tuple[Place, ...]) -> None:
        shown = self._demonstration
        if shown is None:
            self._plot.set_strips(())
            return
        self._plot.set_strips(
            tuple(
                Strip(
                    f"{signal} {i} · {choices.names_of(shown, signal)[i]}",
                    choices.values_of(shown, signal)[:, i],
                )
                for signal, i in places
            )
        )

    # -- what the user does ----------------------------------------------------------------

    def _put(self, choice: ArmChoice) -> None:
        """Replace the draft of one arm."""
        self._draft = tuple(choice if c.arm == choice.arm else c for c in self._draft)
        self._show_arm()

    def _check_gripper(self, signal: str, column: int, on: bool) -> None:
        choice = self._current()
        if choice is None:
            self._note.setText("Add an arm first, then check its channels.")
            return
        known = choice.gripper if choice.signal == signal else ()
        if not on and choice.signal != signal:
            return
        columns = tuple(sorted({*known, column} if on else set(known) - {column}))
        reason = "check its channels in the table"
        self._put(replace(choice, signal=signal, gripper=columns, gripper_by="user", reason=reason))
        if choice.gripper and choice.signal != signal:
            self._note.setText(
                f"The gripper of {choice.arm} is taken from the {signal} now; one gripper cannot "
                "mix state and action."
            )

    def _check_motion(self, signal: str, column: int, on: bool) -> None:
        choice = self._current()
        if choice is None:
            self._note.setText("Add an arm first, then check its channels.")
            return
        known = choice.motion if choice.motion_signal == signal else ()
        if not on and choice.motion_signal != signal:
            return
        columns = tuple(sorted({*known, column} if on else set(known) - {column}))
        self._put(replace(choice, motion_signal=signal, motion=columns, motion_by="user"))

    def _take_kind(self, kind: MotionKind) -> None:
        """Take the channels that are named like this kind; without any only the name changes."""
        choice, shown = self._current(), self._demonstration
        if choice is None or shown is None:
            return
        found = guess_motion(shown, choice.arm, kind)
        if not found.indices:
            self._put(replace(choice, kind=kind))
            self._note.setText("No channel is named like that; check the channels in the table.")
            return
        self._put(
            replace(choice, kind=kind, motion_signal=found.signal, motion=tuple(found.indices))
        )

    def _revert(self) -> None:
        self._draft = self._before
        self._fill_tabs(self.arm)

    def _emit(self) -> None:
        edits = choices.edits_between(self._before, self._draft)
        if edits:
            self.mappingChosen.emit(edits)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(GRID)
    for widget in widgets:
        row.addWidget(widget)
    return row


def _column(*widgets: QWidget) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(HALF_GRID)
    for widget in widgets:
        column.addWidget(widget)
    return column
