"""Where image pixels lie in a widget: one scale, one offset."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.candidate import Box

MIN_SCALE = 0.05
"""Smallest zoom, logical pixels per image pixel (our choice: a 4K frame stays visible)."""
MAX_SCALE = 64.0
"""Largest zoom; one image pixel is then a finger-wide square (our choice)."""


@dataclass(frozen=True, slots=True)
class ViewTransform:
    """Maps image coordinates to widget coordinates: view = image * scale + offset.

    Image coordinates put the corner of pixel (i, j) at (i, j) and its centre at (i + 0.5,
    j + 0.5), as boxes do. Widget coordinates are logical (device independent) pixels.

    Attributes:
        scale: Logical pixels per image pixel, > 0.
        dx: Widget x of the image's left edge.
        dy: Widget y of the image's top edge.
    """

    scale: float = 1.0
    dx: float = 0.0
    dy: float = 0.0

    @classmethod
    def fitted(cls, image: tuple[int, int], area: Box) -> ViewTransform:
        """Show the whole image, centred in `area`.

        Args:
            image: Width and height of the image, pixels.
            area: x0, y0, x1, y1 of the free area, logical pixels.
        """
        width, height = image
        room_x, room_y = area[2] - area[0], area[3] - area[1]
        if width <= 0 or height <= 0 or room_x <= 0 or room_y <= 0:
            return cls()
        scale = min(room_x / width, room_y / height)
        scale = min(max(scale, MIN_SCALE), MAX_SCALE)
        dx = area[0] + (room_x - width * scale) / 2
        dy = area[1] + (room_y - height * scale) / 2
        # Whole pixels, so that an image at scale 1 is copied and not resampled.
        return cls(scale, round(dx), round(dy))

    def to_view(self, x: float, y: float) -> tuple[float, float]:
        """Map an image point to the widget."""
        return x * self.scale + self.dx, y * self.scale + self.dy

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        """Map a widget point to the image."""
        return (x - self.dx) / self.scale, (y - self.dy) / self.scale

    def box_to_view(self, box: Box) -> Box:
        """Map a box of the image to the widget."""
        x0, y0 = self.to_view(box[0], box[1])
        x1, y1 = self.to_view(box[2], box[3])
        return x0, y0, x1, y1

    def zoomed_at(self, x: float, y: float, factor: float) -> ViewTransform:
        """Zoom by `factor` so that the image point under widget point (x, y) stays there."""
        scale = min(max(self.scale * factor, MIN_SCALE), MAX_SCALE)
        image_x, image_y = self.to_image(x, y)
        return ViewTransform(scale, x - image_x * scale, y - image_y * scale)

    def panned(self, dx: float, dy: float) -> ViewTransform:
        """Move the image by (dx, dy) logical pixels."""
        return ViewTransform(self.scale, self.dx + dx, self.dy + dy)

    def clamped(self, image: tuple[int, int], area: Box) -> ViewTransform:
        """Keep the image in sight: centred where it is smaller than `area`, else covering it."""

        def clamp(offset: float, length: float, low: float, high: float) -> float:
            if length <= high - low:
                return low + (high - low - length) / 2
            return min(max(offset, high - length), low)

        dx = clamp(self.dx, image[0] * self.scale, area[0], area[2])
        dy = clamp(self.dy, image[1] * self.scale, area[1], area[3])
        return ViewTransform(self.scale, round(dx), round(dy))
