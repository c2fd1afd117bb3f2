"""The views of a caption in the whole window: a real worker, a server that speaks Gemini."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.caption_views import CaptionViews
from app.main_window import MainWindow
from app.window_run import make_window
from pipeline.document import StageFailure
from pipeline.model.checks import ChecksResult
from pipeline.model.drafting import SentPart
from tests.datasets import write_v2
from tests.gui import caption_examples as examples
from tests.language_server import LanguageServer, Say, language_server
from viewers.sent_picture import SentPictureView
from widgets.fields import EmptyHint
from widgets.recipe_choice import DraftChoice

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", "propagateSizeHints")
KEY = "sk-geheim-0123456789abcdef"
LONG = 60_000
SAID = {
    "verb": "stack", "object": "green lemon", "relation": "on top of", "destination": "white box",
    "source": "", "arm": "", "caption": "Stack the green lemon on top of the white box.",
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("views") / "v2", (60,))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results, kept for the tests of this file."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageServer]:
    """A server that the SDK's own variable leads to."""
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(cache))
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    for name in ("DEMOSCOPE_GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with language_server(KEY) as found:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", found.url)
        found.answer = lambda _: json.dumps(SAID)
        yield found


@pytest.fixture
def window(
    qtbot: QtBot, tmp_path: Path, server: LanguageServer, dataset: Path
) -> Iterator[MainWindow]:
    """The window with an episode whose caption was drafted offline."""
    made = make_window("dark", settings_file=tmp_path / "settings.ini")
    made.resize(1280, 800)
    made.arrange()
    qtbot.addWidget(made)
    made.show()
    run(qtbot, made, lambda: made.control.open_dataset(str(dataset), 0))
    yield made
    made.close()


def run(qtbot: QtBot, window: MainWindow, act) -> None:
    with qtbot.waitSignal(window.control.jobEnded, timeout=LONG) as blocker:
        act()
    assert blocker.args == ["done"], window.panels.banner.text


def views(window: MainWindow) -> CaptionViews:
    return window.caption_views


def press(window: MainWindow, name: str) -> None:
    window.action(name).trigger()


def preview(qtbot: QtBot, window: MainWindow) -> None:
    views(window).drafting.preview()
    qtbot.waitUntil(lambda: views(window).collage.preview is not None, timeout=LONG)
    qtbot.waitUntil(lambda: views(window).collage.is_ready)


def click(qtbot: QtBot, view: SentPictureView, cell: int) -> None:
    # A list that has just been shown is laid out in a later turn.
    qtbot.waitUntil(lambda: view.cell_rect(cell).width() > 8, timeout=LONG)
    place: QPoint = view.cell_rect(cell).center().toPoint()
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=place)


def test_the_keys_show_the_views(qtbot: QtBot, window: MainWindow) -> None:
    shown = {
        "model_saw": views(window).collage,
        "caption_checks": views(window).checks,
        "caption_words": views(window).words,
        "draft_again": views(window).again,
    }
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    for name, widget in shown.items():
        press(window, name)
        assert widget.isVisible(), name
        focused = QApplication.focusWidget()
        assert focused is not None, name
        assert focused is widget or widget.isAncestorOf(focused), name
    assert next(title for title, _ in views(window).widgets()) == "Model saw"


def test_the_same_key_and_esc_go_back_to_the_caption(qtbot: QtBot, window: MainWindow) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    tabs = window.panels.captions
    for name in ("model_saw", "caption_checks", "caption_words", "draft_again"):
        press(window, name)
        assert tabs.shown != "caption"
        press(window, name)
        assert tabs.shown == "caption", name
        press(window, name)
        focused = QApplication.focusWidget()
        assert focused is not None
        qtbot.keyClick(focused, Qt.Key.Key_Escape)
        assert tabs.shown == "caption", name
        assert QApplication.focusWidget() is window, name
    # Looking something up while a form is open leads back into its line.
    press(window, "critique")
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_O)
    line = QApplication.focusWidget()
    qtbot.keyClicks(line, "red cup")
    press(window, "caption_checks")
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert QApplication.focusWidget() is line
    assert window.panels.caption.editing
    window.panels.caption.leave_edit()


