"""The whole window with the real viewer in it, used as a person would; prints one line of JSON.

Run by test_rerun_window.py under Xvfb.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from PySide6.QtCore import QPoint, Qt  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402
from PySide6.QtWidgets import QDockWidget, QTableView  # noqa: E402

from app.main_window import MainWindow  # noqa: E402
from app.playback import LoopRange  # noqa: E402
from app.process_sockets import process_tree  # noqa: E402
from pipeline.model.palette import candidate_color  # noqa: E402
from tests.gui.rerun_proof_hands import (  # noqa: E402
    Hands,
    application,
    densest,
    matching,
    report,
)
from tests.gui.rerun_proof_session import eye_of, projected  # noqa: E402
from tests.gui.rerun_session import listening_addresses  # noqa: E402
from tests.gui.rerun_window_data import made_up_window  # noqa: E402
from viewers.rerun_points import row_shown  # noqa: E402
from widgets.candidate_model import ROW_ROLE  # noqa: E402

SIZE = (1500, 950)
PANEL_WIDTH = 680
"""Rerun shows its own time line in panels wider than 600 pixels."""
LEFT = Qt.MouseButton.LeftButton
PLAIN = Qt.KeyboardModifier.NoModifier


class Person:
    """Uses the window."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.panels = window.panels
        self.document = window.control.document
        self.hands = Hands(window.panels.rerun)

    @property
    def session(self) -> Any:
        return self.document.session

    def open(self, episode: int) -> None:
        """Open an episode and wait until the 3D view shows it."""
        self.hands.events.clear()
        ended: list[str] = []
        connection = self.window.control.jobEnded.connect(ended.append)
        root = self.session.dataset.path if self.session.dataset else ""
        if root:
            self.window.control.open_episode(episode)
        self.hands.wait(lambda: ended == ["done"], "results")
        self.window.control.jobEnded.disconnect(connection)
        self.hands.ready()

    def key(self, key: Qt.Key) -> None:
        """Press a key in the frame viewer."""
        self.panels.frame.viewer.setFocus()
        QTest.keyClick(self.panels.frame.viewer, key)

    def shown_frames(self) -> list[int]:
        """The cursor as each view of the window shows it."""
        panels = self.panels
        return [
            *(self.session.frame, panels.timeline.frame, panels.frame.viewer.image_frame),
            panels.rerun.frame,
        ]

    def everywhere(self, frame: int) -> list[int]:
        """Wait until every view shows a frame; what they show then."""
        self.hands.wait(lambda: set(self.shown_frames()) == {frame}, f"all at frame {frame}")
        return self.shown_frames()

    def selected(self) -> list[int]:
        """The candidate as each view of the window shows it, and the point."""
        panels, session = self.panels, self.session
        return [
            *(session.candidate, panels.candidates.candidate, panels.breakdown.candidate),
            session.point,
        ]

    def click_row(self, candidate: int) -> None:
        """Click a candidate's row in the table."""
        for table in self.panels.candidates.findChildren(QTableView):
            model = table.model()
            for row in range(model.rowCount()):
                index = model.index(row, 0)
                found = index.data(ROW_ROLE)
                if found is not None and found.proposal.id == candidate:
                    table.scrollTo(index)
                    place = table.visualRect(index).center()
                    QTest.mouseClick(table.viewport(), LEFT, PLAIN, place)
                    return
        raise TimeoutError(f"no row of candidate {candidate}")

    def time_line(self) -> tuple[int, int, int]:
        """First and last column, and the row, of the line in the viewer's bar at the bottom."""
        picture = self.hands.picture().astype(int).max(axis=2)
        height = picture.shape[0]
        best = (0, 0, 0)
        for row in range(height - 22, height - 4):
            line = picture[row] > np.median(picture[row]) + 25
            edges = np.flatnonzero(np.diff(np.r_[False, line, False].astype(int)))
            for start, end in zip(edges[::2], edges[1::2], strict=True):
                if end - start > best[1] - best[0]:
                    best = (int(start), int(end) - 1, row)
        return best

    def points_of(self, candidate: int) -> tuple[int, int]:
        """A pixel of the page on which a point of a candidate is drawn, in the 3D view."""
        x, y, width, height = self.hands.place_of(self.hands.shown("3D").key)
        picture = self.hands.picture()[y : y + height, x : x + width]
        found = densest(matching(picture, candidate_color(candidate)))
        if found is None:
            raise TimeoutError(f"candidate {candidate} is not to be seen")
        return x + found[0], y + found[1]

    def far_from(self, place: tuple[int, int], point: int) -> float:
        """Pixels between a place of the page and where a tracked point is drawn in 3D."""
        view = self.hands.shown("3D")
        lifting, tracks = self.session.result("lifting"), self.session.result("tracks")
        row = row_shown(tracks, self.session.frame)
        metres = np.asarray(lifting.xyz[[row], point], float)
        eye, box = eye_of(self.hands, view.key), self.hands.place_of(view.key)
        return float(np.hypot(*(projected(metres, eye, box)[0] - place)))


