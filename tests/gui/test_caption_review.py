"""Captions reviewed by keyboard alone, in the whole window, with the real worker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.window_run import make_window
from pipeline.document import Part
from pipeline.model.caption import Verdict
from pipeline.model.edits import CritiqueCaption, JudgeCaption
from pipeline.review.caption_story import CaptionStory, stories
from pipeline.review.store import ReviewStore
from tests.datasets import write_v2

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", "raise")
KEY, MODIFIER = Qt.Key, Qt.KeyboardModifier
LONG = 60_000


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results, kept for the tests of this file."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(cache))


@pytest.fixture
def windows(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[[], MainWindow]]:
    """Makes windows of one user, one after the other: each closes the one before."""
    made: list[MainWindow] = []

    def make() -> MainWindow:
        for window in made:
            window.close()
        window = make_window("dark", settings_file=tmp_path / "settings.ini")
        window.resize(1280, 800)
        window.arrange()
        qtbot.addWidget(window)
        window.show()
        made.append(window)
        return window

    yield make
    for window in made:
        window.close()


def digest(root: Path) -> str:
    """Of all files and names of a folder."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        found.update(str(path.relative_to(root)).encode())
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()


class Hands:
    """A person with a keyboard: keys go where the focus is, as they do on a desk."""

    def __init__(self, qtbot: QtBot, window: MainWindow) -> None:
        self.qtbot = qtbot
        self.window = window

    def open(self, root: Path, episode: int | None = None) -> None:
        with self.qtbot.waitSignal(self.window.control.jobEnded, timeout=LONG) as blocker:
            self.window.control.open_dataset(str(root), episode)
        assert blocker.args == ["done"], self.window.panels.banner.text
        self.window.panels.frame.viewer.setFocus()

    def focus(self) -> QWidget:
        focused = QApplication.focusWidget()
        return focused if isinstance(focused, QWidget) else self.window

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = MODIFIER.NoModifier) -> None:
        self.qtbot.keyClick(self.focus(), key, modifier)

    def type(self, text: str) -> None:
        self.qtbot.keyClicks(self.focus(), text)

    @property
    def episode(self) -> int:
        demonstration = self.window.control.document.session.demonstration
        assert demonstration is not None
        return demonstration.ref.episode

    @property
    def place(self) -> tuple[int, int]:
        return self.episode, self.window.control.document.session.subtask

    @property
    def text(self) -> str:
        caption = self.window.panels.caption.caption
        return caption.text if caption is not None else ""

    def wait_caption(self, episode: int | None = None) -> None:
        """Until the caption of an episode is there and nothing runs."""
        self.qtbot.waitUntil(
            lambda: (
                (episode is None or self.episode == episode)
                and self.window.panels.caption.caption is not None
                and not self.window.control.jobs.busy
                and not self.window.control.document.session.running
                and self.window.control.document.is_fresh("captions")
            ),
            timeout=LONG,
        )


def opened(
    qtbot: QtBot, windows: Callable[[], MainWindow], folder: Path, episodes: int, grasps: int = 1
) -> tuple[Hands, Path]:
    """Hands in a window on a fresh dataset with so many episodes, and where that is."""
    root = write_v2(folder / "v2", (12 if grasps == 1 else 24 * grasps,) * episodes, grasps=grasps)
    hands = Hands(qtbot, windows())
    hands.open(root)
    return hands, root


def told(root: Path) -> dict[int, CaptionStory]:
    """What the store says about each episode's only caption."""
    store = ReviewStore.open(root)
    try:
        return {s.episode: s for s in stories(store.events())}
    finally:
        store.close()


