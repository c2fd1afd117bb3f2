from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QKeySequence, QShortcut
from PySide6.QtWidgets import QLabel, QLineEdit, QListWidget, QTableWidget, QTabWidget, QWidget
from pytestqt.qtbot import QtBot
from scipy.stats import beta

from app.annotation_pictures import AnnotationPictures, PictureWish, crop_region
from app.spot_check_page import SpotCheckPage
from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.curation.data import CurationData
from pipeline.model.demonstration import DatasetSource
from pipeline.review.spot_check import SpotCheck, spot_check_verdicts
from pipeline.review.spot_plan import Population, SpotPlan
from pipeline.review.spot_records import SpotItem, Verdict
from pipeline.review.spot_result import SpotResult, summarise
from pipeline.scoring.formula import ScoresOptions
from pipeline.sources.detect import open_dataset
from tests.datasets import FRONT, write_v2
from tests.pipeline.spot_tables import annotation

EPISODES, SUBTASKS = 6, 8
BOX = (20.0, 12.0, 44.0, 36.0)
KEYS = {
    Verdict.RIGHT: (Qt.Key.Key_Y, Qt.Key.Key_Return),
    Verdict.WRONG: (Qt.Key.Key_N, Qt.Key.Key_X),
    Verdict.UNSURE: (Qt.Key.Key_U,),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DatasetSource:
    return open_dataset(str(write_v2(tmp_path_factory.mktemp("spot") / "toy", (40,) * EPISODES)))


@pytest.fixture
def data(tmp_path: Path) -> CurationData:
    path = tmp_path / "predictions.jsonl"
    scores = np.random.default_rng(4).normal(1.0, 0.25, EPISODES * SUBTASKS)
    found = [
        annotation(
            i // SUBTASKS,
            float(score),
            subtask_index=i % SUBTASKS,
            keyframe=2 + 4 * (i % SUBTASKS),
            start_box=BOX,
            camera=FRONT,
            warnings=("robot_won",) if i % 3 else ("near_tie", "mask_fallback"),
        )
        for i, score in enumerate(scores)
    ]
    path.write_text("".join(a.model_dump_json() + "\n" for a in found))
    nothing = Judgements.nothing(len(found))
    return CurationData(
        table=AnnotationTable.of(found),
        path=path,
        dataset=None,
        folder=tmp_path / "curation",
        truth=nothing,
        people=nothing,
        options=ScoresOptions(),
    )


@pytest.fixture
def page(qtbot: QtBot, source: DatasetSource, data: CurationData) -> Iterator[SpotCheckPage]:
    yield from made(qtbot, source, data)


def made(qtbot: QtBot, source: DatasetSource, data: CurationData) -> Iterator[SpotCheckPage]:
    page = SpotCheckPage()
    qtbot.addWidget(page)
    page.resize(1280, 720)
    page.set_source(source)
    page.set_data(data)
    page.show()
    qtbot.waitExposed(page)
    yield page
    page.close_page()


def visible_texts(widget: QWidget) -> list[str]:
    """Everything that can be read on a page without a click."""
    found = [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]
    for one in widget.findChildren(QListWidget):
        if one.isVisible():
            found += [one.item(i).text() for i in range(one.count())]
    for table in widget.findChildren(QTableWidget):
        if table.isVisible():
            found += [
                cell.text()
                for row in range(table.rowCount())
                for column in range(table.columnCount())
                if (cell := table.item(row, column)) is not None
            ]
    return found


def reveals(text: str, item: SpotItem) -> bool:
    """Whether a text tells what the machine thinks of this item, not of another."""
    assert item.score is not None
    score = re.search(rf"\bR {item.score:.3f}(?!–)", text)  # a dash follows in names of strata
    return bool(score) or f"rank {item.rank} of" in text or text.startswith(f"{item.number + 1}  ")


def begin(qtbot: QtBot, page: SpotCheckPage, *, size: int, threshold: float | None = None) -> None:
    page.set_threshold(threshold)
    page.setup.items.setValue(size)
    page.setup.bins.setValue(3)
    page.setup.seed.setValue(11)
    qtbot.waitUntil(page.setup.begin.isEnabled)
    page.setup.seed.setFocus()
    qtbot.keyClick(page.setup.seed, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: page.check is not None)
    qtbot.waitUntil(page.review.hasFocus)


def press(qtbot: QtBot, page: SpotCheckPage, key: Qt.Key) -> None:
    focus = page.focusWidget()
    assert focus is not None
    qtbot.keyClick(focus, key)


def test_thirty_samples_by_keyboard_alone(
    qtbot: QtBot, source: DatasetSource, data: CurationData, page: SpotCheckPage
) -> None:
    begin(qtbot, page, size=30, threshold=1.0)
    check = page.check
    assert check is not None
    said: dict[int, Verdict] = {}
    for step in range(30):
        if step == 17:  # killed in the middle: a new page goes on from the journal
            page.close_page()
            page.hide()
            page = next(pages := made(qtbot, source, data))
            qtbot.waitUntil(lambda p=page: p.setup.sessions.count() == 1)
            line = page.setup.sessions.item(0)
            assert "17 of 30 answered" in line.text()
            page.setup.sessions.setFocus()
            qtbot.keyClick(page.setup.sessions, Qt.Key.Key_Down)
            qtbot.keyClick(page.setup.sessions, Qt.Key.Key_Return)
            qtbot.waitUntil(page.review.hasFocus)
        card = page.review.card
        assert card is not None
        assert card.number == step
        item = check.items[step]
        assert not [t for t in visible_texts(page) if reveals(t, item)]
        verdict = list(Verdict)[(step * 7) % 11 % 3]
        said[step] = verdict
        press(qtbot, page, KEYS[verdict][step % len(KEYS[verdict])])
        count = step + 1
        qtbot.waitUntil(
            lambda p=page, n=count: (
                p.result.last.count() > 0 and p.result.last.item(0).text().startswith(f"{n}  ")
            )
        )
        assert reveals(page.result.last.item(0).text(), item)
        assert ("kept" if item.kept(1.0) else "dropped") in page.result.last.item(0).text()
    assert page.review.card is None
    again = SpotCheck(check.path)
    who = again.reviewers[0]
    assert {n: a.verdict for n, a in again.answers(who).items()} == said
    assert all(a.seconds >= 0 for a in again.answers(who).values())
    assert_plain_figures(again, page)
    assert len(spot_check_verdicts(data.folder)) == 30
    pages.close()


def assert_plain_figures(check: SpotCheck, page: SpotCheckPage) -> None:
    """The table shows what SciPy says of the plain counts."""
    for row, stratum in enumerate(check.strata):
        verdicts = [check.verdict(i.number) for i in check.items if i.stratum == row]
        right, wrong = verdicts.count(Verdict.RIGHT), verdicts.count(Verdict.WRONG)
        judged, answered = right + wrong, len(verdicts)
        size = max(round(stratum.population * judged / answered), judged)
        cells = [page.result.table.item(row, c) for c in range(5)]
        assert all(cells)
        texts = [c.text() for c in cells if c is not None]
        assert texts[1] == f"{judged}/{stratum.sampled}"
        assert texts[2] == f"{100 * right / judged:.1f}"
        low, high = (float(v) / 100 for v in texts[4].split("–"))
        if size > judged:
            answers = judged * (size - 1) / (size - judged)
            hits = answers * right / judged
            plain_low = beta.ppf(0.025, hits, answers - hits + 1) if right else 0.0
            plain_high = beta.ppf(0.975, hits + 1, answers - hits) if wrong else 1.0
            plain_low = np.floor(plain_low * size) / size
            plain_high = np.ceil(plain_high * size) / size
            if judged == answered:  # the size is known
                plain_low, plain_high = (
                    max(plain_low, right / size),
                    min(plain_high, 1 - wrong / size),
                )
        else:
            plain_low = plain_high = right / judged
        assert low == pytest.approx(plain_low, abs=6e-4)
        assert high == pytest.approx(plain_high, abs=6e-4)
    overall = summarise(check).overall.precision
    assert page.result.precision.text() == f"{100 * overall:.1f} %"


def test_back_reason_and_own_box(qtbot: QtBot, page: SpotCheckPage) -> None:
    begin(qtbot, page, size=8)
    check = page.check
    assert check is not None
    who = page.setup.who.text()
    press(qtbot, page, Qt.Key.Key_Y)
    press(qtbot, page, Qt.Key.Key_N)
    press(qtbot, page, Qt.Key.Key_Backspace)
    qtbot.keyClick(page.review, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert check.answers(who) == {}
    assert page.review.card is not None
    assert page.review.card.number == 0
    press(qtbot, page, Qt.Key.Key_R)
    assert page.review.reason.hasFocus()
    qtbot.keyClicks(page.review.reason, "yxnu the cup")
    assert check.answers(who) == {}  # keys of the review do not fire in a text field
    press(qtbot, page, Qt.Key.Key_Return)
    assert page.review.hasFocus()
    assert check.answers(who) == {}  # Enter left the field and did nothing else
    qtbot.waitUntil(lambda: page.review.large.image is not None)
    where = page.review.large.picture_rect()
    corners = [
        QPoint(round(where.left() + f * where.width()), round(where.top() + f * where.height()))
        for f in (0.25, 0.5)
    ]
    qtbot.mousePress(page.review.large, Qt.MouseButton.LeftButton, pos=corners[0])
    qtbot.mouseMove(page.review.large, corners[1])
    qtbot.mouseRelease(page.review.large, Qt.MouseButton.LeftButton, pos=corners[1])
    press(qtbot, page, Qt.Key.Key_X)
    answer = check.answers(who)[0]
    assert answer.verdict is Verdict.WRONG
    assert answer.reason == "yxnu the cup"
    assert answer.true_box is not None
    assert answer.true_box == pytest.approx((16.0, 12.0, 32.0, 24.0), abs=1.0)


def test_no_other_shortcut_takes_the_keys_and_space_presses_nothing(
    qtbot: QtBot, page: SpotCheckPage
) -> None:
    begin(qtbot, page, size=8)
    taken: list[str] = []
    for key in ("Y", "Return", "X", "Left", "Backspace", "Esc", "Ctrl+Z", "Space"):
        shortcut = QShortcut(QKeySequence(key), page)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(lambda k=key: taken.append(k))
    check, who = page.check, page.setup.who.text()
    assert check is not None
    press(qtbot, page, Qt.Key.Key_Y)
    press(qtbot, page, Qt.Key.Key_Space)
    assert len(check.answers(who)) == 1
    press(qtbot, page, Qt.Key.Key_X)
    press(qtbot, page, Qt.Key.Key_Left)
    assert page.review.moment == 0
    press(qtbot, page, Qt.Key.Key_Backspace)
    assert len(check.answers(who)) == 1
    press(qtbot, page, Qt.Key.Key_Escape)
    assert page.check is None
    assert page.setup.isVisible()
    assert taken == []


def test_pictures_of_the_next_items_are_ready(qtbot: QtBot, page: SpotCheckPage) -> None:
    begin(qtbot, page, size=12)
    qtbot.waitUntil(lambda: page.review.large.image is not None)
    check = page.check
    assert check is not None
    following = [page._pictures.wishes(i) for i in check.items[1:4]]
    qtbot.waitUntil(
        lambda: all(page._pictures.known(w) is not None for f in following for w in f.values()),
        timeout=20_000,
    )
    press(qtbot, page, Qt.Key.Key_Y)
    # no event loop ran since the key: nothing was waited for
    assert page.review.large.image is not None
    assert page.review.crop.image is not None
    assert all(p.image is not None for p in page.review.strip)


def test_a_stop_is_told_and_disagreements_open(
    qtbot: QtBot, source: DatasetSource, data: CurationData, page: SpotCheckPage
) -> None:
    plan = SpotPlan(half_width=0.2, size=40, bins=2, seed=2, population=Population(threshold=1.0))
    check = SpotCheck.begin(data.folder, data.table, data.path, plan, "ann")
    for item in check.items[:29]:
        check.answer(item.number, list(Verdict)[item.number % 5 == 3], "ann")
    page.open_check(check.path, "ann")
    qtbot.waitUntil(lambda: "more answer" in page.result.banner.text())
    press(qtbot, page, Qt.Key.Key_Y)
    qtbot.waitUntil(lambda: "you can stop" in page.result.banner.text())
    first = page.result.differing.item(0)
    assert "kept but wrong" in first.text()
    with qtbot.waitSignal(page.annotationActivated) as opened:
        page.result.differing.itemClicked.emit(first)
    item = summarise(SpotCheck(check.path)).kept_wrong[0]
    assert opened.args == [item.episode, item.subtask]


def test_what_others_answered_stays_hidden_until_the_end(
    qtbot: QtBot, data: CurationData, page: SpotCheckPage
) -> None:
    plan = SpotPlan(size=8, bins=2, population=Population(threshold=1.0))
    check = SpotCheck.begin(data.folder, data.table, data.path, plan, "bob")
    for item in check.items:
        check.answer(item.number, Verdict.WRONG, "bob")
    page.open_check(check.path, "ann")
    qtbot.waitUntil(lambda: page.result.differing.count() == 1)
    for item in check.items:
        assert not [t for t in visible_texts(page) if reveals(t, item)]
        assert page.result.differing.item(0).text() == "none up to now" or item.number
        press(qtbot, page, Qt.Key.Key_Y)
        qtbot.waitUntil(lambda n=item.number: page.result.last.count() == min(n + 1, 5))
    # now both count: every item is undecided
    qtbot.waitUntil(lambda: "8 could not be told" in page.result.unsure.text())
    assert "with those of bob" in page.result._whose.text()


def test_the_next_picture_does_not_wait_for_the_result(
    qtbot: QtBot, data: CurationData, page: SpotCheckPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(qtbot, page, size=8)
    qtbot.waitUntil(lambda: page.result.banner.text() == "0 of 8 answered.")
    check, go_on, told = page.check, threading.Event(), []
    assert check is not None
    page.answersChanged.connect(lambda: told.append(check.next_item(page.setup.who.text())))

    def slow(*arguments: object) -> SpotResult:
        assert threading.current_thread() is not threading.main_thread()
        assert go_on.wait(20)
        return summarise(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("app.spot_check_page.summarise", slow)
    for number in range(3):
        assert page.review.card is not None
        assert page.review.card.number == number
        press(qtbot, page, Qt.Key.Key_Y)
    assert told == []
    qtbot.waitUntil(lambda: told == [check.items[3]])  # once for three
    assert page.result.banner.text() == "0 of 8 answered."
    assert page.result.last.count() == 0
    press(qtbot, page, Qt.Key.Key_N)
    go_on.set()
    qtbot.waitUntil(lambda: page.result.banner.text().startswith("4 of 8 answered."))
    assert [page.result.last.item(i).text()[:2] for i in range(4)] == ["4 ", "3 ", "2 ", "1 "]
    assert page.result.differing.count() == 1
    press(qtbot, page, Qt.Key.Key_Backspace)
    press(qtbot, page, Qt.Key.Key_Escape)
    assert told[-1] == check.items[3]  # leaving waits for nothing
    assert len(told) >= 2


def test_report_and_json_from_the_window(qtbot: QtBot, tmp_path: Path, page: SpotCheckPage) -> None:
    begin(qtbot, page, size=8)
    for key in (Qt.Key.Key_Y, Qt.Key.Key_N, Qt.Key.Key_Y):
        press(qtbot, page, key)
    html, data = tmp_path / "r.html", tmp_path / "r.json"
    page.write_report(html)
    qtbot.waitUntil(lambda: "r.html" in page.told.text())
    page.write_data(data)
    qtbot.waitUntil(lambda: "r.json" in page.told.text())
    assert html.read_text(encoding="utf-8").count("data:image/jpeg") == 1
    assert '"wrong": 1' in data.read_text(encoding="utf-8")


def test_impossible_plans_say_why_and_changed_annotations_are_told(
    qtbot: QtBot, data: CurationData, page: SpotCheckPage
) -> None:
    page.setup.least.setText("99")
    qtbot.waitUntil(lambda: "R ≥ 99" in page.setup.summary.text())
    assert not page.setup.begin.isEnabled()
    page.setup.least.clear()
    begin(qtbot, page, size=8)
    check = page.check
    assert check is not None
    boxes = data.table.start_box.copy()
    boxes[:] = 1.0
    page.set_data(replace(data, table=replace(data.table, start_box=boxes)))
    page.open_check(check.path, "ann")
    qtbot.waitUntil(lambda: "changed since the sample was drawn" in page.told.text())


def test_without_data_the_page_says_what_to_do(page: SpotCheckPage) -> None:
    page.set_data(None)
    assert page.empty.isVisible()
    assert "annotated" in page.empty.text()
    assert page.check is None


def test_pictures_show_the_box_and_say_why_there_are_none(
    qtbot: QtBot, source: DatasetSource
) -> None:
    pictures = AnnotationPictures()
    found: dict[PictureWish, object] = {}
    pictures.made.connect(lambda wish, image: found.update({wish: image}))
    whole = PictureWish(1, FRONT, 5, BOX, 640, 480)
    crop = PictureWish(1, FRONT, 5, BOX, 200, 200, crop=True)
    absent = PictureWish(77, FRONT, 5, BOX, 160, 120)
    dropped = PictureWish(2, FRONT, 5, BOX, 160, 120)
    pictures.want(source, [dropped] * 3)
    pictures.want(source, [whole, crop, absent])
    qtbot.waitUntil(lambda: len(found) == 3, timeout=20_000)
    assert dropped not in found
    image = pictures.known(whole)
    assert image is not None
    assert (image.width(), image.height()) == (640, 480)
    edge, middle = QColor(image.pixel(200, 240)), QColor(image.pixel(320, 240))
    assert edge.lightness() > 200
    assert edge.lightness() - middle.lightness() > 60
    small = pictures.known(crop)
    assert small is not None
    assert max(small.width(), small.height()) == 200
    assert pictures.known(absent) is None  # what failed is tried again
    assert (found[absent].width(), found[absent].height()) == (160, 120)  # type: ignore[attr-defined]
    again: list[PictureWish] = []
    pictures.made.connect(lambda wish, _image: again.append(wish))
    pictures.want(source, [crop])
    qtbot.waitUntil(lambda: again == [crop])
    pictures.close()


@pytest.mark.parametrize("box", [(0.0, 0.0, 5.0, 5.0), (600.0, 440.0, 640.0, 480.0), BOX])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.8])
def test_an_enlarged_region_holds_the_box_and_stays_inside(
    box: tuple[float, float, float, float], aspect: float
) -> None:
    x0, y0, x1, y1 = crop_region(box, (640, 480), aspect)
    assert 0 <= x0 <= box[0] <= box[2] <= x1 <= 640
    assert 0 <= y0 <= box[1] <= box[3] <= y1 <= 480
    assert (x1 - x0) / (y1 - y0) == pytest.approx(aspect)


def test_its_keys_work_as_soon_as_the_page_is_shown(
    qtbot: QtBot, source: DatasetSource, data: CurationData
) -> None:
    """As a tab that a shortcut brings to the front: nobody clicked into it."""
    tabs = QTabWidget()
    qtbot.addWidget(tabs)
    page = SpotCheckPage()
    page.set_source(source)
    page.set_data(data)
    other = QLineEdit()
    tabs.addTab(other, "other")
    tabs.addTab(page, "spot check")
    tabs.show()
    qtbot.waitExposed(tabs)
    tabs.tabBar().setFocus()  # where a shortcut of the window leaves it
    tabs.setCurrentIndex(1)
    qtbot.waitUntil(page.setup.begin.isEnabled)
    focused = tabs.focusWidget()
    assert focused is not None
    qtbot.keyClick(focused, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: page.check is not None)
    page.close_page()
