"""The pictures of the item under review, and of the next ones before they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QSize
from PySide6.QtGui import QImage

from app.annotation_pictures import CORNER, SCALE, AnnotationPictures, PictureWish
from pipeline.model.candidate import Box
from pipeline.model.demonstration import DatasetSource
from pipeline.model.episodes import position_of
from pipeline.review.spot_records import SpotItem
from widgets.spot_review import ContextFrame, SpotReview, moments_of

AHEAD = 3
"""Items whose pictures are made before they are asked for."""
_SHOWN_AT_MOST = 2000
"""Device pixels: larger pictures show nothing more and take longer."""


class ReviewPictures(QObject):
    """Fills the pictures of a `SpotReview`; whoever makes it calls `close` before it goes."""

    def __init__(self, review: SpotReview, parent: QObject | None = None) -> None:
        """Show nothing yet.

        Args:
            review: Where pictures are shown.
            parent: Owner.
        """
        super().__init__(parent)
        self._review = review
        self._source: DatasetSource | None = None
        self._item: SpotItem | None = None
        self._pictures = AnnotationPictures(self)
        self._pictures.made.connect(self._show_made)

    def set_source(self, source: DatasetSource | None) -> None:
        """The dataset that pictures are read from."""
        self._source = source

    def show(self, item: SpotItem, following: Sequence[SpotItem], *, several: bool) -> None:
        """Show an item at the moment that the review is at; prepare those that follow.

        Args:
            item: The item under review.
            following: The next ones.
            several: The sample is of several datasets, of which one is open.
        """
        self._item = item
        hint = self._missing(item, several)
        if hint:
            self._item = None
            for picture in (self._review.large, self._review.crop, *self._review.strip):
                picture.set_image(None, hint if picture is self._review.large else "")
            return
        own = self.wishes(item, self._review.moment)
        for place, wish in own.items():
            self._put(place, self._pictures.known(wish))
        wishes = list(own.values())
        for after in following:
            if not self._missing(after, several):
                wishes += self.wishes(after).values()
        self._pictures.want(self._source, wishes)

    def show_nothing(self) -> None:
        """Make no more pictures."""
        self._item = None
        self._pictures.want(self._source, ())

    def known(self, wish: PictureWish) -> QImage | None:
        """A picture that is ready."""
        return self._pictures.known(wish)

    def close(self) -> None:
        """Stop the thread."""
        self._pictures.close()

    def moments(self, item: SpotItem) -> tuple[tuple[ContextFrame, ...], int]:
        """Moments of an item's subtask, and which is the keyframe."""
        length, fps = 0, 30.0
        if self._source is not None:
            info = self._source.info
            fps = info.fps or fps
            place = position_of(info.episodes, item.episode)
            length = info.episodes[place].length if place >= 0 else 0
        return moments_of(item.frame, item.since, item.until, length, fps)

    def wishes(self, item: SpotItem, moment: int | None = None) -> dict[str, PictureWish]:
        """What an item needs: `large`, `crop`, and the strip by number.

        Args:
            item: The item.
            moment: What is shown large; None for the keyframe.
        """
        moments, key = self.moments(item)
        shown = key if moment is None else moment

        def wish(frame: int, box: Box | None, size: QSize, *, crop: bool = False) -> PictureWish:
            return PictureWish(
                item.episode,
                item.camera,
                frame,
                box,
                min(size.width(), _SHOWN_AT_MOST),
                min(size.height(), _SHOWN_AT_MOST),
                crop,
            )

        review = self._review
        large, strip = review.large.wanted_size, review.strip[0].wanted_size
        # The keyframe's own number, so that one that is not known is told.
        frame = item.frame if shown == key else moments[shown].frame
        found = {
            "large": wish(frame, item.box if shown == key else None, large),
            "crop": wish(item.frame, item.box, review.crop.wanted_size, crop=True),
        }
        for number, at in enumerate(moments):
            found[str(number)] = wish(at.frame, None, strip)
        return found

    def _missing(self, item: SpotItem, several: bool) -> str:
        """Why an item has no pictures; empty if it has. One dataset's name may have changed."""
        if self._source is None:
            return "The dataset of these annotations is not open: there are no pictures."
        if several and item.dataset != self._source.info.name:
            return f"This annotation is of {item.dataset}, which is not open."
        return ""

    def _show_made(self, wish: PictureWish, image: QImage) -> None:
        if self._item is None:
            return
        for place, own in self.wishes(self._item, self._review.moment).items():
            if own == wish:
                self._put(place, image)

    def _put(self, place: str, image: QImage | None) -> None:
        match place:
            case "large":
                scale, corner = _geometry(image)
                self._review.set_large(image, scale, corner)
            case "crop":
                self._review.set_crop(image)
            case _:
                self._review.set_moment(int(place), image)


def _geometry(image: QImage | None) -> tuple[float, tuple[float, float]]:
    """Scale and corner that `AnnotationPictures` wrote into an image; 0 where it wrote none."""
    if image is None or not image.text(SCALE):
        return 0.0, (0.0, 0.0)
    x, y = image.text(CORNER).split()
    return float(image.text(SCALE)), (float(x), float(y))