def test_what_would_be_sent_needs_two_keys(qtbot: QtBot, window: MainWindow) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    collage = views(window).collage
    press(window, "model_saw")
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: collage.preview is not None, timeout=LONG)
    press(window, "model_saw_window")
    own = views(window).window
    assert own is not None
    qtbot.waitUntil(own.isActiveWindow)
    qtbot.waitUntil(lambda: own.viewer.preview is not None, timeout=LONG)
    qtbot.keyClick(own.viewer, Qt.Key.Key_F4, Qt.KeyboardModifier.ShiftModifier)
    assert not own.isVisible()


def test_offline_shows_what_would_be_sent_and_sends_nothing(
    qtbot: QtBot, window: MainWindow, server: LanguageServer, tmp_path: Path
) -> None:
    press(window, "model_saw")
    collage = views(window).collage
    assert collage.request is None
    preview(qtbot, window)
    assert collage.request is not None
    assert server.requests == []
    for view in collage.views:
        for cell in view.cells[:2]:
            click(qtbot, view, cell.index)
            assert window.control.document.session.frame == cell.frame
    # Every byte can be had.
    for number, part in enumerate(collage.request.parts):
        path = tmp_path / f"part-{number}"
        views(window).save(part, path)
        assert path.read_bytes() == (part.text.encode() or part.data.tobytes())
    window.control.document.set_frame(collage.views[1].cells[3].frame)
    press(window, "caption_checks")
    assert collage.isHidden() or not collage.isVisible()


def test_the_own_window_shows_the_same(qtbot: QtBot, window: MainWindow) -> None:
    press(window, "model_saw")
    preview(qtbot, window)
    views(window).open_window()
    own = views(window).window
    assert own is not None
    qtbot.waitUntil(lambda: own.viewer.is_ready, timeout=LONG)
    assert own.viewer.request is views(window).collage.request
    click(qtbot, own.viewer.views[1], 4)
    assert window.control.document.session.frame == own.viewer.views[1].cells[4].frame
    own.viewer.setFocus()
    qtbot.keyClick(own.viewer, Qt.Key.Key_Escape)
    assert not own.isVisible()


def test_drafting_again_asks_the_server_and_keeps_the_caption_before(
    qtbot: QtBot, window: MainWindow, server: LanguageServer
) -> None:
    form, before = views(window).again, window.control.document.session.result("captions")
    press(window, "draft_again")
    choice = DraftChoice("gemini", "", "gemini-2.5-flash")
    form.estimateAsked.emit(choice)
    qtbot.waitUntil(lambda: "1 request" in form.estimate, timeout=LONG)
    assert "$" in form.estimate
    assert server.requests == []
    run(qtbot, window, lambda: form.draftAsked.emit(choice))
    (request,) = server.requests
    now = window.control.document.session.result("captions")
    assert now.text == SAID["caption"]
    assert form.choice.backend == "gemini"
    assert (form.difference.before, form.difference.sentence) == (before.text, now.text)
    # What is shown is what came to the server, byte for byte.
    press(window, "model_saw")
    collage = views(window).collage
    qtbot.waitUntil(lambda: collage.is_ready, timeout=LONG)
    seen = [p.data for p in request.parts if p.kind == "image"]
    assert [v.part.data.tobytes() for v in collage.views] == seen
    told = [p.text for p in request.parts if p.kind == "text"]
    shown = [t.words for t in collage.texts]
    assert all(text in shown for text in told)
    # Its words have the probabilities that the server gave.
    press(window, "caption_words")
    flow = views(window).words.flow
    assert " ".join(c.text for c in flow.cells) == SAID["caption"]
    assert all(0 < c.probability <= 1 for c in flow.cells)
    # Asking again costs nothing.
    form.estimateAsked.emit(choice)
    qtbot.waitUntil(lambda: form.estimate.startswith("0 requests"), timeout=LONG)
    assert len(server.requests) == 1


