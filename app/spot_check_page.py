"""The spot check page of the curation window: set up, review by keyboard, see the result."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from app.background import Background
from app.spot_check_pictures import AHEAD, ReviewPictures
from pipeline.curation.data import CurationData
from pipeline.model.authorship import account_name
from pipeline.model.candidate import Box
from pipeline.model.demonstration import DatasetSource
from pipeline.model.problem import DataError
from pipeline.review.spot_check import SpotCheck, spot_checks
from pipeline.review.spot_plan import SpotPlan
from pipeline.review.spot_records import SpotItem, Verdict
from pipeline.review.spot_result import SpotResult, summarise
from pipeline.review.spot_sampling import Preview, preview
from widgets.fields import EmptyHint
from widgets.spot_choices import SessionLine, SpotChoices
from widgets.spot_result_view import SpotResultView
from widgets.spot_review import ReviewCard, SpotReview
from widgets.spot_setup import SpotSetup
from widgets.theme import GRID, Status, colors

log = logging.getLogger(__name__)

_SESSIONS = 30
_AFTER_PICTURE = 30
"""Milliseconds from an answer to the computation of the result: the next picture is painted then,
and the thread does not take the interpreter from it."""
_AFTER_RESULT = 250
"""Milliseconds from an answer until the window is told, which reads all answers again."""


class SpotCheckPage(QWidget):
    """Page of the curation window. Whoever makes it calls `close_page` before it goes.

    Signals:
        annotationActivated: Episode and subtask: open it in the main window.
        answersChanged: A person answered, or took an answer back, a moment ago: what people say has
            changed. Once for several in a row.
    """

    annotationActivated = Signal(int, int)
    answersChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._data: CurationData | None = None
        self._source: DatasetSource | None = None
        self._check: SpotCheck | None = None
        self._who = ""
        self._item: SpotItem | None = None
        self._background = Background(self)
        self.empty = EmptyHint(
            "Open a dataset that was annotated, or a file of annotations, to check a sample of it "
            "by eye.",
            self,
        )
        self.setup = SpotSetup(self)
        self.review = SpotReview(self)
        self._pictures = ReviewPictures(self.review, self)
        self.result = SpotResultView(self)
        self.told = QLabel(self)
        self._stack = QStackedWidget(self)
        self._lay_out()
        self._connect()
        self.setup.set_who(account_name())
        self.set_data(None)

    def _lay_out(self) -> None:
        both = QWidget(self)
        row = QHBoxLayout(both)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.review, 5)
        row.addWidget(self.result, 3)
        self.result.setMinimumWidth(50 * GRID)
        self.result.setMaximumWidth(80 * GRID)
        for page in (self.empty, self.setup, both):
            self._stack.addWidget(page)
        self._both = both
        self.told.setWordWrap(True)
        self.told.setTextFormat(Qt.TextFormat.PlainText)
        self.told.setMargin(GRID)
        self.told.setAccessibleName("Message")
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.told)
        whole.addWidget(self._stack, 1)

    def _connect(self) -> None:
        self._planning = QTimer(self)
        self._planning.setSingleShot(True)
        self._planning.setInterval(120)
        self._planning.timeout.connect(self._preview)
        self._refreshing = QTimer(self)
        self._refreshing.setSingleShot(True)
        self._refreshing.setInterval(_AFTER_PICTURE)
        self._refreshing.timeout.connect(self._show_result)
        self._announcing = QTimer(self)
        self._announcing.setSingleShot(True)
        self._announcing.setInterval(_AFTER_RESULT)
        self._announcing.timeout.connect(self.answersChanged)
        self._resizing = QTimer(self)
        self._resizing.setSingleShot(True)
        self._resizing.setInterval(150)
        self._resizing.timeout.connect(self._show_pictures)
        self.setup.planChanged.connect(self._plan_changed)
        self.setup.started.connect(self._begin)
        self.setup.continued.connect(self._continue)
        self.review.answered.connect(self._answer)
        self.review.undone.connect(self._undo)
        self.review.left.connect(self._leave)
        self.review.momentShown.connect(lambda _moment: self._show_pictures())
        self.review.resized.connect(self._resizing.start)
        self.result.itemChosen.connect(self._activate)
        self.result.reportWanted.connect(self._write_report)
        self.result.dataWanted.connect(self._write_data)
        self.result.moreWanted.connect(self._draw_more)

    def showEvent(self, event: QShowEvent) -> None:
        """Its keys work at once, without a click into it."""
        super().showEvent(event)
        reviewing = self._stack.currentWidget() is self._both
        (self.review if reviewing else self.setup).setFocus(Qt.FocusReason.TabFocusReason)

    # -- what it is given --------------------------------------------------------------------

    def set_data(self, data: CurationData | None) -> None:
        """Show the annotations of a dataset; None for none. A review under way goes on if they
        are of the same file and folder.
        """
        same = (
            data is not None
            and self._data is not None
            and (data.path, data.folder) == (self._data.path, self._data.folder)
        )
        old, self._data = self._data, data
        if data is None:
            self._check = None
            self._stack.setCurrentWidget(self.empty)
            self.setup.set_choices(None)
            self._say("")
            return
        if same and old is not None and old.table is data.table:
            return
        if not same:
            self._check = None
        if self._check is None:
            self._stack.setCurrentWidget(self.setup)
            self._say("")
        self.setup.set_choices(SpotChoices.of(data.table))
        self._list_sessions()

    def set_source(self, source: DatasetSource | None) -> None:
        """The dataset that pictures are read from."""
        self._source = source
        self._pictures.set_source(source)
        self._show_pictures()

    def set_threshold(self, threshold: float | None) -> None:
        """The threshold of R that the curation window works with; for new spot checks."""
        self.setup.set_threshold(threshold)

    @property
    def check(self) -> SpotCheck | None:
        """The spot check under way."""
        return self._check

    def open_check(self, path: Path, who: str = "") -> None:
        """Go on with a spot check."""
        self._continue(path, who)

    def close_page(self) -> None:
        """Stop the threads. Answers are saved already."""
        for timer in (self._planning, self._refreshing, self._resizing):
            timer.stop()
        self._announce()
        self._pictures.close()
        self._background.close()

    # -- set-up ------------------------------------------------------------------------------

    def _plan_changed(self, plan: SpotPlan | None) -> None:
        self.setup.set_preview(None)
        self._planning.start()

    def _preview(self) -> None:
        if self._data is None:
            return
        table, plan = self._data.table, self.setup.plan()

        def shown(found: Preview | None, error: Exception | None) -> None:
            if isinstance(error, DataError):
                self.setup.set_preview(None, _sentence(error))
            elif error is not None:
                log.error("the strata cannot be made", exc_info=error)
                self.setup.set_preview(None, f"The strata cannot be made: {error}")
            else:
                self.setup.set_preview(found)

        self._background.run("preview", lambda: preview(table, plan), shown)

    def _begin(self, plan: SpotPlan, who: str) -> None:
        if self._data is None:
            return
        data, name = self._data, who or account_name()

        def begun(check: SpotCheck | None, error: Exception | None) -> None:
            if check is not None and data is self._data:
                self._open(check, name)
            elif error is not None:
                self._fail(error, "the sample cannot be drawn")

        self.setup.begin.setEnabled(False)
        self._background.run(
            "begin", lambda: SpotCheck.begin(data.folder, data.table, data.path, plan, name), begun
        )

    def _continue(self, path: Path, who: str) -> None:
        try:
            check = SpotCheck(path)
        except (DataError, OSError) as error:
            self._fail(error, "the spot check cannot be read")
            return
        self._open(check, who or account_name())

    def _open(self, check: SpotCheck, who: str) -> None:
        self._check, self._who = check, who
        self._stack.setCurrentWidget(self._both)
        self._say("")
        if self._data is not None:
            table = self._data.table
            self._background.run("changed", lambda: check.changed(table), self._tell_changed)
        self._next()
        self.result.set_result(None, None)
        self.result.set_last((), None)
        self._show_result()
        self.review.setFocus()

    def _tell_changed(self, changed: Sequence[SpotItem] | None, error: Exception | None) -> None:
        if error is not None:
            self._fail(error, "the annotations cannot be compared with the sample")
        elif changed and self._check is not None:
            self._say(
                f"{len(changed)} of the {len(self._check.items)} sampled annotations changed since "
                "the sample was drawn; answers are about the boxes as they were."
            )

    def _list_sessions(self) -> None:
        folder = self._data.folder if self._data is not None else None
        if folder is None:
            return

        def listed(found: Sequence[SessionLine] | None, error: Exception | None) -> None:
            if error is not None:
                log.error("spot checks cannot be listed", exc_info=error)
            self.setup.set_sessions(found or ())

        self._background.run("sessions", lambda: _session_lines(folder), listed)

    # -- review ------------------------------------------------------------------------------

    def _next(self) -> None:
        check = self._check
        if check is None:
            return
        self._item = check.next_item(self._who)
        if self._item is None:
            self.review.set_card(None, "The result is on the right; the report can be written.")
            return
        self.review.set_card(self._card(self._item))
        self._show_pictures()

    def _card(self, item: SpotItem) -> ReviewCard:
        check = self._check
        assert check is not None  # noqa: S101 - asked for only while there is one
        moments, key = self._pictures.moments(item)
        return ReviewCard(
            item.number,
            len(check.items),
            len(check.answers(self._who)),
            item.episode,
            item.instruction,
            item.object,
            moments,
            key,
        )

    def _answer(self, verdict: Verdict, seconds: float, true_box: Box | None, why: str) -> None:
        if self._check is None or self._item is None:
            return
        try:
            self._check.answer(
                self._item.number,
                verdict,
                self._who,
                seconds=seconds,
                true_box=true_box,
                reason=why,
            )
        except DataError as error:
            self._fail(error, "the answer is not saved")
            return
        self._changed()

    def _undo(self) -> None:
        if self._check is None:
            return
        try:
            undone = self._check.undo(self._who)
        except DataError as error:
            self._fail(error, "the answer is not taken back")
            return
        if undone is not None:
            self._changed()

    def _changed(self) -> None:
        self._next()
        self._refreshing.start()
        self._announcing.start()

    def _announce(self) -> None:
        """Tell of the last answers now."""
        if self._announcing.isActive():
            self._announcing.stop()
            self.answersChanged.emit()

    def _leave(self) -> None:
        self._announce()
        self._check = None
        self._item = None
        self._pictures.show_nothing()
        self._stack.setCurrentWidget(self.setup)
        self._say("")
        self._list_sessions()

    def _show_pictures(self) -> None:
        check, item = self._check, self._item
        if check is None or item is None:
            return
        answered = check.answers(self._who)
        after = [i for i in check.items[item.number + 1 :] if i.number not in answered]
        self._pictures.show(item, after[:AHEAD], several="," in check.header.dataset)

    # -- result ------------------------------------------------------------------------------

    def _show_result(self) -> None:
        """Compute the result in the background and show it when it is there."""
        check = self._check
        if check is None:
            self.result.set_result(None, None)
            return
        who, now = self._who, check.snapshot()
        # What others answered would tell this person about items that are still to come.
        alone = who if now.next_item(who) is not None else None

        def there(found: SpotResult | None, error: Exception | None) -> None:
            if check is not self._check:
                return
            if found is None:
                if error is not None:
                    self._fail(error, "the result cannot be computed")
                return
            threshold = now.plan.population.threshold
            self.result.set_result(found, threshold)
            others = [name for name in now.reviewers if name != who]
            self.result.set_whose(others, hidden=alone is not None)
            last = list(now.answers(who).values())[::-1][:5]
            self.result.set_last([(now.items[a.number], a.verdict) for a in last], threshold)

        self._background.run("result", lambda: summarise(now, alone), there)

    def _activate(self, item: SpotItem) -> None:
        self.annotationActivated.emit(item.episode, item.subtask)

    def _draw_more(self, count: int) -> None:
        check, data = self._check, self._data
        if check is None or data is None:
            return
        try:
            added = check.extend(data.table, data.path, len(check.items) + count, self._who)
        except (DataError, OSError) as error:
            self._fail(error, "no more can be drawn")
            return
        self._say("" if added else "All annotations of the population are in the sample.")
        self._next()
        self._show_result()
        self.review.setFocus()

    def _write_report(self) -> None:
        path = self._ask_file("Write the report", "html", "One page (*.html)")
        if path is not None:
            self.write_report(path)

    def _write_data(self) -> None:
        path = self._ask_file("Write the data", "json", "JSON (*.json)")
        if path is not None:
            self.write_data(path)

    def _ask_file(self, title: str, suffix: str, kind: str) -> Path | None:
        if self._check is None:
            return None
        suggested = str(self._check.path.with_suffix(f".{suffix}"))
        name, _ = QFileDialog.getSaveFileName(self, title, suggested, kind)
        return Path(name) if name else None

    def write_report(self, path: Path) -> None:
        """Write the one-page report, beside the GUI thread."""
        self._write(path, as_page=True)

    def write_data(self, path: Path) -> None:
        """Write the JSON, beside the GUI thread."""
        self._write(path, as_page=False)

    def _write(self, path: Path, *, as_page: bool) -> None:
        if self._check is None:
            return
        check_path, source = self._check.path, self._source

        def work() -> None:
            # lazy: the report and its pictures
            from pipeline.review.spot_json import write_json
            from pipeline.review.spot_report import write_page

            check = SpotCheck(check_path)  # a copy of its own for this thread
            if as_page:
                write_page(check, path, source)
            else:
                write_json(check, path)

        def written(_: None, error: Exception | None) -> None:
            if error is not None:
                self._fail(error, f"{path.name} is not written")
            else:
                self._say(f"Written: {path}", Status.OK)

        self._background.run("report", work, written)

    # -- telling -----------------------------------------------------------------------------

    def _say(self, text: str, status: Status = Status.WARNING) -> None:
        self.told.setText(text)
        self.told.setVisible(bool(text))
        palette = self.told.palette()
        palette.setColor(self.told.foregroundRole(), colors(self.palette()).status(status))
        self.told.setPalette(palette)

    def _fail(self, error: Exception, what: str) -> None:
        if not isinstance(error, DataError | OSError):
            log.error(what, exc_info=error)
        self._say(f"{what[0].upper()}{what[1:]}: {error}", Status.ERROR)
        self.setup.begin.setEnabled(self._data is not None)


def _session_lines(folder: Path) -> tuple[SessionLine, ...]:
    lines = []
    for path in spot_checks(folder)[:_SESSIONS]:
        try:
            check = SpotCheck(path)
        except (DataError, OSError) as error:
            log.info("a spot check is not offered: %s", error)
            continue
        done = sum(check.verdict(i.number) is not None for i in check.items)
        names = ", ".join(check.reviewers) or check.header.who
        at = check.header.at[:16].replace("T", " ")
        lines.append(
            SessionLine(
                path,
                f"{at} UTC · {done} of {len(check.items)} answered · {names} · "
                f"{check.plan.population.text()}",
            )
        )
    return tuple(lines)


def _sentence(error: DataError) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."
