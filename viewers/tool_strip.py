"""The strip below the frame: what is drawn, how opaque, and which tool the mouse is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSlider, QToolButton, QWidget

from viewers.brush_canvas import ERASE, PAINT
from viewers.frame_viewer import BOX, SELECT
from viewers.marking_canvas import MARK
from viewers.overlay_icons import SIDE, overlay_icon
from viewers.overlays import OverlayVisibility


@dataclass(frozen=True, slots=True)
class _Button:
    """A button of the strip.

    Attributes:
        name: Field of `OverlayVisibility`, `only`, or a tool; also the name of its icon.
        title: On the button where there is room.
        tip: What it shows or does.
        key: Name of its key in `set_keys`, if that is another.
    """

    name: str
    title: str
    tip: str
    key: str = ""


_TOGGLES = (
    _Button("masks", "Masks", "Pixels of each candidate, known at the keyframe"),
    _Button("boxes", "Boxes", "Box of each candidate: detected at the keyframe, then carried along"
            " by its tracked points"),
    _Button("tracks", "Tracks", "Where the tracked points of each candidate were during the last"
            " moments; only points that are visible and enter the score"),
    _Button("labels", "Labels", "Rank, name and reliability R of the candidates"),
    _Button("gripper", "Gripper", "Gripper reference (cross); the circle is the proximity sphere"
            " where the score uses its 2D form"),
    _Button("robot", "Robot", "Robot mask (hatched)"),
    _Button("target", "Target", "Where the object ended up (dashed)"),
    _Button("truth", "Human", "Boxes drawn by people, to compare with"),
)  # fmt: skip
_ONLY = _Button(
    "only", "Only", "Only the selected candidate: its mask, box, tracks and label, none of others"
)
_TOOLS = (
    _Button(BOX, "Draw box", "Draw a box around an object that was missed; Esc cancels", "draw"),
    _Button(PAINT, "Paint", "Paint the mask of the selected candidate at the keyframe; the right"
            " button erases, Ctrl and the wheel change the size, Esc leaves"),
    _Button(ERASE, "Erase", "Erase from the mask of the selected candidate at the keyframe; the"
            " right button paints, Ctrl and the wheel change the size, Esc leaves"),
    _Button(MARK, "Mark robot", "Click on the arm that does the work, with the right button on what"
            " is not the robot; its masks are grown from that. Esc leaves"),
)  # fmt: skip
_OPACITY_TIP = "Opacity of mask fillings and of the robot's hatching, in percent"


class ToolStrip(QWidget):
    """Switches of the overlays, their opacity, and the tools of the mouse. No setter emits.

    Signals:
        visibilityChosen: `OverlayVisibility` that the user chose.
        toolChosen: `select`, `box`, `paint`, `erase` or `mark`.
    """

    visibilityChosen = Signal(object)
    toolChosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._visibility = OverlayVisibility()
        self._keys: Mapping[str, str] = {}
        self._reason = ""
        # Narrow panels leave the words out; their width must not hold the panel open.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._toggles = {each.name: self._button(each) for each in _TOGGLES}
        self._only = self._button(_ONLY)
        self._tools = {each.name: self._button(each) for each in _TOOLS}
        self._opacity = QSlider(Qt.Orientation.Horizontal, self)
        self._opacity.setRange(0, 100)
        self._opacity.setMinimumWidth(48)
        self._opacity.setMaximumWidth(112)
        self._opacity.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._opacity.setAccessibleName("Opacity")
        self._opacity.setToolTip(_OPACITY_TIP)
        self._opacity_text = QLabel(self)
        self._opacity_text.setMinimumWidth(self.fontMetrics().horizontalAdvance("100 %"))
        self._opacity_text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._opacity_text.setToolTip(_OPACITY_TIP)
        strip = QHBoxLayout(self)
        strip.setContentsMargins(8, 4, 8, 4)
        strip.setSpacing(2)
        for button in self._toggles.values():
            strip.addWidget(button)
        strip.addSpacing(6)
        strip.addWidget(self._only)
        strip.addSpacing(6)
        strip.addWidget(self._opacity, 1)
        strip.addWidget(self._opacity_text)
        strip.addStretch(1)
        for button in self._tools.values():
            strip.addWidget(button)
        self._ready = True
        self.set_visibility(self._visibility)
        self._show_tips()
        self._make_icons()
        self._connect()

    _ready = False

    def _button(self, made: _Button) -> QToolButton:
        button = QToolButton(self)
        button.setText(made.title)
        button.setAccessibleName(made.title)
        button.setCheckable(True)
        button.setAutoRaise(True)
        button.setIconSize(QSize(SIDE, SIDE))
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        return button

    def _connect(self) -> None:
        for button in (*self._toggles.values(), self._only):
            button.clicked.connect(self._choose_visibility)
        self._opacity.valueChanged.connect(self._choose_visibility)
        self._tools[BOX].clicked.connect(lambda on: self._choose_tool(BOX, on))
        self._tools[PAINT].clicked.connect(lambda on: self._choose_tool(PAINT, on))
        self._tools[ERASE].clicked.connect(lambda on: self._choose_tool(ERASE, on))
        self._tools[MARK].clicked.connect(lambda on: self._choose_tool(MARK, on))

    # Setters; none of them emits.

    def set_visibility(self, visibility: OverlayVisibility) -> None:
        """Show what is drawn."""
        self._visibility = visibility
        for name, button in self._toggles.items():
            button.setChecked(bool(getattr(visibility, name)))
        self._only.setChecked(not visibility.others)
        self._opacity.blockSignals(True)
        self._opacity.setValue(round(visibility.opacity * 100))
        self._opacity.blockSignals(False)
        self._opacity_text.setText(f"{round(visibility.opacity * 100)} %")

    def set_tool(self, tool: str) -> None:
        """Show which tool is in force."""
        for name, button in self._tools.items():
            button.setChecked(name == tool)

    def set_keys(self, keys: Mapping[str, str]) -> None:
        """Name the keys in the tooltips.

        Args:
            keys: Key text by field of `OverlayVisibility`, `only`, `draw`, `paint`, `erase`,
                `mark`; those left out have no key.
        """
        self._keys = keys
        self._show_tips()

    def set_tools_allowed(self, reason_against: str) -> None:
        """Enable the tools, or disable them with a reason that their tooltips give."""
        self._reason = reason_against
        for button in self._tools.values():
            button.setEnabled(not reason_against)
        self._show_tips()

    def _show_tips(self) -> None:
        buttons = {**self._toggles, _ONLY.name: self._only, **self._tools}
        for each in (*_TOGGLES, _ONLY, *_TOOLS):
            key = self._keys.get(each.key or each.name, "")
            tip = f"{each.tip} ({key})" if key else each.tip
            reason = self._reason if each in _TOOLS else ""
            buttons[each.name].setToolTip(reason or tip)

    def _choose_visibility(self) -> None:
        chosen = replace(
            self._visibility,
            **{name: button.isChecked() for name, button in self._toggles.items()},
            others=not self._only.isChecked(),
            opacity=self._opacity.value() / 100,
        )
        if chosen.others != self._visibility.others and not chosen.others:
            # What is isolated must be seen.
            chosen = replace(chosen, selected=True)
        self.set_visibility(chosen)
        self.visibilityChosen.emit(chosen)

    def _choose_tool(self, tool: str, on: bool) -> None:
        chosen = tool if on else SELECT
        self.set_tool(chosen)
        self.toolChosen.emit(chosen)

    # Looks.

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the words out where they do not fit."""
        super().resizeEvent(event)
        self._choose_words()

    def changeEvent(self, event: QEvent) -> None:
        """Redraw the icons when the palette changes."""
        super().changeEvent(event)
        if not self._ready:
            return
        if event.type() == QEvent.Type.PaletteChange:
            self._make_icons()
        elif event.type() == QEvent.Type.FontChange:
            self._choose_words()

    def _choose_words(self) -> None:
        buttons = [*self._toggles.values(), self._only, *self._tools.values()]
        words = sum(button.fontMetrics().horizontalAdvance(button.text()) for button in buttons)
        room = words + len(buttons) * (SIDE + 18) + self._opacity_text.minimumWidth() + 92
        style = (
            Qt.ToolButtonStyle.ToolButtonTextBesideIcon
            if self.width() >= room
            else Qt.ToolButtonStyle.ToolButtonIconOnly
        )
        for button in buttons:
            button.setToolButtonStyle(style)

    def _make_icons(self) -> None:
        palette = self.palette()
        ink = palette.color(QPalette.ColorRole.ButtonText)
        pale = palette.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText)
        ratio = self.devicePixelRatioF()
        for name, button in {**self._toggles, "only": self._only, **self._tools}.items():
            button.setIcon(overlay_icon(name, ink, pale, ratio))