def test_twenty_captions_by_keyboard_alone(
    qtbot: QtBot, windows: Callable[[], MainWindow], tmp_path: Path
) -> None:
    root = write_v2(tmp_path / "v2", (12,) * 20)
    before = digest(root)
    hands = Hands(qtbot, windows())
    hands.open(root)
    draft = hands.text
    assert draft
    for episode in range(10):
        hands.wait_caption(episode)
        review_one(hands, episode)
    hands.wait_caption(10)
    # A restart in the middle: N goes on where it was left.
    hands = Hands(qtbot, windows())
    hands.open(root)
    assert hands.episode == 0
    assert hands.window.panels.caption.caption.verdict is Verdict.ACCEPTED
    hands.press(KEY.Key_N)
    for episode in range(10, 20):
        hands.wait_caption(episode)
        review_one(hands, episode)
    editor = hands.window.panels.caption
    qtbot.waitUntil(lambda: editor.message == "Every caption is reviewed.", timeout=LONG)
    hands.wait_caption(19)
    hands.window.close()
    assert digest(root) == before
    check(told(root), draft)


def review_one(hands: Hands, episode: int) -> None:
    """One of the five ways of a person, by the episode's number."""
    way = episode % 5
    if way == 0:
        hands.press(KEY.Key_Return)
    elif way == 1:
        hands.press(KEY.Key_E)
        hands.type("lift")
        hands.press(KEY.Key_Tab)
        hands.type("blue block")
        hands.press(KEY.Key_Return)
    elif way == 2:
        hands.press(KEY.Key_X)
    else:
        criticise(hands)
        if way == 4:
            refine(hands)
        hands.press(KEY.Key_Return)


def criticise(hands: Hands) -> None:
    """C, the object is wrong, what is right, Ctrl+Enter; then the revision comes."""
    hands.press(KEY.Key_C)
    hands.press(KEY.Key_O)
    hands.type("green cube")
    hands.press(KEY.Key_Return, MODIFIER.ControlModifier)
    hands.wait_caption()
    assert "green cube" in hands.text
    shown = hands.window.panels.caption.text.sentence
    assert "red" in shown.before
    assert "removed red" in shown.accessibleDescription()


def refine(hands: Hands) -> None:
    """C again: the critique is there, another value takes its place."""
    hands.press(KEY.Key_C)
    editor = hands.window.panels.caption
    assert [f.value for f in editor.critique.toggles.fields()] == ["object_name"]
    hands.press(KEY.Key_Tab)
    hands.type("yellow cube")
    hands.press(KEY.Key_Return, MODIFIER.ControlModifier)
    hands.wait_caption()
    assert "yellow cube" in hands.text
    assert "green" not in hands.text


def check(found: dict[int, CaptionStory], draft: str) -> None:
    assert sorted(found) == list(range(20))
    for episode, story in found.items():
        way, verdict = episode % 5, story.verdict
        assert verdict is not None
        assert len(story.judgements) == 1
        assert story.versions[0].text == draft
        assert story.versions[0].critique == ""
        if way == 0:
            assert (verdict.edit.verdict, story.final) == (Verdict.ACCEPTED, draft)
        elif way == 1:
            assert (verdict.edit.verdict, story.final) == (
                Verdict.CORRECTED,
                "Lift the blue block.",
            )
        elif way == 2:
            assert verdict.edit.verdict is Verdict.REJECTED
        elif way == 3:
            assert [c.edit.about for c in story.critiques] == [draft]
            assert story.final == story.versions[-1].text
            assert "green cube" in story.final
        else:
            first, second = (c.edit for c in story.critiques)
            assert second.refines == first.uid
            assert second.about == draft
            assert "yellow cube" in story.final
            assert len(story.versions) == 3


def test_undo_leads_back_and_survives_a_restart(
    qtbot: QtBot, windows: Callable[[], MainWindow], tmp_path: Path
) -> None:
    hands, root = opened(qtbot, windows, tmp_path, 3)
    hands.press(KEY.Key_Return)
    hands.wait_caption(1)
    hands.press(KEY.Key_X)
    hands.wait_caption(2)
    for episode in (1, 0):
        hands.press(KEY.Key_Z, MODIFIER.ControlModifier)
        hands.wait_caption(episode)
        assert hands.window.panels.caption.caption.verdict is None
    hands.press(KEY.Key_Y, MODIFIER.ControlModifier)
    hands.wait_caption(0)
    assert hands.window.panels.caption.caption.verdict is Verdict.ACCEPTED
    hands = Hands(qtbot, windows())
    hands.open(root)
    assert hands.window.panels.caption.caption.verdict is Verdict.ACCEPTED
    hands.press(KEY.Key_Z, MODIFIER.ControlModifier)
    hands.wait_caption(0)
    assert hands.window.panels.caption.caption.verdict is None