def run(found: dict[str, Any]) -> None:
    home = Path(tempfile.mkdtemp(prefix="demoscope-window-"))
    application()
    window = made_up_window(home, SIZE)
    person = Person(window)
    hands, control = person.hands, window.control
    window.activateWindow()
    dock = window.findChild(QDockWidget, "dock-rerun")
    window.resizeDocks([dock], [PANEL_WIDTH], Qt.Orientation.Horizontal)
    hands.wait(lambda: hands.panel.width() > PANEL_WIDTH - 30, "a wide panel")
    # The first of all: the viewer starts with the episode.
    ended: list[str] = []
    control.jobEnded.connect(ended.append)
    control.open_dataset(str(home / "dataset"), 0)
    hands.wait(lambda: ended == ["done"], "results")
    hands.ready()
    shown = hands.at(person.session.frame)
    found["opened"] = [shown.playing, person.session.playing, shown.frame, person.session.frame]
    found["opened_recordings"] = len(shown.recordings)
    found["opened_events"] = [e for e in hands.events if e[0] not in ("readyChanged",)]

    cursor(person, found)
    selection(person, found)
    loop(person, found)
    playing(person, found)
    another(person, found)

    found["listening"] = listening_addresses(process_tree(os.getpid()))
    window.close()
    found["threads_at_end"] = sorted(
        t.name for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon
    )


