"""What the threshold page asks for: reading, bands, points, drafts, pictures, exports."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QSettings, Qt, Signal, Slot
from PySide6.QtGui import QImage

from app.annotation_pictures import AnnotationPictures, PictureWish
from app.background import Background, sentence
from pipeline.curation.data import CurationData
from pipeline.curation.draft import Draft, draft_of
from pipeline.curation.operating_points import OperatingPoint, OperatingPoints
from pipeline.curation.threshold import Mover, ThresholdStudy
from pipeline.evaluation.rescoring import Rescored
from pipeline.model.demonstration import DatasetSource
from pipeline.model.problem import Cancelled, DataError
from widgets.curation.movers import THUMB
from widgets.curation.threshold_page import ThresholdPage

if TYPE_CHECKING:
    from pipeline.curation.export import Exported
    from pipeline.evaluation.intervals_of_curves import CurveBand

log = logging.getLogger(__name__)

_BAND_WORK = 20_000_000
"""Items that the resamples of a band hold altogether: about a second."""
_RESAMPLES = (50, 1000)
_BAND_POINTS = 101


@dataclass(frozen=True)
class _Read:
    """What came from the thread."""

    data: CurationData
    study: ThresholdStudy
    points: tuple[OperatingPoint, ...]
    warning: str


class CurationControl(QObject):
    """Serves one threshold page. Nothing here blocks it.

    Signals:
        said: One line for the status bar.
        failed: One sentence that stays until read.
        dataRead: `CurationData`, or None if there is none.
        judgementsChanged: `CurationData`: the same annotations, people said more.
        exportProgressed: Share of an export that is done, 0..1.
        exportEnded: An export ended, whatever way.
        exported: Folder that was written.
    """

    said = Signal(str)
    failed = Signal(str)
    dataRead = Signal(object)
    judgementsChanged = Signal(object)
    exportProgressed = Signal(float)
    exportEnded = Signal()
    exported = Signal(str)
    _exportTold = Signal(int, float)

    def __init__(self, page: ThresholdPage, settings: QSettings, parent: QObject | None) -> None:
        super().__init__(parent)
        self._page = page
        self._settings = settings
        self._background = Background(self)
        self._pictures = AnnotationPictures(self)
        self._pictures.made.connect(self._show_picture)
        self._wanted: dict[PictureWish, Mover] = {}
        self._source: DatasetSource | None = None
        self._saved: OperatingPoints | None = None
        self._export_cancel = threading.Event()
        self._export_number = 0
        self._exportTold.connect(self._show_export, Qt.ConnectionType.QueuedConnection)
        self._band_cancel = threading.Event()
        self.data: CurationData | None = None
        page.settled.connect(self._settle)
        page.picturesWanted.connect(self._want_pictures)
        page.saveRequested.connect(self.save)
        page.pointRetired.connect(self.retire)

    @property
    def idle(self) -> bool:
        """True if nothing is being read or computed."""
        return self._background.idle

    # -- reading -----------------------------------------------------------------------------

    def open(self, path: Path | None, dataset: Path | None, truth: Path | None = None) -> None:
        """Read annotations in the background.

        Args:
            path: File of annotations or folder of a batch run; None: the newest of the dataset.
            dataset: Root of the dataset, None if the annotations say it.
            truth: File of ground truth, None for what lies beside the dataset.
        """
        self.keep_draft()
        self._page.set_study(None)
        self._page.set_waiting(f"Reading the annotations of {(path or dataset or Path()).name} …")

        newest = path is None

        def work() -> _Read:
            from pipeline.curation.loading import load_curation
            from pipeline.evaluation.intervals_of_curves import wilson
            from pipeline.evaluation.rescoring import warm_up

            data = load_curation(path, dataset, truth=truth)
            warm_up()
            wilson(1, 2)  # loads scipy.stats: not at the first drag
            study = ThresholdStudy(data)
            points: tuple[OperatingPoint, ...] = ()
            warning = ""
            try:
                points = OperatingPoints(data.folder).in_force()
            except DataError as error:
                warning = str(error)
            return _Read(data, study, points, warning)

        def there(read: _Read | None, error: Exception | None) -> None:
            if read is not None:
                self._show(read)
                return
            text = sentence(error) if error is not None else "there are no annotations"
            # a dataset that nobody annotated yet is no failure: the page says what to do
            self._no_data(text, missing=newest and _code(error) == "no_annotations")

        self._background.run("read", work, there)

    def _show(self, read: _Read) -> None:
        self.data = data = read.data
        self._saved = OperatingPoints(data.folder)
        self._page.set_points(read.points)
        self._page.set_pictures(data.dataset is not None)
        self._page.set_study(read.study, self._draft())
        self.dataRead.emit(data)
        for text in (read.warning, *(p.message for p in data.problems)):
            if text:
                self.failed.emit(text)
        self.said.emit(f"{len(data.table):,} annotations of {data.path}")

    def _no_data(self, text: str, *, missing: bool) -> None:
        self.data, self._saved = None, None
        self._page.set_study(None)
        self._page.set_waiting("" if missing else text)
        self.dataRead.emit(None)
        if missing:
            self.said.emit("This dataset was not annotated yet")
        else:
            self.failed.emit(text)

    def nothing(self, hint: str) -> None:
        """Show that there is nothing to curate, and why."""
        self.keep_draft()
        self.data, self._saved = None, None
        self._page.set_study(None)
        self._page.set_waiting(hint)
        self.dataRead.emit(None)

    def judge_again(self) -> None:
        """Take over what people said by now, in the background."""
        data = self.data
        if data is None:
            return

        def work() -> CurationData:
            from pipeline.curation.loading import with_people

            return with_people(data)

        def there(found: CurationData | None, error: Exception | None) -> None:
            if found is None:
                self.failed.emit(sentence(error) if error is not None else "")
            elif self.data is not None and found.table is self.data.table:
                self.data = found
                self._page.refresh_judgements(found)
                self.judgementsChanged.emit(found)

        self._background.run("people", work, there)

    # -- drafts and the band -----------------------------------------------------------------

    def _key(self) -> str:
        name = "" if self.data is None else str(self.data.path)
        return f"curation/drafts/{hashlib.sha256(name.encode()).hexdigest()[:24]}"

    def _draft(self) -> Draft | None:
        text = self._settings.value(self._key())
        return draft_of(text) if isinstance(text, str) else None

    def keep_draft(self) -> None:
        """Remember threshold and weights of these annotations."""
        draft = self._page.draft
        if draft is not None and self.data is not None:
            self._settings.setValue(self._key(), draft.text())

    def _settle(self) -> None:
        self.keep_draft()
        self._band_cancel.set()  # of a curve that is not on show any more
        study = self._page.study
        if study is None or not self._page.curve.has_curve or self._page.curve.band is not None:
            return
        scores, right, clusters = study.judged_items()
        curve = study.curve
        few, most = _RESAMPLES
        resamples = min(max(_BAND_WORK // max(len(scores), 1), few), most)
        cancel = self._band_cancel = threading.Event()

        def work() -> CurveBand:
            from pipeline.evaluation.intervals_of_curves import Bootstrap, curve_band

            coverages = np.linspace(1 / max(len(scores), 1), 1.0, _BAND_POINTS)
            return curve_band(
                scores,
                right,
                coverages,
                Bootstrap(resamples),
                clusters,
                is_cancelled=cancel.is_set,
            )

        def there(band: CurveBand | None, error: Exception | None) -> None:
            if isinstance(error, Cancelled):
                return
            if error is not None:
                log.error("the band cannot be computed", exc_info=error)
            elif self._page.study is study and study.curve is curve:
                self._page.set_band(band, resamples)

        self._background.run("band", work, there)

    # -- operating points --------------------------------------------------------------------

    def save(self, point: OperatingPoint) -> None:
        """Save a point; the file is on the disk when the page shows it."""
        saved = self._saved
        if saved is None:
            return

        def work() -> tuple[OperatingPoint, tuple[OperatingPoint, ...]]:
            done = saved.save(point)
            return done, saved.in_force()

        def there(
            found: tuple[OperatingPoint, tuple[OperatingPoint, ...]] | None,
            error: Exception | None,
        ) -> None:
            if found is None:
                self.failed.emit(sentence(error) if error is not None else "")
                return
            self._page.points.clear_form()
            self._page.set_points(found[1])
            self.said.emit(f"Saved “{found[0].name}” in {saved.path}")

        self._background.run("point", work, there)

    def retire(self, point: OperatingPoint) -> None:
        """Take a point out of use."""
        saved = self._saved
        if saved is None:
            return

        def work() -> tuple[OperatingPoint, ...]:
            saved.retire(point)
            return saved.in_force()

        def there(found: tuple[OperatingPoint, ...] | None, error: Exception | None) -> None:
            if found is None:
                self.failed.emit(sentence(error) if error is not None else "")
                return
            self._page.set_points(found)
            self.said.emit(f"“{point.name}” is out of use; it stays in the history")

        self._background.run("point", work, there)

    # -- pictures ----------------------------------------------------------------------------

    def set_source(self, source: DatasetSource | None) -> None:
        """The dataset that pictures are read from."""
        self._source = source
        self._want_pictures(self._page.shown_movers())

    def _want_pictures(self, movers: list[Mover]) -> None:
        ratio = self._page.devicePixelRatioF()
        wide, tall = round(THUMB.width() * ratio), round(THUMB.height() * ratio)
        self._wanted = {
            PictureWish(m.episode, m.camera, m.frame, m.box, wide, tall, crop=True): m
            for m in movers
        }
        self._pictures.want(self._source, list(self._wanted))

    def _show_picture(self, wish: PictureWish, image: QImage) -> None:
        mover = self._wanted.get(wish)
        if mover is not None:
            self._page.set_picture(mover, image)

    # -- export ------------------------------------------------------------------------------

    def export(self, folder: Path, *, replace: bool = False) -> None:
        """Write what is kept and dropped, in the background.

        Args:
            folder: Where.
            replace: Take the place of an earlier export.
        """
        study, data, draft = self._page.study, self.data, self._page.draft
        if study is None or data is None or draft is None:
            return
        point = self._page.operating_point("Not saved") if study.filter.text() else None
        rows = study.population_rows()
        found = study.rescored
        rescored = Rescored(found.winner[rows], found.score[rows], found.stored[:0])
        chosen = study.restricted(data)
        self._export_cancel.set()
        cancel = self._export_cancel = threading.Event()
        self._export_number += 1
        number = self._export_number

        def tell(share: float) -> None:
            try:
                self._exportTold.emit(number, share)
            except RuntimeError:
                log.debug("news of an export came after the window closed")

        def work() -> Exported:
            from pipeline.curation.export import export_kept

            return export_kept(
                folder,
                chosen,
                rescored,
                draft.threshold,
                draft.weights,
                point,
                replace=replace,
                progress=tell,
                is_cancelled=cancel.is_set,
            )

        def there(done: Exported | None, error: Exception | None) -> None:
            self._export_number += 1  # news that are still under way say nothing any more
            self._page.points.set_exporting(False)
            self.exportEnded.emit()
            if isinstance(error, Cancelled):
                self.said.emit("The export was cancelled; nothing was written")
                return
            if done is None:
                self.failed.emit(sentence(error) if error is not None else "")
                return
            self.said.emit(f"{done.kept:,} kept and {done.dropped:,} dropped: {done.folder}")
            self.exported.emit(str(done.folder))

        self._page.points.set_exporting(True)
        self.said.emit(f"Writing {folder} …")
        self.exportProgressed.emit(0.0)
        self._background.run("export", work, there)

    def cancel_export(self) -> None:
        """Stop an export that runs; nothing of it is left."""
        self._export_cancel.set()

    @Slot(int, float)
    def _show_export(self, number: int, share: float) -> None:
        if number == self._export_number:
            self.exportProgressed.emit(share)

    def close(self) -> None:
        """Keep the draft and stop all threads."""
        self.keep_draft()
        self._export_cancel.set()
        self._band_cancel.set()
        self._pictures.close()
        self._background.close()


def _code(error: Exception | None) -> str:
    return error.code if isinstance(error, DataError) else ""