def test_the_next_caption_of_an_episode_is_painted_before_anything_else_changes(
    qtbot: QtBot, windows: Callable[[], MainWindow], tmp_path: Path
) -> None:
    hands, root = opened(qtbot, windows, tmp_path, 2, grasps=2)
    control, seen = hands.window.control, []
    assert control.document.session.subtask_count == 2
    hands.wait_caption(0)
    assert hands.window.panels.caption.caption is control.document.session.result("captions")

    def note(what: str) -> None:
        store = control.commands.store
        saved = len(store.edits(0)) if store is not None else -1
        seen.append((what, hands.place, saved))

    preview = hands.window.review.panel.preview
    hands.window.review.panel.preview = lambda *a: (preview(*a), note("painted"))  # type: ignore[method-assign,assignment,func-returns-value]
    control.bridge.changed.connect(
        lambda changes: note("edits") if changes.parts & Part.EDITS else None
    )
    hands.press(KEY.Key_X)
    # On the disk, then painted, then everything else in one change.
    assert seen == [("painted", (0, 0), 1), ("edits", (0, 1), 1)]
    assert hands.window.panels.caption.caption is control.document.session.result("captions")
    hands.wait_caption(0)
    hands.press(KEY.Key_Return)
    hands.wait_caption(1)
    assert hands.place == (1, 0)
    store = ReviewStore.open(root)
    found = [e for e in store.edits(0) if isinstance(e, JudgeCaption)]
    store.close()
    assert [(e.subtask, e.verdict) for e in found] == [(0, "rejected"), (1, "accepted")]
    # Undo leads back through both.
    hands.press(KEY.Key_Z, MODIFIER.ControlModifier)
    qtbot.waitUntil(lambda: hands.place == (0, 1), timeout=LONG)
    hands.press(KEY.Key_Z, MODIFIER.ControlModifier)
    qtbot.waitUntil(lambda: hands.place == (0, 0), timeout=LONG)


def test_skipped_captions_come_back_at_the_end(
    qtbot: QtBot, windows: Callable[[], MainWindow], tmp_path: Path
) -> None:
    hands, root = opened(qtbot, windows, tmp_path, 3)
    hands.press(KEY.Key_S)
    hands.wait_caption(1)
    hands.press(KEY.Key_Return)
    hands.wait_caption(2)
    hands.press(KEY.Key_Return)
    hands.wait_caption(0)
    assert sorted(told(root)) == [1, 2]


def test_esc_keeps_what_was_typed(
    qtbot: QtBot, windows: Callable[[], MainWindow], tmp_path: Path
) -> None:
    hands, _ = opened(qtbot, windows, tmp_path, 2)
    hands.press(KEY.Key_C)
    hands.press(KEY.Key_1)
    hands.type("lift")
    editor = hands.window.panels.caption
    hands.press(KEY.Key_Escape)  # The proposals, then the form.
    if editor.editing:
        hands.press(KEY.Key_Escape)
    assert not editor.editing
    hands.press(KEY.Key_Right)  # Keys are the window's again.
    assert hands.window.control.document.session.frame == 1
    hands.press(KEY.Key_C)
    assert editor.critique.state().corrections == ((editor.critique.toggles.fields()[0], "lift"),)
    assert not hands.window.control.document.session.edits


