"""Steps of the session with the real viewer: selection, loop and layout, both ways."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest

from pipeline.model.palette import candidate_color
from tests.rerun_scenes import scene
from viewers.rerun_log import recording_bytes
from viewers.rerun_protocol import blueprint_of, blueprint_request, set_blueprint_request

if TYPE_CHECKING:
    from tests.gui.rerun_session import Session

POINTS = "/world/candidates/1/points"
OTHER_POINTS = "/world/candidates/2/points"
LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
TIME_LINE_Y = 686
"""Height of the viewer's time line in a panel of 900 x 700."""
RULER = 16
"""Pixels from the upper edge of the loop range to the ruler's bar, where it can be dragged."""
LOOP_BUTTON = QPoint(118, TIME_LINE_Y)
SECOND_TAB = QPoint(100, 14)


def settled(session: Session, what: str) -> None:
    """Wait until the viewer has done all it was told."""
    session.wait(lambda: session.panel.is_settled, 15, what)


def blueprint(session: Session) -> dict[str, Any]:
    """The viewer's whole blueprint, read now."""
    got: list[bytes] = []
    session.panel._bridge._requests.ask(blueprint_request(), got.append)
    session.wait(lambda: bool(got), 10, "blueprint")
    found: dict[str, Any] = json.loads(blueprint_of(got[0]))
    return found


def set_time_panel(session: Session, state: str) -> None:
    """Expand or collapse it, as the viewer's own command does."""
    text = json.dumps({"/time_panel": {"TimePanelBlueprint": {"state": state}}})
    session.panel._bridge._requests.ask(set_blueprint_request(text, partial=True))


def drawn(session: Session, frames: int = 2) -> None:
    """Wait until the viewer has drawn, however slow it is: it answers in its next frame."""
    for _ in range(frames):
        got: list[object] = []
        session.panel.ask_state(got.append)
        session.wait(lambda got=got: bool(got), 15, "a frame of the viewer")


def click(session: Session, at: QPoint) -> None:
    """Move there and click, as a hand does."""
    target = session.view.focusProxy()
    for step in (1, 0):
        QTest.mouseMove(target, at + QPoint(step, 0))
        drawn(session)
    QTest.mouseClick(target, LEFT, NO_KEY, at)  # a press of over 0.8 s is no click
    drawn(session)


def drag(session: Session, start: QPoint, end: QPoint) -> None:
    """Press, move in steps, let go."""
    target = session.view.focusProxy()
    for step in (2, 0):
        QTest.mouseMove(target, start - QPoint(step, 0))
        drawn(session)
    QTest.mousePress(target, LEFT, NO_KEY, start)
    drawn(session)
    for step in range(1, 5):
        QTest.mouseMove(target, start + (end - start) * step / 4)
        drawn(session)
    QTest.mouseRelease(target, LEFT, NO_KEY, end)
    drawn(session)


def picture(session: Session) -> QImage:
    """What is on the screen."""
    return session.panel.screen().grabWindow(session.panel.winId()).toImage()


def points_on(image: QImage) -> list[QPoint]:
    """Where points of candidate 2 are in the 3D view: green, and faint, as it has not won."""
    r, g, b = candidate_color(2)
    block = [(x, y) for x in range(2) for y in range(2)]

    def is_point(color: QColor) -> bool:
        share = color.green() / g
        near = abs(color.red() - share * r) < 12 and abs(color.blue() - share * b) < 12
        return 0.38 < share < 0.7 and near

    return [
        QPoint(x + 1, y + 1)
        for y in range(40, 400)
        for x in range(image.width() - 2)
        if all(is_point(image.pixelColor(x + i, y + j)) for i, j in block)
    ]


