"""Palettes are readable, and the application follows the system live."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit
from pytestqt.qtbot import QtBot

from widgets.fields import IconButton, keep_keys
from widgets.icons import SIZE, Glyph, icon, pixmap
from widgets.theme import (
    DARK,
    LIGHT,
    Status,
    Theme,
    apply_theme,
    colors,
    contrast,
    make_palette,
    scaled,
    tabular,
)

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
Role, Group = QPalette.ColorRole, QPalette.ColorGroup
BACKGROUNDS = ("window", "base", "alternate", "field")


@pytest.fixture
def themed(qapp: QApplication) -> Iterator[QApplication]:
    """The application; its looks are put back afterwards."""
    yield qapp
    apply_theme(qapp, "light")
    qapp.setStyleSheet("")
    qapp.setPalette(QPalette())


def test_contrast_is_the_one_of_wcag() -> None:
    assert contrast(QColor("#000000"), QColor("#ffffff")) == pytest.approx(21.0)
    assert contrast(QColor("#777777"), QColor("#ffffff")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    "name", ["text", "muted", "accent", "ok", "warning", "error", "stale", "running"]
)
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_text_is_readable(theme: Theme, name: str, background: str) -> None:
    ratio = contrast(QColor(getattr(theme, name)), QColor(getattr(theme, background)))
    assert ratio >= 4.5, f"{name} on {background}: {ratio:.2f}"


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_pairs_of_the_palette_are_readable(theme: Theme) -> None:
    palette = make_palette(theme)
    pairs = [
        (Role.WindowText, Role.Window),
        (Role.Text, Role.Base),
        (Role.ButtonText, Role.Button),
        (Role.HighlightedText, Role.Highlight),
        (Role.ToolTipText, Role.ToolTipBase),
        (Role.PlaceholderText, Role.Base),
        (Role.Link, Role.Window),
    ]
    for text, background in pairs:
        ratio = contrast(palette.color(text), palette.color(background))
        assert ratio >= 4.5, f"{text} on {background}: {ratio:.2f}"
    assert contrast(QColor(theme.focus_text), QColor(theme.focus)) >= 4.5
    disabled = palette.color(Group.Disabled, Role.WindowText)
    assert contrast(disabled, palette.color(Role.Window)) >= 3.0


def test_colors_are_those_of_the_widgets_palette(qtbot: QtBot) -> None:
    label = QLabel("x")
    qtbot.addWidget(label)
    for theme in (LIGHT, DARK):
        label.setPalette(make_palette(theme))
        assert colors(label.palette()) is theme
        label.setEnabled(not label.isEnabled())
        assert colors(label.palette()) is theme


def test_switching_recolours_what_is_on_screen(themed: QApplication, qtbot: QtBot) -> None:
    label, field = QLabel("x"), QLineEdit("x")
    qtbot.addWidget(label)
    qtbot.addWidget(field)
    label.show()
    field.show()

    def shows(theme: Theme) -> bool:
        return label.palette().color(Role.Window) == QColor(theme.window) and (
            field.palette().color(Role.Base) == QColor(theme.field)
        )

    for mode, theme in (("dark", DARK), ("light", LIGHT), ("dark", DARK)):
        apply_theme(themed, mode)
        qtbot.waitUntil(lambda theme=theme: shows(theme))
        corner = label.grab().toImage().pixelColor(0, 0)
        assert corner == QColor(theme.window)


def test_follows_the_system_only_when_asked(themed: QApplication) -> None:
    changed = themed.styleHints().colorSchemeChanged
    window = Role.Window
    apply_theme(themed, "system")
    changed.emit(Qt.ColorScheme.Dark)
    assert themed.palette().color(window) == QColor(DARK.window)
    changed.emit(Qt.ColorScheme.Light)
    assert themed.palette().color(window) == QColor(LIGHT.window)
    apply_theme(themed, "light")
    changed.emit(Qt.ColorScheme.Dark)
    assert themed.palette().color(window) == QColor(LIGHT.window)


def test_refuses_an_unknown_mode(themed: QApplication) -> None:
    with pytest.raises(ValueError, match="sepia"):
        apply_theme(themed, "sepia")


def test_fonts_keep_their_family(qapp: QApplication) -> None:
    font = QFont(qapp.font())
    figures = tabular(font)
    assert figures.family() == font.family()
    assert figures.featureValue(QFont.Tag("tnum")) == 1
    assert not font.isFeatureSet(QFont.Tag("tnum"))
    assert scaled(font, 2).pointSizeF() == pytest.approx(2 * font.pointSizeF())
    pixels = QFont(font)
    pixels.setPixelSize(10)
    assert scaled(pixels, 1.5).pixelSize() == 15


@pytest.mark.parametrize("glyph", list(Glyph))
def test_every_glyph_draws_in_its_colour_and_inside_the_grid(
    qapp: QApplication, glyph: Glyph
) -> None:
    color = QColor("#c02040")
    image = pixmap(glyph, color, 2).toImage().convertToFormat(QImage.Format.Format_ARGB32)
    assert image.width() == 2 * SIZE
    solid = [
        image.pixelColor(x, y)
        for x in range(image.width())
        for y in range(image.height())
        if image.pixelColor(x, y).alpha() == 255
    ]
    assert len(solid) > 12
    assert all(abs(c.red() - color.red()) < 3 for c in solid)
    edge = [image.pixelColor(x, y).alpha() for x in (0, 31) for y in range(32)]
    assert max(edge) == 0


def test_glyphs_turn_white_on_selected_rows(qapp: QApplication) -> None:
    image = QImage(SIZE, SIZE, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    selected = icon(Glyph.DOT, QColor("#c02040")).Mode.Selected
    icon(Glyph.DOT, QColor("#c02040")).paint(painter, image.rect(), mode=selected)
    painter.end()
    assert image.pixelColor(QPointF(8, 8).toPoint()).name() == "#ffffff"


def test_space_presses_no_icon_button(qtbot: QtBot) -> None:
    button = IconButton(Glyph.PLAY, "Play")
    qtbot.addWidget(button)
    assert button.focusPolicy() is Qt.FocusPolicy.NoFocus
    assert button.toolTip() == "Play"
    assert button.accessibleName() == "Play"


@pytest.mark.parametrize(
    ("key", "modifiers", "kept"),
    [
        (Qt.Key.Key_X, Qt.KeyboardModifier.NoModifier, True),
        (Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier, True),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier, True),
        (Qt.Key.Key_F1, Qt.KeyboardModifier.NoModifier, False),
        (Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier, False),
    ],
)
def test_plain_keys_stay_in_text_fields(
    qtbot: QtBot, key: Qt.Key, modifiers: Qt.KeyboardModifier, kept: bool
) -> None:
    from PySide6.QtGui import QKeyEvent

    field = QLabel("stands for a field")
    qtbot.addWidget(field)
    keep_keys(field)
    event = QKeyEvent(QEvent.Type.ShortcutOverride, key, modifiers)
    event.ignore()
    QApplication.sendEvent(field, event)
    assert event.isAccepted() is kept


def test_status_colours_differ(qapp: QApplication) -> None:
    for theme in (LIGHT, DARK):
        names = {theme.status(s).name() for s in Status}
        assert len(names) == len(Status)
