"""Dropping, typing and choosing what to open, in the real window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QInputDialog
from pytestqt.qtbot import QtBot

from app.dataset_dialog import DatasetDialog
from app.main_window import MainWindow
from app.window_run import make_window
from tests import agibot_files, droid_files, hdf5_files, tfrecord_files
from tests.datasets import write_v2, write_v3
from tests.hub_server import serve

TIMEOUT = 20_000


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    made = make_window("dark", settings_file=tmp_path / "settings.ini")
    made.control.auto_run = False
    made.resize(1280, 800)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


def drop(window: MainWindow, *urls: QUrl, text: str = "") -> None:
    data = QMimeData()
    if urls:
        data.setUrls(list(urls))
    if text:
        data.setText(text)
    no_keys, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    window.dropEvent(QDropEvent(QPoint(9, 9), Qt.DropAction.CopyAction, data, left, no_keys))


def opened(qtbot: QtBot, window: MainWindow, act) -> tuple[str, int]:
    """Format and episode that are open after `act`."""
    with qtbot.waitSignal(window.control.episodeOpened, timeout=TIMEOUT):
        act()
    session = window.control.document.session
    assert session.dataset is not None
    assert session.demonstration is not None
    return session.dataset.format, session.demonstration.ref.episode


def test_a_file_deep_inside_opens_its_dataset_and_shows_a_frame(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    root = write_v2(tmp_path / "two", (12, 10))
    video = next(root.rglob("*000001.mp4"))
    assert opened(qtbot, window, lambda: drop(window, QUrl.fromLocalFile(str(video))))[0] == (
        "lerobot"
    )
    viewer = window.panels.frame.viewer
    qtbot.waitUntil(lambda: viewer.image_size == (64, 48), timeout=5000)


@pytest.mark.parametrize("name", ["robomimic", "aloha", "rlds", "droid", "agibot"])
def test_every_format_opens_by_one_drop(
    name: str, qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    place = {
        "robomimic": lambda: hdf5_files.write_robomimic(tmp_path / "can" / "low.hdf5"),
        "aloha": lambda: hdf5_files.write_aloha(tmp_path / "sim_lift") / "episode_1.hdf5",
        "rlds": lambda: tfrecord_files.write_toy(tmp_path / "toy"),
        "droid": lambda: droid_files.write_release(tmp_path / "droid"),
        "agibot": lambda: agibot_files.write_alpha(tmp_path / "agibot"),
    }[name]()
    found, episode = opened(qtbot, window, lambda: drop(window, QUrl.fromLocalFile(str(place))))
    assert found == name
    assert episode == (1 if name == "aloha" else window.panels.episodes.current)
    viewer = window.panels.frame.viewer
    qtbot.waitUntil(lambda: viewer.image_size != (0, 0), timeout=5000)


def test_what_is_no_dataset_gets_one_sentence_and_loses_nothing(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    root = write_v3(tmp_path / "three", (12,))
    opened(qtbot, window, lambda: window.control.open_dataset(str(root)))
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear all")
    with qtbot.waitSignal(window.control.failed, timeout=TIMEOUT):
        drop(window, QUrl.fromLocalFile(str(letter)))
    assert "is no dataset that Demoscope can open" in window.panels.banner.text
    assert window.control.document.session.demonstration is not None
    drop(window, QUrl("https://example.org/robots"))
    assert "Drop a file or folder" in window.panels.banner.text


def test_a_typed_path_with_an_episode(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    root = write_v3(tmp_path / "three", (12, 10, 8))
    window.opening.ask_location()
    dialog = window.findChild(QInputDialog)
    assert dialog is not None
    dialog.setTextValue(f"  {root}#2 ")
    assert opened(qtbot, window, dialog.accept) == ("lerobot", 2)


def test_an_address_of_the_hub_can_be_dropped(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    said: list[str] = []
    window.control.said.connect(said.append)
    with serve({"me/two": write_v2(tmp_path / "two", (12, 10))}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        address = "https://huggingface.co/datasets/me/two"
        assert opened(qtbot, window, lambda: drop(window, QUrl(address))) == ("lerobot", 0)
        assert opened(qtbot, window, lambda: window.control.open_episode(1)) == ("lerobot", 1)
    assert any("MB" in text for text in said)
    assert "me/two" in window.control.document.session.dataset.reason


def test_the_window_says_why_it_took_the_format_and_what_it_does_not_use(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    root = write_v2(tmp_path / "two", (12, 10))
    opened(qtbot, window, lambda: window.control.open_dataset(str(root)))
    window.table.actions["about_dataset"].trigger()
    dialog = window.findChild(DatasetDialog)
    assert dialog is not None
    text = dialog.card.text()
    info = window.control.document.session.dataset
    assert info is not None
    for part in (info.path, info.reason, *info.found, *info.ignored, "2 of 2 on disk"):
        assert part in text
    mimic = hdf5_files.write_robomimic(tmp_path / "low.hdf5")
    opened(qtbot, window, lambda: window.control.open_dataset(str(mimic)))
    assert "robomimic" in dialog.card.text()
    assert str(root) not in dialog.card.text()