def cursor(person: Person, found: dict[str, Any]) -> None:
    """The cursor goes both ways."""
    hands, control = person.hands, person.window.control
    control.seek(30, "test")
    found["seek"] = [hands.at(30).frame, person.everywhere(30)]
    person.key(Qt.Key.Key_Right)
    found["key"] = [hands.at(31).frame, person.everywhere(31)]
    # A click into the viewer's own time line.
    hands.events.clear()
    first, last, row = person.time_line()
    found["time_line"] = [first, last, row]
    place = first + 3 * (last - first) // 4
    hands.click(place, row)
    hands.wait(lambda: bool(hands.of("frameChanged")), "click in the time line")
    hands.spin(300)
    frame = person.session.frame
    found["clicked_frame"] = [frame, hands.at(frame).frame, person.everywhere(frame)]
    found["clicked_signals"] = hands.of("frameChanged")
    # Dragging there: every frame is followed, the last one stays.
    target = hands.view.focusProxy()
    QTest.mousePress(target, LEFT, PLAIN, QPoint(place, row))
    for step in range(1, 12):
        QTest.mouseMove(target, QPoint(place - step * (last - first) // 20, row))
        hands.spin(40)
    QTest.mouseRelease(target, LEFT, PLAIN, QPoint(place - 11 * (last - first) // 20, row))
    hands.spin(400)
    frame = person.session.frame
    found["dragged_frame"] = [frame, hands.at(frame).frame, person.everywhere(frame)]


def selection(person: Person, found: dict[str, Any]) -> None:
    """The selection goes both ways."""
    hands = person.hands
    person.window.control.seek(10, "test")
    hands.at(10)
    person.everywhere(10)
    hands.spin(300)
    found["selected_first"] = person.selected()
    # A click on a point of candidate 0 in the 3D view.
    hands.events.clear()
    place = person.points_of(0)
    hands.click(*place)
    hands.wait(lambda: person.session.candidate == 0, "candidate 0 by a click")
    hands.wait(lambda: person.session.point >= 0, "a point of it")
    hands.spin(400)
    tracks = person.session.result("tracks")
    point = person.session.point
    found["clicked"] = [person.selected(), hands.of("entitySelected"), int(tracks.candidate[point])]
    found["clicked_beside"] = person.far_from(place, point)
    # A row of the table: the viewer selects its entity, and does not tell it back.
    hands.events.clear()
    hands.heard(forget=True)
    person.click_row(2)
    hands.wait(lambda: bool(hands.heard("selection_change")), "the viewer selects")
    hands.spin(400)
    found["row"] = [person.selected(), _entities(hands), hands.of("entitySelected")]
    # A point of the frame viewer.
    hands.heard(forget=True)
    hands.events.clear()
    column = int(np.flatnonzero(tracks.candidate == 1)[7])
    person.document.select_point(column, "frame")
    hands.wait(lambda: bool(hands.heard("selection_change")), "the viewer selects the point")
    hands.spin(400)
    found["point"] = [person.selected(), column, _entities(hands), hands.of("entitySelected")]


def _entities(hands: Hands) -> list[list[Any]]:
    """Entities and instances of the viewer's newest selection."""
    return [
        [str(item.get("entity_path", "")).strip("/"), item.get("instance_id")]
        for item in hands.heard("selection_change")[-1].get("items", [])
        if item.get("type") == "entity"
    ]


def loop(person: Person, found: dict[str, Any]) -> None:
    """The loop range goes both ways."""
    hands, player = person.hands, person.window.control.player
    player.set_loop(LoopRange(30, 60))
    hands.wait(lambda: hands.loop() == ("Selection", 30, 60), "loop of the viewer")
    hands.spin(500)
    found["loop_by_window"] = [hands.loop(), [player.loop.first, player.loop.last]]
    hands.events.clear()
    hands.change_blueprint(
        {
            "/time_panel": {
                "TimePanelBlueprint": {
                    "loop_mode": "Selection",
                    "time_selection": {"min": 20, "max": 80},
                }
            }
        }
    )
    _release_a_key(hands)
    hands.wait(lambda: (player.loop.first, player.loop.last) == (20, 80), "loop of the window")
    hands.spin(500)
    found["loop_by_viewer"] = [hands.loop(), hands.of("loopChanged")]
    hands.events.clear()
    player.set_loop(LoopRange())
    hands.wait(lambda: (hands.loop() or ("Off",))[0] != "Selection", "no loop in the viewer")
    hands.spin(500)
    found["loop_ended"] = [(hands.loop() or ("Off",))[0], player.is_looped, hands.of("loopChanged")]


def _release_a_key(hands: Hands) -> None:
    """Whatever the user does in the viewer ends with a key or a button that is let go."""
    QTest.keyClick(hands.view.focusProxy(), Qt.Key.Key_Shift)


def playing(person: Person, found: dict[str, Any]) -> None:
    """Playing, begun on either side."""
    hands, control = person.hands, person.window.control
    control.seek(0, "test")
    hands.at(0)
    hands.spin(300)
    # The viewer's own play button, and Space in the window.
    hands.events.clear()
    first, _, row = person.time_line()
    found["play_button"] = [first, row]
    hands.click(26, row)
    hands.wait(lambda: person.session.playing, "the window plays with the viewer")
    hands.wait(lambda: len(set(hands.of("frameChanged"))) > 5, "frames of the viewer")
    moved = person.session.frame
    person.key(Qt.Key.Key_Space)
    hands.wait(lambda: not person.session.playing, "Space stops the window")
    hands.wait(lambda: not hands.facts().playing, "Space stops the viewer")
    hands.spin(500)
    frame = person.session.frame
    found["viewer_played"] = [moved, frame, hands.at(frame).frame, person.everywhere(frame)]
    found["viewer_played_frames"] = hands.of("frameChanged")
    # Space in the viewer itself.
    hands.events.clear()
    hands.click(26, row)
    hands.wait(lambda: person.session.playing, "playing again")
    QTest.keyClick(hands.view.focusProxy(), Qt.Key.Key_Space)
    hands.wait(lambda: not person.session.playing, "Space in the viewer stops the window")
    hands.wait(lambda: not hands.facts().playing, "Space in the viewer stops it")
    hands.spin(300)
    frame = person.session.frame
    found["space_in_viewer"] = [frame, hands.at(frame).frame, person.everywhere(frame)]
    # The window plays: the viewer follows, and does not play by itself.
    control.seek(0, "test")
    hands.at(0)
    hands.events.clear()
    hands.heard(forget=True)
    person.key(Qt.Key.Key_Space)
    seen: list[list[Any]] = []

    def followed() -> bool:
        facts = hands.facts()
        seen.append([facts.frame, facts.playing])
        return len({frame for frame, _ in seen}) >= 5

    hands.wait(followed, "the viewer follows")
    found["window_plays"] = person.session.playing  # The episode lasts 30 s.
    person.key(Qt.Key.Key_Space)
    hands.wait(lambda: not person.session.playing, "Space stops the window")
    hands.spin(300)
    frame = person.session.frame
    found["window_played"] = seen
    found["window_played_to"] = [frame, hands.at(frame).frame, person.everywhere(frame)]
    found["window_played_echo"] = hands.of("frameChanged")


def another(person: Person, found: dict[str, Any]) -> None:
    """Another episode while the viewer plays: it opens paused, and only it is open."""
    hands = person.hands
    _, _, row = person.time_line()
    hands.click(26, row)
    hands.wait(lambda: person.session.playing, "playing before the next episode")
    before = hands.facts().recordings
    person.open(1)
    hands.wait(
        lambda: len(now := hands.facts().recordings) == 1 and now != before, "the new one alone"
    )
    hands.spin(700)
    facts = hands.facts()
    found["another"] = [facts.playing, person.session.playing, facts.frame, person.session.frame]
    person.window.control.seek(12, "test")
    found["another_follows"] = [hands.at(12).frame, person.everywhere(12)]


if __name__ == "__main__":
    report(run)
