"""Colours and fonts with which the timeline is painted, made from the widget's palette."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtGui import QColor, QFont, QPalette

from pipeline.model.palette import Rgb
from widgets.theme import colors, contrast, scaled, tabular


@dataclass(frozen=True)
class Ink:
    """What the lanes paint with.

    Attributes:
        base: Background of lanes.
        window: Background of the gutter.
        text: Text and main curves.
        muted: Secondary text.
        border: Hairlines.
        accent: Cursor and selection.
        font: Lane titles and blocks.
        small: Scales and ticks; figures of equal width.
    """

    base: QColor
    window: QColor
    text: QColor
    muted: QColor
    border: QColor
    accent: QColor
    font: QFont
    small: QFont

    @classmethod
    def of(cls, palette: QPalette, font: QFont) -> Ink:
        """Take the colours of a palette."""
        theme = colors(palette)
        figures = tabular(font)
        return cls(
            base=palette.color(QPalette.ColorRole.Base),
            window=palette.color(QPalette.ColorRole.Window),
            text=palette.color(QPalette.ColorRole.Text),
            muted=QColor(theme.muted),
            border=QColor(theme.border),
            accent=QColor(theme.accent),
            font=scaled(figures, 0.92),
            small=scaled(figures, 0.85),
        )

    def curve(self, rgb: Rgb) -> QColor:
        """A colour with a meaning, darkened or lightened until a thin line shows on the base."""
        # A copy: who makes it transparent must not change the kept one for everybody.
        return QColor(legible(rgb, self.base.rgb()))

    def tint(self, rgb: Rgb, share: float) -> QColor:
        """A colour with a meaning mixed into the base; `share` 1 is the pure colour."""
        return mixed(QColor(*rgb), self.base, share)


def mixed(color: QColor, ground: QColor, share: float) -> QColor:
    """Mix two opaque colours; `share` 1 is the first alone."""

    def channel(a: float, b: float) -> float:
        return share * a + (1 - share) * b

    return QColor.fromRgbF(
        channel(color.redF(), ground.redF()),
        channel(color.greenF(), ground.greenF()),
        channel(color.blueF(), ground.blueF()),
    )


@lru_cache(maxsize=256)
def legible(rgb: Rgb, ground: int, wanted: float = 2.2) -> QColor:
    """Keep the hue, change the lightness in steps until the contrast with the ground is enough.

    Args:
        rgb: Colour of `palette`.
        ground: Background as 0xAARRGGBB.
        wanted: Contrast ratio; 2.2 keeps neighbouring hues apart and thin lines visible
            (our choice; WCAG's 3 for graphics turns yellow into brown).

    Returns:
        The colour itself where it is visible already.
    """
    back = QColor.fromRgb(ground)
    toward = QColor("black") if back.lightness() > 127 else QColor("white")
    color = QColor(*rgb)
    for step in range(1, 11):
        if contrast(color, back) >= wanted:
            break
        color = mixed(QColor(*rgb), toward, 1 - 0.07 * step)
    return color