def select_both_ways(session: Session, report: dict[str, Any]) -> None:
    """An instance from the window, nothing, and a click on a point."""
    panel = session.panel
    panel.set_frame(50)
    settled(session, "frame 50")
    session.pause(300)
    session.events.clear()
    before = picture(session)
    session.raw.clear()
    for instance in (0, 1, 2, 3):
        panel.set_selection(POINTS, instance)
    settled(session, "selection")
    session.pause(300)
    report["selection_heard"] = session.selections()
    report["selection_seen"] = picture(session) != before
    session.raw.clear()
    panel.set_selection("/world/not/there")
    settled(session, "an entity that is not there")
    panel.set_selection("")
    settled(session, "no selection")
    session.pause(300)
    report["deselection_heard"] = session.selections()
    report["events_of_selecting"] = session.events[:]
    report["selection_panel"] = blueprint(session)["/selection_panel"]["PanelBlueprint"]["state"]
    found = points_on(picture(session))
    report["points_on_screen"] = len(found)
    clicked: list[Any] = ["", -1]
    for pixel in found[:: max(1, len(found) // 10)]:
        session.events.clear()
        click(session, pixel)
        drawn(session, 4)
        clicked = (session.of("entitySelected") or [clicked])[-1]
        if clicked[0] == OTHER_POINTS:
            break
    report["clicked_point"] = clicked
    # The window follows; nothing more happens.
    session.events.clear()
    panel.set_selection(*clicked)
    drawn(session, 4)
    report["answers_to_click"] = session.events[:]
    panel.set_selection("")
    settled(session, "no selection")


def loop_on(session: Session) -> list[int]:
    """First and last pixel of the loop range and its upper edge: a blue block above the streams.

    How high the time panel opens is not the same each time, so it is looked for.
    """
    image = picture(session)
    for y in range(500, image.height()):
        row = [image.pixelColor(x, y) for x in range(200, image.width())]
        blue = [x + 200 for x, color in enumerate(row) if color.blue() > color.red() + 60]
        if len(blue) > 100 and blue[-1] - blue[0] < len(blue) + 20:
            return [blue[0], blue[-1], y]
    return []


def loop_both_ways(session: Session, report: dict[str, Any]) -> None:
    """A loop from the window, its end dragged in the viewer, and switched off there."""
    panel = session.panel
    session.events.clear()
    panel.set_loop(30, 60)
    settled(session, "loop")
    fields = blueprint(session)["/time_panel"]["TimePanelBlueprint"]
    report["loop_set"] = [fields.get("loop_mode"), fields.get("time_selection")]
    set_time_panel(session, "Expanded")
    session.pause(1000)
    report["events_of_looping"] = session.events[:]
    session.wait(lambda: bool(loop_on(session)), 10, "loop range on the screen")
    session.pause(500)
    report["loop_on_screen"] = loop_on(session)[:2]
    for offset in (1, 2, 0, -1):  # the edge is a few pixels wide
        _, last, top = loop_on(session)
        edge = QPoint(last + offset, top + RULER)
        drag(session, edge, edge + QPoint(60, 0))
        session.pause(1500)
        if session.of("loopChanged"):
            break
    session.wait(lambda: bool(session.of("loopChanged")), 10, "dragged loop")
    report["loop_dragged"] = session.of("loopChanged")[-1]
    set_time_panel(session, "Collapsed")
    session.pause(500)
    for _ in range(3):  # off, selection, all: the button goes round
        if session.of("loopChanged")[-1:] == [[None, None]]:
            break
        click(session, LOOP_BUTTON)
        session.pause(1200)
    report["loop_ended"] = session.of("loopChanged")[-1:]
    panel.set_loop(None, None)
    settled(session, "no loop")


def layout_both_ways(session: Session, report: dict[str, Any]) -> None:
    """The user opens another tab; that is kept over a new recording, and put back."""
    panel = session.panel
    session.events.clear()
    own = panel.current_layout
    click(session, SECOND_TAB)
    session.wait(lambda: bool(session.of("layoutChanged")), 10, "another tab")
    kept = session.of("layoutChanged")[-1]
    report["layout_changed"] = kept != own
    session.events.clear()
    # A recording that plays, and a kept layout: it opens paused, at the frame of the window.
    panel.set_playing(True)
    session.wait(lambda: len(session.of("timeChanged")) > 3, 10, "playback")
    panel.set_playing(False)
    panel.set_frame(70)
    settled(session, "pause")
    opened: list[bool] = []
    connection = panel._bridge.opened.connect(lambda: opened.append(True))
    session.events.clear()
    panel.set_recording(recording_bytes(scene()), layout=kept)
    session.wait(lambda: bool(opened), 20, "recording with a kept layout")
    settled(session, "kept layout")
    report["layout_kept"] = panel.current_layout == kept
    report["events_with_kept_layout"] = session.events[:]
    report["kept_at"] = session.times()
    # One of another situation: no view of it has anything there.
    opened.clear()
    panel.set_recording(recording_bytes(scene()), layout=kept.replace("camera/", "moon/"))
    session.wait(lambda: bool(opened), 20, "recording with a layout")
    settled(session, "own layout")
    report["own_again"] = panel.current_layout != kept and bool(panel.layout())
    panel.set_layout(kept)
    settled(session, "set layout")
    report["layout_set"] = panel.current_layout == kept
    panel.set_layout("")
    settled(session, "reset layout")
    report["layout_reset"] = panel.current_layout not in (kept, "")
    panel._bridge.opened.disconnect(connection)


def switch_quickly(session: Session, report: dict[str, Any]) -> None:
    """Ten recordings in a row: the newest is shown, no other stays."""
    panel = session.panel
    opened: list[bool] = []
    connection = panel._bridge.opened.connect(lambda: opened.append(True))
    session.events.clear()
    recordings = [recording_bytes(scene(pictures=2, points=4)) for _ in range(2)]
    for number in range(10):
        panel.set_recording(recordings[number % 2])
        session.pause(15)
    session.wait(lambda: bool(opened), 30, "newest of ten")
    settled(session, "newest of ten")
    session.pause(500)
    shown: list[Any] = []
    panel.ask_state(shown.append)
    session.wait(lambda: bool(shown), 10, "state")
    report["open_after_ten"] = len(shown[0].recordings)
    report["events_of_ten"] = session.events[:]
    panel._bridge.opened.disconnect(connection)


def look(session: Session, report: dict[str, Any]) -> None:
    """What the viewer says of itself, and its own screenshot."""
    got: list[Any] = []
    session.panel.ask_state(got.append)
    session.panel.take_screenshot(got.append)
    session.wait(lambda: len(got) == 2, 15, "state and screenshot")
    state, png = got
    report["state"] = [state.frame, state.playing, state.timeline, list(state.loading)]
    report["views"] = len(state.views)
    image = QImage.fromData(png)
    report["screenshot"] = [image.width(), image.height()]


def page_policy(session: Session, report: dict[str, Any]) -> None:
    """The page runs nothing that is written into it."""
    session.script(
        "window.inlineRan = false; const s = document.createElement('script');"
        "s.textContent = 'window.inlineRan = true'; document.head.append(s); 0"
    )
    report["inline_script_ran"] = session.script("window.inlineRan")
    report["eval_ran"] = session.script(
        "(() => { try { return eval('1 + 1') === 2; } catch (error) { return false; } })()"
    )
