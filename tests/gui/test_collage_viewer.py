"""What the model saw: parts in order, cells that seek, bytes as sent, hostile data."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QProgressBar,
    QPushButton,
    QToolButton,
)
from pytestqt.qtbot import QtBot

from pipeline.model.drafting import PartKind, SentPart, SentRequest
from tests.gui import caption_examples as examples
from tests.gui.collage_hands import color_at, middle, near, shown, texts_of, view_of
from viewers.collage_viewer import CollageViewer
from viewers.exchange_facts import cost_text, part_title
from viewers.exchange_header import EMPTY, EMPTY_REQUEST, NOTHING_SENT, PREVIEW
from viewers.sent_pictures import decode_part
from widgets.theme import apply_theme

PRESENT = 3
"""Index of the grid of the present in the example."""


# What is shown.


def test_all_parts_are_shown_in_order(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    assert [v.part.role for v in viewer.views] == ["past", "present", "close-ups", "future"]
    words = [t.words for t in viewer.texts]
    assert words == [
        examples.SYSTEM,
        "PAST, already finished:",
        "PRESENT:",
        examples.QUESTION,
        examples.ANSWER,
    ]
    order = [
        w.mapTo(viewer, QPoint()).y()
        for w in (viewer.texts[1], viewer.views[0], viewer.texts[2], viewer.views[1])
    ]
    assert order == sorted(order)


def test_the_header_says_what_is_known(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    viewer.set_recipe_titles({"hand-collage-1-3f9a12cd": "Hand-crop collage"})
    said = texts_of(viewer)
    for fact in (
        "Hand-crop collage (hand-collage-1-3f9a12cd)",
        "gemini",
        "gemini-2.5-flash",
        "request req-1234",
        "3,456 tokens in, 78 out",
        "$0.00123",
        "2.5 s",
        "not taken: reasoning",
        "the box of the mask was cropped",
    ):
        assert fact in said


def test_the_name_of_the_version_has_the_room_that_is_there(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version(), examples.version(), width=480)
    (choice,) = viewer.findChildren(QComboBox)
    wanted = choice.fontMetrics().horizontalAdvance(choice.currentText())
    assert choice.width() > wanted + 40  # with arrow and margins
    viewer.resize(1600, 720)
    assert choice.width() < 600


def test_a_kept_answer_without_a_price_says_so(qtbot: QtBot) -> None:
    version = examples.version()
    assert version.exchange is not None
    reply = replace(version.exchange.reply, cached=True, requests=0, cost=None)
    viewer = shown(qtbot, replace(version, exchange=replace(version.exchange, reply=reply)))
    assert "kept answer" in texts_of(viewer)
    assert "no price known" in texts_of(viewer)


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, "no price known"),
        (0.00123, "$0.00123"),
        (0.054815, "$0.0548"),
        (0.000097, "$0.0000970"),
        (0.5, "$0.500"),
        (2.5, "$2.50"),
        (0.0, "$0.00"),
    ],
)
def test_costs_keep_the_places_that_count(cost: float | None, text: str) -> None:
    assert cost_text(cost) == text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_cells_have_the_colours_that_were_sent(qtbot: QtBot, theme: str) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    apply_theme(app, theme)
    viewer = shown(qtbot, examples.version())
    for role in ("past", "present", "close-ups"):
        view = view_of(viewer, role)
        for index, tint in enumerate(examples.TINTS):
            assert near(color_at(view, middle(view, index)), tint), (role, index)


def test_long_texts_are_folded_and_can_be_read_in_full(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    system = viewer.texts[0]
    assert system.is_folded
    before = system.height()
    button = next(
        b for b in viewer.findChildren(QToolButton) if b.accessibleName() == "Show all of system"
    )
    button.click()
    assert not system.is_folded
    assert system.height() > before
    assert system.height() >= 13 * system.fontMetrics().lineSpacing()


def test_texts_can_be_copied_as_they_were_sent(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    copies = [b for b in viewer.findChildren(QToolButton) if b.text() == "Copy the text"]
    with qtbot.waitSignal(viewer.said):
        copies[3].click()
    assert QGuiApplication.clipboard().text() == examples.QUESTION


def test_bytes_are_handed_out_as_they_were_sent(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    saves = [b for b in viewer.findChildren(QToolButton) if b.text() == "Save these bytes…"]
    with qtbot.waitSignal(viewer.saveAsked) as asked:
        saves[1].click()
    part, name = asked.args
    assert part is examples_part(viewer, "present")
    assert name == "part-4-present.jpg"


def examples_part(viewer: CollageViewer, role: str) -> SentPart:
    request = viewer.request
    assert request is not None
    return next(p for p in request.parts if p.role == role and p.kind is PartKind.IMAGE)


# Choosing.


def test_clicking_a_cell_goes_to_its_frame(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    view = view_of(viewer, "present")
    for index in range(6):
        with qtbot.waitSignal(viewer.frameChosen) as chosen:
            qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=middle(view, index))
        assert chosen.args == [100 + 10 * index]


def test_a_narrow_panel_scales_pictures_and_still_hits_the_cells(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version(), width=220)
    view = view_of(viewer, "present")
    assert view.cell_rect(2).right() <= view.width()
    with qtbot.waitSignal(viewer.frameChosen) as chosen:
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=middle(view, 5))
    assert chosen.args == [150]


def test_arrow_keys_go_through_cells_and_pictures(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    viewer.setFocus()
    frames: list[int] = []
    viewer.frameChosen.connect(frames.append)
    keys = Qt.Key
    for key in (*[keys.Key_Right] * 3, keys.Key_Down, keys.Key_Up, keys.Key_Left):
        qtbot.keyClick(viewer, key)
    assert frames == [0, 10, 20, 50, 20, 10]
    frames.clear()
    for _ in range(5):
        qtbot.keyClick(viewer, keys.Key_Right)
    assert frames == [20, 30, 40, 50, 100]


def test_enter_shows_the_picture_alone_and_the_list_again(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    viewer.setFocus()
    qtbot.keyClick(viewer, Qt.Key.Key_PageDown)
    qtbot.keyClick(viewer, Qt.Key.Key_PageDown)
    qtbot.keyClick(viewer, Qt.Key.Key_Return)
    assert viewer.zoomed
    zoom = viewer.zoom
    for index, tint in enumerate(examples.TINTS):
        assert near(color_at(zoom, zoom.cell_rect(index).center().toPoint()), tint)
    with qtbot.waitSignal(viewer.frameChosen) as chosen:
        qtbot.mouseClick(zoom, Qt.MouseButton.LeftButton, pos=zoom.cell_rect(4).center().toPoint())
    assert chosen.args == [140]
    qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    assert not viewer.zoomed


def test_the_wheel_leaves_a_whole_picture_and_zooms_out_of_a_part(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    view_of(viewer, "past").zoomAsked.emit()
    assert viewer.zoomed
    place = viewer.zoom.cell_rect(0).center()

    def turn(units: int) -> None:
        QApplication.sendEvent(
            viewer.zoom,
            QWheelEvent(
                place,
                QPointF(viewer.zoom.mapToGlobal(place.toPoint())),
                QPoint(),
                QPoint(0, units),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            ),
        )

    turn(120)
    assert viewer.zoomed
    turn(-120)
    assert viewer.zoomed
    turn(-120)
    assert not viewer.zoomed


def test_the_frame_at_the_cursor_is_marked_below_the_picture(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.version())
    view = view_of(viewer, "present")
    before = view.grab().toImage()
    viewer.set_frame(120)
    after = view.grab().toImage()
    picture = round(view.cell_rect(5).bottom())
    differs = [
        (x, y)
        for y in range(after.height())
        for x in range(0, after.width(), 2)
        if before.pixel(x, y) != after.pixel(x, y)
    ]
    assert differs
    assert all(y >= picture for _, y in differs)
    column = view.cell_rect(2)
    assert all(column.left() <= x <= column.right() for x, _ in differs)


# Versions and previews.


def test_every_version_can_be_looked_at(qtbot: QtBot) -> None:
    revision = replace(examples.version(), text="Stack the green cube.", critique="c1")
    viewer = shown(qtbot, examples.offline_version(), revision)
    assert viewer.version is revision
    choice = viewer.findChild(QComboBox)
    assert [choice.itemText(k) for k in range(2)] == [
        "draft (offline)",
        "revision 1 (gemini-2.5-flash)",
    ]
    choice.setCurrentIndex(0)
    choice.activated.emit(0)
    assert viewer.request is None
    assert NOTHING_SENT in texts_of(viewer)


def test_offline_offers_what_would_be_sent(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.offline_version())
    ask = next(b for b in viewer.findChildren(QPushButton) if b.text().startswith("Show what"))
    assert ask.isVisible()
    assert ask.isEnabled()
    with qtbot.waitSignal(viewer.previewAsked):
        ask.click()
    viewer.set_progress(0.5, "frame 12")
    assert viewer.findChild(QProgressBar).isVisible()
    viewer.set_preview(examples.request())
    qtbot.waitUntil(lambda: viewer.is_ready, timeout=60_000)
    assert PREVIEW in texts_of(viewer)
    assert len(viewer.views) == 4
    assert "request req-" not in texts_of(viewer)
    assert not viewer.findChild(QProgressBar).isVisible()
    back = next(b for b in viewer.findChildren(QPushButton) if b.text() == "Back")
    back.click()
    assert viewer.preview is None
    assert viewer.views == ()


def test_a_failed_preview_says_why(qtbot: QtBot) -> None:
    viewer = shown(qtbot, examples.offline_version())
    viewer.set_failure("Run the stages before the captions first.")
    assert "Run the stages before the captions first." in texts_of(viewer)


def test_pictures_of_one_frame_stand_side_by_side(qtbot: QtBot) -> None:
    version = examples.version()
    assert version.exchange is not None
    crops = tuple(examples.close_up(frame) for frame in (100, 110, 120, 130))
    sent = SentRequest("", (examples.grid("present", 100), *crops))
    viewer = shown(qtbot, replace(version, exchange=replace(version.exchange, request=sent)))

    def tops() -> list[int]:
        return [v.mapTo(viewer, QPoint()).y() for v in viewer.views]

    qtbot.waitUntil(lambda: len(set(tops()[1:])) == 1)
    assert tops()[0] < tops()[1]
    assert texts_of(viewer).count("the box of the mask was cropped") == 1
    for view, frame in zip(viewer.views[1:], (100, 110, 120, 130), strict=True):
        with qtbot.waitSignal(viewer.frameChosen) as chosen:
            qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=middle(view, 0))
        assert chosen.args == [frame]
    saves = [b for b in viewer.findChildren(QToolButton) if b.text() == "Save…"]
    with qtbot.waitSignal(viewer.saveAsked) as asked:
        saves[2].click()
    assert asked.args[0] is crops[2]
    viewer.resize(200, 720)
    qtbot.waitUntil(lambda: tops()[1] < tops()[2] < tops()[3] < tops()[4])


def test_without_a_caption_it_says_what_to_do(qtbot: QtBot) -> None:
    viewer = shown(qtbot)
    assert EMPTY in texts_of(viewer)


def test_nothing_is_built_while_nobody_sees_it(qtbot: QtBot) -> None:
    viewer = CollageViewer()
    qtbot.addWidget(viewer)
    viewer.set_versions((examples.version(),))
    assert viewer.views == ()
    viewer.show()
    qtbot.waitUntil(lambda: viewer.is_ready, timeout=60_000)
    assert len(viewer.views) == 4


# Hostile data.


def huge() -> bytes:
    """A JPEG whose header claims 65500 x 65500 pixels."""
    data = bytearray(examples.grid("present", 0).data.tobytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (65500).to_bytes(2, "big") * 2
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no bytes are kept"),
        (b"\xff\xd8 this is no picture", "no PNG or JPEG"),
        (b"\x00" * 4096, "no PNG or JPEG"),
        (huge(), "65500 x 65500 pixels, more than can be shown"),
    ],
)
def test_broken_pictures_give_one_sentence(qtbot: QtBot, data: bytes, sentence: str) -> None:
    part = examples.broken(examples.grid("present", 100), np.frombuffer(data, np.uint8))
    version = examples.version()
    assert version.exchange is not None
    sent = SentRequest("", (part, examples.grid("future", 200)))
    viewer = shown(qtbot, replace(version, exchange=replace(version.exchange, request=sent)))
    found = viewer.views[0].found
    assert found is not None
    assert found.rgb is None
    assert sentence in found.problem
    assert "\n" not in found.problem
    viewer.grab()
    second = viewer.views[1].found
    assert second is not None
    assert second.rgb is not None
    viewer.setFocus()
    viewer.views[0].zoomAsked.emit()
    assert not viewer.zoomed


def test_a_request_without_parts_says_so(qtbot: QtBot) -> None:
    version = examples.version()
    assert version.exchange is not None
    empty = replace(version.exchange, request=SentRequest("", ()))
    viewer = shown(qtbot, replace(version, exchange=empty))
    assert EMPTY_REQUEST in texts_of(viewer)
    viewer.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_PageDown, Qt.Key.Key_Return):
        qtbot.keyClick(viewer, key)
    assert not viewer.zoomed


def clip(frames: int = 6) -> SentPart:
    """A video of grey frames, each lighter than the one before."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(frames):
            picture = np.full((48, 64, 3), 40 + 30 * n, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    data = np.frombuffer(buffer.getvalue(), np.uint8)
    return SentPart(
        PartKind.VIDEO, "clip", "", data, "video/mp4", 64, 48, tuple(range(10, 10 + frames))
    )


def test_a_video_shows_its_first_frame_and_its_length(qtbot: QtBot) -> None:
    part = clip()
    found = decode_part(part, "video 1")
    assert found.rgb is not None
    assert abs(int(found.rgb.mean()) - 40) < 8
    assert found.seconds == pytest.approx(1.5, abs=0.3)
    title = part_title(part, 1, found)
    assert "video/mp4 64 x 48" in title
    assert "6 frames" in title
    version = examples.version()
    assert version.exchange is not None
    sent = SentRequest("", (part,))
    viewer = shown(qtbot, replace(version, exchange=replace(version.exchange, request=sent)))
    assert "its first frame is shown" in texts_of(viewer)
    assert viewer.views[0].cells == ()


def test_a_broken_video_gives_one_sentence() -> None:
    part = replace(clip(), data=np.frombuffer(b"#EXTM3U\nfile:///etc/passwd\n", np.uint8))
    found = decode_part(part, "video 1")
    assert found.rgb is None
    assert found.problem.startswith("video 1: ")
    assert "\n" not in found.problem