def test_a_reviewer_sees_the_work_of_another_person(
    qtbot: QtBot, windows: Callable[[], MainWindow], tmp_path: Path
) -> None:
    root = write_v2(tmp_path / "v2", (12,) * 4)
    hands = Hands(qtbot, windows())
    hands.window.review.set_name("anna")
    hands.open(root)
    criticise(hands)
    hands.press(KEY.Key_Return)
    hands.wait_caption(1)
    hands.press(KEY.Key_Return)
    hands.wait_caption(2)
    hands.window.review.set_name("bert")
    hands.open(root, 2)
    hands.window.table.actions["reviewer_role"].trigger()
    hands.press(KEY.Key_Return)  # Nobody judged this one.
    assert "judged" in hands.window.statusBar().currentMessage()
    hands.press(KEY.Key_N)
    hands.wait_caption(0)
    editor = hands.window.panels.caption
    card = hands.window.review.panel.card
    assert (card.annotator, card.critic) == ("anna", "anna")
    assert "green cube" in card.critique
    assert "red" in editor.text.sentence.before
    hands.press(KEY.Key_Space, MODIFIER.ShiftModifier)
    assert hands.window.control.player.playing
    hands.press(KEY.Key_Space, MODIFIER.ShiftModifier)
    assert not hands.window.control.player.playing
    hands.press(KEY.Key_X)
    hands.press(KEY.Key_V)
    hands.press(KEY.Key_Tab)
    hands.press(KEY.Key_2)
    hands.press(KEY.Key_Return)
    hands.wait_caption(1)
    hands.press(KEY.Key_Return)
    qtbot.waitUntil(lambda: editor.message == "No caption waits for your review.", timeout=LONG)
    hands.window.close()
    found = told(root)
    first, second = found[0].reviews[0], found[1].reviews[0]
    assert (first.who, first.edit.of, first.edit.agrees) == ("bert", "anna", False)
    assert [f.value for f in first.edit.errors] == ["verb"]
    assert [f.value for f in first.edit.false_alarms] == ["object_name"]
    assert first.edit.critique == found[0].critiques[0].edit.uid
    assert second.edit.agrees


def test_history_and_primitives_are_a_key_away(
    qtbot: QtBot, windows: Callable[[], MainWindow], tmp_path: Path
) -> None:
    hands, _ = opened(qtbot, windows, tmp_path, 2)
    panels = hands.window.panels
    hands.press(KEY.Key_F2)
    assert panels.captions.shown == "tags"
    assert "<b>pick up</b>" in panels.primitives.definition
    hands.press(KEY.Key_Return)
    hands.wait_caption()
    edits = hands.window.control.document.session.edits
    assert [e.tags for e in edits] == [(("verb", "pick up"),)]
    hands.press(KEY.Key_Escape)
    assert panels.captions.shown == "caption"
    criticise(hands)
    hands.press(KEY.Key_F3)
    assert panels.captions.shown == "history"
    whats = [e.what for e in panels.history.entries]
    assert whats[0] == "revision 1"
    assert {"draft", "tag primitives", "critique: object"} <= set(whats)
    panels.history.choose(0)
    assert "added green" in panels.history.shown.accessibleDescription()
    hands.press(KEY.Key_Escape)
    hands.press(KEY.Key_Z, MODIFIER.ControlModifier)
    hands.wait_caption()
    undone = [e for e in panels.history.entries if not e.in_force]
    assert [e.what for e in undone] == ["critique: object"]


def test_a_revision_that_is_on_its_way_is_not_judged(
    qtbot: QtBot, windows: Callable[[], MainWindow], tmp_path: Path
) -> None:
    hands, _ = opened(qtbot, windows, tmp_path, 2)
    hands.press(KEY.Key_C)
    hands.press(KEY.Key_2)
    hands.type("green cube")
    hands.press(KEY.Key_Return, MODIFIER.ControlModifier)
    hands.window.control.run()
    assert hands.window.review.panel.card.pending
    hands.press(KEY.Key_Return)
    assert "on its way" in hands.window.statusBar().currentMessage()
    hands.wait_caption(0)
    edits = hands.window.control.document.session.edits
    assert any(isinstance(e, CritiqueCaption) for e in edits)
    assert not any(isinstance(e, JudgeCaption) for e in edits)


def test_no_key_of_the_table_is_taken_twice(windows: Callable[[], MainWindow]) -> None:
    window = windows()
    keys = [k.toString() for a in window.table.actions.values() for k in a.shortcuts()]
    assert len(keys) == len(set(keys))
