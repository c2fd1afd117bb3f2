"""The look: Fusion with our own light and dark palettes, spacing, figures and status colours.

Widgets take colours from their `QPalette`; what a palette cannot say (status colours, hairlines)
they take from `colors(self.palette())`, so that a switch of the theme needs no signal: Qt sends
`PaletteChange` and everything is painted again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QToolTip

GRID = 8
"""Pixels: margins and gaps are multiples or halves of it."""
HALF_GRID = GRID // 2
ROW_HEIGHT = 3 * GRID
"""Pixels: rows of tables and lists."""


_FIELDS = ("QLineEdit", "QAbstractSpinBox", "QComboBox")
_LISTS = ("QAbstractItemView",)
_BOXES = ("QCheckBox", "QRadioButton")


class ThemeMode(StrEnum):
    """What the user chose."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Status(StrEnum):
    """States that have a colour; shape and text always say the same."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    STALE = "stale"
    RUNNING = "running"


@dataclass(frozen=True)
class Theme:
    """Colours of one theme as `#rrggbb`.

    Text colours keep a contrast of at least 4.5:1 (WCAG 2.2, AA) on `window`, `base`,
    `alternate` and `field`; disabled text keeps 3:1.

    Attributes:
        window: Background of panels.
        base: Background of lists, tables and fields.
        alternate: Every second row.
        button: Push buttons.
        field: Background of input fields.
        box: Background of check boxes, clear of `window` in both themes.
        focus: Selected text in fields; Fusion darkens it for the frame of the focused field.
        focus_text: Text on `focus`.
        outline: What Fusion darkens for the outlines of fields and check boxes.
        text: Text.
        muted: Secondary text and placeholders.
        disabled: Text of disabled controls.
        border: Hairlines; no text.
        accent: Marks, links, changed values.
        highlight: Selected rows.
        highlighted_text: Text on `highlight`.
        ok: Fine, fresh, accepted.
        warning: Look at it.
        error: Failed, rejected.
        stale: Older than its inputs.
        running: At work.
    """

    window: str
    base: str
    alternate: str
    button: str
    field: str
    box: str
    focus: str
    focus_text: str
    outline: str
    text: str
    muted: str
    disabled: str
    border: str
    accent: str
    highlight: str
    highlighted_text: str
    ok: str
    warning: str
    error: str
    stale: str
    running: str

    def status(self, status: Status) -> QColor:
        """Colour of a status, good for text and icons."""
        return QColor(str(getattr(self, status.value)))


LIGHT = Theme(
    window="#f3f4f6",
    base="#ffffff",
    alternate="#f8f9fa",
    button="#e9ebee",
    field="#ffffff",
    box="#ffffff",
    focus="#2a67ab",
    focus_text="#ffffff",
    outline="#c8ccd1",
    text="#1c2025",
    muted="#59616c",
    disabled="#828a94",
    border="#d3d7dc",
    accent="#1f62ab",
    highlight="#2a67ab",
    highlighted_text="#ffffff",
    ok="#1a7340",
    warning="#8a5600",
    error="#b3261e",
    stale="#74509c",
    running="#1f62ab",
)
DARK = Theme(
    window="#212429",
    base="#191b1f",
    alternate="#1d2024",
    button="#2e3238",
    field="#2a2e34",
    box="#2a2e34",
    focus="#6fb0f2",
    focus_text="#10141a",
    outline="#868f9a",
    text="#dde1e6",
    muted="#9aa3ae",
    disabled="#757e89",
    border="#3a3f46",
    accent="#6fb0f2",
    highlight="#2c5a8c",
    highlighted_text="#ffffff",
    ok="#63c287",
    warning="#e0ac4e",
    error="#f28b82",
    stale="#bda3e3",
    running="#6fb0f2",
)


def colors(palette: QPalette) -> Theme:
    """Return the theme that a widget's palette belongs to."""
    text = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.Text)
    dark = text.lightness() > 128
    return DARK if dark else LIGHT


def make_palette(theme: Theme) -> QPalette:
    """Build the Qt palette of a theme."""
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    window = QColor(theme.window)
    dark = window.lightness() < 128
    palette = QPalette()
    for target, color in (
        (role.Window, theme.window),
        (role.WindowText, theme.text),
        (role.Base, theme.base),
        (role.AlternateBase, theme.alternate),
        (role.Text, theme.text),
        (role.PlaceholderText, theme.muted),
        (role.Button, theme.button),
        (role.ButtonText, theme.text),
        (role.BrightText, theme.error),
        (role.ToolTipBase, theme.base),
        (role.ToolTipText, theme.text),
        (role.Highlight, theme.highlight),
        (role.HighlightedText, theme.highlighted_text),
        (role.Accent, theme.accent),
        (role.Link, theme.accent),
        (role.LinkVisited, theme.stale),
        (role.Mid, theme.border),
    ):
        palette.setColor(target, QColor(color))
    # Bevels of Fusion: quiet in both themes.
    palette.setColor(role.Light, window.lighter(135 if dark else 108))
    palette.setColor(role.Midlight, window.lighter(118 if dark else 104))
    palette.setColor(role.Dark, window.darker(140 if dark else 125))
    palette.setColor(role.Shadow, QColor("#0c0d0f" if dark else "#8b929b"))
    for target in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(group.Disabled, target, QColor(theme.disabled))
    palette.setColor(group.Disabled, role.Base, window)
    palette.setColor(group.Disabled, role.Highlight, QColor(theme.border))
    return palette


