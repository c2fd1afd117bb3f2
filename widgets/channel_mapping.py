"""Which channels say how far each gripper is open: see the guess, choose others."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.arrays import F32
from pipeline.model.demonstration import ClosedIs, Demonstration, GripperChannels
from pipeline.stages.phase_signal import OpeningSignal, opening_signal
from pipeline.stages.phases import PhasesOptions
from widgets.fields import EmptyHint, FilterLine, RowHeight, guard_wheel, muted, quiet_button, tip
from widgets.signal_plot import SignalPlot
from widgets.theme import GRID, HALF_GRID

_ARMS = ("left", "right")
_EMPTY = "Open an episode to see its gripper channels."
_SIGNALS = ("state", "action")


def preview(values: F32, indices: tuple[int, ...], closed_is: ClosedIs) -> OpeningSignal | None:
    """Compute the opening as the phase stage does with its default options.

    Args:
        values: (T, C) float32.
        indices: Columns; may be empty.
        closed_is: Which end is closed.

    Returns:
        The signal, or None without frames or columns.
    """
    if not indices or not len(values):
        return None
    options = PhasesOptions()
    chosen = values[:, list(indices)]
    return opening_signal(chosen, closed_is, options.low_percentile, options.high_percentile)


class ChannelMapping(QWidget):
    """Chooses gripper channels per arm, with a preview; nothing changes before "Use".

    Attributes:
        channelsChanged: Arm, `state` or `action`, tuple of column indices, `low` or `high`.
    """

    channelsChanged = Signal(str, str, tuple, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Gripper channels")
        self._demonstration: Demonstration | None = None
        self._chosen: set[int] = set()
        self._build_choices()
        self._reason = muted(QLabel(self))
        self._reason.setWordWrap(True)
        self._reason.setTextFormat(Qt.TextFormat.PlainText)
        self._filter = FilterLine("Filter channels", self)
        self._filter.textChanged.connect(self._apply_filter)
        self._list = QListWidget(self)
        self._list.setFrameShape(QFrame.Shape.NoFrame)
        self._list.setUniformItemSizes(True)
        self._list.setItemDelegate(RowHeight(self._list))
        self._list.setAccessibleName("Channels")
        self._list.itemChanged.connect(self._on_item_changed)
        self._plot = SignalPlot(self)
        self._plot.setToolTip(
            tip(
                "Opening",
                "0 closed to 1 open, over the frames of the episode: what the phase stage makes "
                "of the chosen channels with its default percentiles.",
            )
        )
        self._use = quiet_button("Use these channels", "", self)
        self._use.clicked.connect(self._emit)
        self._undo = quiet_button("Back to the present ones", "", self)
        self._undo.clicked.connect(self._show_arm)
        self._build_layout()
        self.set_demonstration(None)

    def _build_choices(self) -> None:
        self._arm = QComboBox(self)
        self._signal = QComboBox(self)
        self._signal.addItems(list(_SIGNALS))
        self._closed = QComboBox(self)
        self._closed.addItem("low values", ClosedIs.LOW.value)
        self._closed.addItem("high values", ClosedIs.HIGH.value)
        for box, name, about in (
            (self._arm, "Arm", "Arm whose gripper is mapped."),
            (self._signal, "Signal", "state: measured by the robot; action: what was commanded."),
            (self._closed, "Closed is", "Which end of the combined signal means closed."),
        ):
            box.setAccessibleName(name)
            box.setToolTip(tip(name, about))
            guard_wheel(box)
        self._arm.activated.connect(self._show_arm)
        self._signal.activated.connect(self._on_signal_changed)
        self._closed.activated.connect(self._refresh)

    def _build_layout(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(GRID)
        form.setVerticalSpacing(HALF_GRID)
        form.addRow("Arm", self._arm)
        form.addRow("Signal", self._signal)
        form.addRow("Closed is", self._closed)
        buttons = QHBoxLayout()
        buttons.setSpacing(HALF_GRID)
        buttons.addStretch(1)
        buttons.addWidget(self._undo)
        buttons.addWidget(self._use)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(form)
        column.addWidget(self._reason)
        column.addWidget(self._filter)
        column.addWidget(self._list, 1)
        column.addWidget(self._plot)
        column.addLayout(buttons)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(EmptyHint(_EMPTY, self))
        self._stack.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)

    # -- setters ---------------------------------------------------------------------------

    def set_demonstration(self, demonstration: Demonstration | None) -> None:
        """Show the mapping in force; emits nothing. Keeps the arm if it is still there."""
        before = self._arm.currentData()
        self._demonstration = demonstration
        self._stack.setCurrentIndex(0 if demonstration is None else 1)
        if demonstration is None:
            self._arm.clear()
            return
        known = [g.arm for g in demonstration.grippers]
        arms = known + [a for a in _ARMS if a not in known and known != ["arm"]]
        if not known:
            arms = ["arm", *_ARMS]
        blocker = QSignalBlocker(self._arm)
        self._arm.clear()
        for arm in arms:
            self._arm.addItem(arm if arm in known else f"{arm} (not mapped)", arm)
        self._arm.setCurrentIndex(max(0, self._arm.findData(before)))
        del blocker
        self._show_arm()

    @property
    def arm(self) -> str:
        """Arm that is shown, or empty."""
        return str(self._arm.currentData() or "")

    @property
    def indices(self) -> tuple[int, ...]:
        """Columns that are checked, ascending."""
        return tuple(sorted(self._chosen))

    # -- refreshing ------------------------------------------------------------------------

    def _present(self) -> GripperChannels | None:
        """The mapping in force of the arm that is shown."""
        grippers = self._demonstration.grippers if self._demonstration else ()
        return next((g for g in grippers if g.arm == self.arm), None)

    def _show_arm(self) -> None:
        present = self._present()
        self._signal.setCurrentText(present.signal if present else _SIGNALS[0])
        closed_is = present.closed_is.value if present else ClosedIs.LOW.value
        self._closed.setCurrentIndex(self._closed.findData(closed_is))
        self._chosen = set(present.indices if present else ())
        if present is None:
            self._reason.setText(
                f"Nothing looks like the gripper of “{self.arm}”. Check the channels that say "
                "how far it is open."
            )
        else:
            origin = "Chosen by you" if present.origin == "user" else "Guessed"
            self._reason.setText(f"{origin}: {', '.join(present.names)}. {present.reason}".strip())
        self._fill()
        self._refresh()

    def _fill(self) -> None:
        """List the channels of the signal; the checked ones first, where they can be seen."""
        blocker = QSignalBlocker(self._list)
        self._list.clear()
        names = self._names()
        order = sorted(range(len(names)), key=lambda i: (i not in self._chosen, i))
        values = self._values()
        for i in order:
            item = QListWidgetItem(f"{i}  {names[i]}", self._list)
            item.setData(Qt.ItemDataRole.UserRole, i)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            checked = Qt.CheckState.Checked if i in self._chosen else Qt.CheckState.Unchecked
            item.setCheckState(checked)
            if len(values):
                low, high = float(np.nanmin(values[:, i])), float(np.nanmax(values[:, i]))
                item.setToolTip(tip(names[i], f"Column {i}, range {low:.4g} to {high:.4g}"))
        del blocker
        self._apply_filter()

    def _names(self) -> tuple[str, ...]:
        shown = self._demonstration
        if shown is None:
            return ()
        return shown.state_names if self._signal.currentText() == "state" else shown.action_names

    def _values(self) -> F32:
        shown = self._demonstration
        if shown is None:
            return np.zeros((0, 0), np.float32)
        return shown.state if self._signal.currentText() == "state" else shown.action

    def _apply_filter(self) -> None:
        words = self._filter.text().lower().split()
        for row in range(self._list.count()):
            item = self._list.item(row)
            text = item.text().lower()
            item.setHidden(not all(word in text for word in words))

    def _refresh(self) -> None:
        closed_is = ClosedIs(self._closed.currentData())
        signal = preview(self._values(), self.indices, closed_is)
        hint = "" if self._names() else f"This dataset has no {self._signal.currentText()}."
        if signal is None:
            self._plot.set_signal(np.zeros(0, np.float32), ("", ""), hint)
        elif len(self._chosen) == 1:
            ends = (f"open {signal.raw_high:.4g}", f"closed {signal.raw_low:.4g}")
            self._plot.set_signal(signal.opening, ends)
        else:
            self._plot.set_signal(signal.opening, ("open", "closed"))
        changed = self._choice() != self._choice_in_force()
        self._use.setEnabled(bool(self._chosen) and changed)
        self._undo.setEnabled(changed)
        if not self._chosen:
            reason = "Check at least one channel"
        elif not changed:
            reason = "These are the channels in force"
        else:
            reason = "Use them for the whole dataset; phases and all stages after them turn stale"
        self._use.setToolTip(reason)
        self._undo.setToolTip("" if changed else "These are the channels in force")

    def _choice(self) -> tuple[str, tuple[int, ...], str]:
        return self._signal.currentText(), self.indices, str(self._closed.currentData())

    def _choice_in_force(self) -> tuple[str, tuple[int, ...], str] | None:
        present = self._present()
        if present is None:
            return None
        return present.signal, tuple(sorted(present.indices)), present.closed_is.value

    # -- what the user does ----------------------------------------------------------------

    def _on_signal_changed(self) -> None:
        """Keep the channels with the same names: state and action often share them."""
        other = self._demonstration
        if other is not None:
            action = self._signal.currentText() == "action"
            before = other.state_names if action else other.action_names
            wanted = {before[i] for i in self._chosen if i < len(before)}
            self._chosen = {i for i, name in enumerate(self._names()) if name in wanted}
        self._fill()
        self._refresh()

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        index = int(item.data(Qt.ItemDataRole.UserRole))
        if item.checkState() is Qt.CheckState.Checked:
            self._chosen.add(index)
        else:
            self._chosen.discard(index)
        self._refresh()

    def _emit(self) -> None:
        signal, indices, closed_is = self._choice()
        self.channelsChanged.emit(self.arm, signal, indices, closed_is)