def test_a_server_that_refuses_is_told(
    qtbot: QtBot, window: MainWindow, server: LanguageServer
) -> None:
    server.script.append(Say("this is no JSON"))
    server.script.append(Say("this is no JSON either"))
    server.answer = lambda _: "no JSON"
    with qtbot.waitSignal(window.control.jobEnded, timeout=LONG) as ended:
        views(window).again.draftAsked.emit(DraftChoice("gemini", "frames-only", "gemini-2.0-x"))
    assert ended.args == ["failed"]
    assert KEY not in window.panels.banner.text
    # Where the caption would stand it says so, too.
    hint = window.panels.caption.findChild(EmptyHint)
    failure = window.control.document.session.failures["captions", 0]
    assert hint.text().startswith("No caption: the stage “Captions” failed.")
    assert hint.text().endswith("F8 drafts with another backend.")
    assert failure.message in hint.toolTip()


def test_a_long_failure_fits_where_the_caption_would_stand(window: MainWindow) -> None:
    hint, document = window.panels.caption.findChild(EmptyHint), window.control.document
    why = "The server answered 500: " + "traceback " * 200
    document.put_failure(("tracks", 0), StageFailure("server", why))
    assert hint.toolTip() == why
    hint.setParent(None)
    hint.resize(415, 147)
    assert hint.heightForWidth(415) <= 147
    document.set_running(("tracks", 0))
    assert "failed" not in hint.text()
    hint.deleteLater()


def test_evidence_is_shown_and_taken_back(qtbot: QtBot, window: MainWindow) -> None:
    press(window, "caption_checks")
    checks, viewer = views(window).checks, window.panels.frame.viewer
    assert isinstance(window.control.document.session.result("checks"), ChecksResult)
    checks.set_checks(examples.checks(), examples.CAPTION)
    window.control.seek(5)
    qtbot.waitUntil(lambda: viewer.image_frame == 5, timeout=LONG)
    plain = viewer.grab().toImage()
    line = window.panels.timeline.grab().toImage()
    checks.choose(0)
    assert window.control.document.session.frame == 30
    qtbot.waitUntil(lambda: viewer.image_frame == 30, timeout=LONG)
    assert "check: the object is green" in viewer.header.hint
    marked = viewer.grab().toImage()
    x0, y0, x1, y1 = viewer.view_transform.box_to_view((5.0, 6.0, 40.0, 40.0))
    assert marked.pixelColor(round(x0), round((y0 + y1) / 2)).name() == "#785ef0"
    assert marked.pixelColor(round((x0 + x1) / 2), round(y1)).name() == "#785ef0"
    assert window.panels.timeline.grab().toImage() != line
    checks.choose(1)
    assert window.control.document.session.frame == 59
    qtbot.keyClick(checks.view, Qt.Key.Key_Escape)
    assert views(window).highlight.evidence is None
    assert window.control.document.session.frame == 5
    qtbot.waitUntil(lambda: viewer.image_frame == 5, timeout=LONG)
    assert viewer.grab().toImage() == plain


def test_another_tab_takes_the_marks_away_but_not_the_cursor(
    qtbot: QtBot, window: MainWindow
) -> None:
    press(window, "caption_checks")
    views(window).checks.set_checks(examples.checks(), examples.CAPTION)
    views(window).checks.choose(0)
    assert views(window).highlight.evidence is not None
    press(window, "model_saw")
    assert views(window).highlight.evidence is None
    assert window.control.document.session.frame == 30


def test_what_cannot_be_saved_is_told(window: MainWindow, tmp_path: Path) -> None:
    part: SentPart = examples.grid("present", 0)
    (tmp_path / "folder").mkdir()
    views(window).save(part, tmp_path / "folder")
    assert str(tmp_path / "folder") in window.panels.banner.text