def style_sheet(theme: Theme) -> str:
    """Rules for what a palette cannot say: flat headers, hairlines, tool tips."""
    return f"""
QToolTip {{ color: {theme.text}; background: {theme.base}; border: 1px solid {theme.border};
  padding: 4px 6px; }}
QHeaderView {{ background: {theme.window}; border: none; }}
QHeaderView::section {{ background: {theme.window}; color: {theme.muted}; border: none;
  border-bottom: 1px solid {theme.border}; padding: 3px 6px; }}
QHeaderView::up-arrow, QHeaderView::down-arrow {{ subcontrol-position: center right;
  width: 8px; height: 8px; }}
QAbstractScrollArea::corner {{ background: {theme.base}; border: none; }}
QTableCornerButton::section {{ background: {theme.window}; border: none; }}
QDockWidget::title {{ background: {theme.window}; padding: 4px 8px; text-align: left; }}
QMainWindow::separator {{ background: {theme.border}; width: 1px; height: 1px; margin: 2px; }}
QStatusBar::item {{ border: none; }}
QPlainTextEdit {{ background: {theme.field}; border: 1px solid {theme.border}; }}
QProgressBar#thin {{ background: {theme.border}; border: none; border-radius: 2px; }}
QProgressBar#thin::chunk {{ background: {theme.running}; border-radius: 2px; }}
"""


class _Follower(QObject):
    """Keeps an application in the chosen theme; child of the application."""

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._app = app
        self._mode = ThemeMode.SYSTEM
        self._theme: Theme | None = None
        app.setStyle("Fusion")
        app.styleHints().colorSchemeChanged.connect(self._follow)

    def choose(self, mode: ThemeMode) -> None:
        """Apply a mode."""
        self._mode = mode
        hints = self._app.styleHints()
        # Title bars and native dialogs follow too, where the platform can.
        hints.setColorScheme(
            {
                ThemeMode.SYSTEM: Qt.ColorScheme.Unknown,
                ThemeMode.LIGHT: Qt.ColorScheme.Light,
                ThemeMode.DARK: Qt.ColorScheme.Dark,
            }[mode]
        )
        dark = mode is ThemeMode.DARK or (
            mode is ThemeMode.SYSTEM and hints.colorScheme() is Qt.ColorScheme.Dark
        )
        self._show(DARK if dark else LIGHT)

    @Slot(Qt.ColorScheme)
    def _follow(self, scheme: Qt.ColorScheme) -> None:
        if self._mode is ThemeMode.SYSTEM:
            self._show(DARK if scheme is Qt.ColorScheme.Dark else LIGHT)

    def _show(self, theme: Theme) -> None:
        palette = make_palette(theme)
        # The platform may have replaced our palette with its own: set it even if unchanged.
        self._app.setPalette(palette)
        QToolTip.setPalette(palette)
        # Fusion derives outlines from the window's colour, too faint for fields in both themes.
        active, inactive = QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive
        for base, classes in ((theme.field, _FIELDS), (theme.box, _BOXES), (theme.base, _LISTS)):
            special = QPalette(palette)
            for group in (active, inactive):
                if classes is _FIELDS:
                    special.setColor(group, QPalette.ColorRole.Highlight, QColor(theme.focus))
                    text = QPalette.ColorRole.HighlightedText
                    special.setColor(group, text, QColor(theme.focus_text))
                special.setColor(group, QPalette.ColorRole.Base, QColor(base))
                special.setColor(group, QPalette.ColorRole.Window, QColor(theme.outline))
            for name in classes:
                # The stub asks for bytes, PySide6 takes only str.
                self._app.setPalette(special, name)  # type: ignore[arg-type]
        if theme is not self._theme:
            self._theme = theme
            # Explicit colours: `palette(...)` in a sheet is not resolved again by a switch.
            self._app.setStyleSheet(style_sheet(theme))


def apply_theme(app: QApplication, mode: ThemeMode | str) -> None:
    """Show the application in a theme, now and when the system changes its own.

    Args:
        app: The application.
        mode: `system` follows the desktop live; `light` and `dark` stay.

    Raises:
        ValueError: If `mode` is none of them.
    """
    chosen = ThemeMode(mode)
    follower = app.findChild(_Follower) or _Follower(app)
    follower.choose(chosen)


def tabular(font: QFont) -> QFont:
    """Return the font with figures of equal width, where the font has them (OpenType `tnum`)."""
    figures = QFont(font)
    figures.setFeature(QFont.Tag("tnum"), 1)
    return figures


def scaled(font: QFont, factor: float) -> QFont:
    """Return the font at another size, whether its size is in points or in pixels."""
    sized = QFont(font)
    if font.pointSizeF() > 0:
        sized.setPointSizeF(font.pointSizeF() * factor)
    else:
        sized.setPixelSize(round(font.pixelSize() * factor))
    return sized


def contrast(a: QColor, b: QColor) -> float:
    """Contrast ratio of two opaque colours, 1..21 (WCAG 2.2, relative luminance)."""

    def luminance(color: QColor) -> float:
        parts = (color.redF(), color.greenF(), color.blueF())
        r, g, b_ = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b_

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)
