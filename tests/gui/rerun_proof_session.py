"""Proves the two-way bridge with the real viewer; prints what happened as one line of JSON.

`rerun_proof_session.py sync|colors|memory|offline`, run by test_rerun_proof.py under Xvfb.
"""

from __future__ import annotations

import base64
import dataclasses
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from app.process_sockets import held_files, process_tree  # noqa: E402
from pipeline.model.palette import candidate_color  # noqa: E402
from tests.gui.rerun_proof_hands import (  # noqa: E402
    Hands,
    application,
    centroid,
    matching,
    nested,
    report,
    varint,
)
from tests.gui.rerun_proof_memory import Census  # noqa: E402
from tests.gui.rerun_session import listening_addresses  # noqa: E402
from tests.rerun_scenes import scene  # noqa: E402
from viewers import rerun_viewer  # noqa: E402
from viewers.rerun_inputs import RerunInputs  # noqa: E402
from viewers.rerun_log import recording_bytes  # noqa: E402
from viewers.rerun_viewer import RerunPanel, ViewerState  # noqa: E402

SETTLED = 200
"""Moves of each side, each waited for ..."""
BURSTS, BURST = 30, 10
"""... and bursts of so many moves of each side, none of them waited for: 1,000 moves in all."""
QUIET = 250
"""Milliseconds without an event after which nothing is under way any more."""
FIELD_OF_VIEW = np.radians(55.0)
"""Of Rerun's eye, vertically (re_view_spatial, `Eye::DEFAULT_FOV_Y`)."""


def opened(
    inputs: RerunInputs, size: tuple[int, int], frame: int = 0, theme: str = "dark"
) -> Hands:
    """A panel that shows a recording."""
    application()
    panel = RerunPanel()
    panel.resize(*size)
    panel.set_theme(theme)
    hands = Hands(panel)
    panel.show()
    panel.set_frame(frame)
    panel.set_recording(recording_bytes(inputs))
    hands.ready()
    hands.at(frame)
    return hands


def quiet(hands: Hands) -> None:
    """Wait until the page says nothing more."""
    before = -1
    while before != (before := len(hands.heard())):
        hands.spin(QUIET)


def sync(found: dict[str, Any]) -> None:
    """1,000 moves of both sides. The window only sets even frames, the viewer's user odd ones."""
    hands = opened(scene(), (400, 320))
    panel, window = hands.panel, [0]
    panel.frameChanged.connect(lambda frame: window.__setitem__(0, frame))
    found["while_opening"] = [e for e in hands.events if e[0] != "readyChanged"]
    found["opened_playing"] = hands.facts().playing
    hands.heard(forget=True)
    hands.events.clear()

    began = time.monotonic()
    told, wrong = [], []
    for i in range(SETTLED):
        ours, theirs = 2 * ((7 * i + 3) % 59), 2 * ((11 * i + 5) % 59) + 1
        window[0] = ours
        panel.set_frame(ours)
        hands.wait(lambda f=ours: hands.time_told() == f, f"viewer at {ours}")
        count = len(hands.of("frameChanged"))
        hands.script(move(theirs))
        told.append(theirs)
        hands.wait(lambda n=count: len(hands.of("frameChanged")) > n, f"frame {theirs}")
        if hands.of("frameChanged")[count:] != [theirs] or window[0] != theirs:
            wrong.append([i, hands.of("frameChanged")[count:], theirs])
        if i % 20 == 0 and hands.facts().frame != theirs:
            wrong.append([i, "viewer elsewhere", theirs])
    found["settled"] = [hands.of("frameChanged") == told, wrong, len(told)]
    found["settled_seconds"] = time.monotonic() - began

    began = time.monotonic()
    signals, disagree, echoes = 0, [], []
    for burst in range(BURSTS):
        hands.events.clear()
        hands.heard(forget=True)
        last = 0
        for i in range(BURST):
            ours = 2 * ((13 * burst + 7 * i) % 59)
            last = 2 * ((17 * burst + 11 * i + 3) % 59) + 1
            # Which of the two comes last changes, and so does the time between them.
            for ours_now in (burst % 2 == 0, burst % 2 == 1):
                if ours_now:
                    window[0] = ours
                    panel.set_frame(ours)
                else:
                    hands.script(move(last))
            if burst % 3 == 0:
                hands.spin(8 * (burst % 5))
        quiet(hands)
        shown = hands.facts()
        signals += len(hands.of("frameChanged"))
        echoes += [f for f in hands.of("frameChanged") if f % 2 == 0]
        if not shown.frame == window[0] == panel.frame:
            disagree.append([burst, shown.frame, window[0], panel.frame, ours, last])
    found["bursts"] = {
        "moves": 2 * BURSTS * BURST,
        "signals": signals,
        "echoes": echoes,
        "disagree": disagree,
        "seconds": time.monotonic() - began,
    }

    # At rest nobody says anything, and the panel still works.
    hands.heard(forget=True)
    hands.events.clear()
    hands.spin(1000)
    found["at_rest"] = [hands.heard(), hands.events[:]]
    panel.set_frame(44)
    found["still_works"] = hands.at(44).frame

    play(hands, found)
    panel.shutdown()


def move(frame: int) -> str:
    """JavaScript that moves the viewer's cursor as its user would, and waits for nothing."""
    request = nested(6, nested(2, nested(1, b"frame")) + nested(3, varint(8) + varint(frame)))
    data = base64.b64encode(request).decode()
    return (
        f"viewerHandle.viewer_control(Uint8Array.from(atob('{data}'), c => c.charCodeAt(0)))"
        ".catch(() => {}), 0"
    )


def play(hands: Hands, found: dict[str, Any]) -> None:
    """The viewer plays by its user's wish; time is fractional, and pausing leaves no rest."""
    panel = hands.panel
    panel.set_frame(0)
    hands.at(0)
    hands.events.clear()
    hands.move_viewer(2, playing=True)
    hands.wait(lambda: hands.of("playingChanged") == [True], "playing")
    hands.wait(lambda: len(hands.of("frameChanged")) > 8, "frames while playing")
    panel.set_playing(False)
    hands.wait(lambda: not hands.facts().playing, "pause")
    quiet(hands)
    shown = hands.facts()
    found["played"] = hands.of("frameChanged")
    found["played_times"] = hands.of("timeChanged")
    found["after_playing"] = [shown.frame, panel.frame]
    found["playing_events"] = hands.of("playingChanged")


# -- colours ---------------------------------------------------------------------------------


def eye_of(hands: Hands, view: str) -> dict[str, Any]:
    """Eye of a 3D view, from the viewer's own layout."""
    blueprint = hands.blueprint()
    for entity, parts in blueprint.items():
        if view.replace("-", "") in entity.replace("-", "") and "EyeControls3D" in parts:
            found: dict[str, Any] = parts["EyeControls3D"]
            return found
    raise TimeoutError(f"no eye of {view} in {list(blueprint)}")


def projected(
    points: np.ndarray, eye: dict[str, Any], place: tuple[int, int, int, int]
) -> np.ndarray:
    """(n, 3) metres of the world to (n, 2) pixels of the page, as Rerun's eye sees them."""
    position, target = (np.array(eye[key], float).reshape(3) for key in ("position", "look_target"))
    up = np.array(eye["eye_up"], float).reshape(3)
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    above = np.cross(right, forward)
    seen = (points - position) @ np.stack([right, above, forward], axis=1)
    x, y, width, height = place
    focal = height / 2 / np.tan(FIELD_OF_VIEW / 2)
    flat = seen[:, :2] / seen[:, 2:] * focal
    return np.stack([x + width / 2 + flat[:, 0], y + height / 2 - flat[:, 1]], axis=1)


def candidate_points(inputs: RerunInputs, candidate: int, frame: int) -> np.ndarray:
    """(n, 3) metres: the points of a candidate that are shown at a frame."""
    assert inputs.tracks is not None
    assert inputs.lifting is not None
    row = int(np.searchsorted(inputs.tracks.frames, frame, side="right")) - 1
    own = inputs.tracks.candidate == candidate
    return np.asarray(inputs.world_points(inputs.lifting.xyz[row, own]), float)


def colors(found: dict[str, Any]) -> None:
    """Each candidate's colour is where its points are, and moves as they do."""
    inputs = scene(points=120)
    hands = opened(inputs, (900, 700), 10)
    panel = hands.panel
    looks = []
    for theme in ("dark", "light"):
        panel.set_theme(theme)
        hands.spin(700)
        view = hands.shown("3D")
        place = hands.place_of(view.key)
        eye = eye_of(hands, view.key)
        x, y, width, height = place
        for frame in (10, 40, 65, 88):
            panel.set_frame(frame)
            hands.at(frame)
            hands.spin(300)
            picture = hands.picture()
            for candidate in range(3):
                points = projected(candidate_points(inputs, candidate, frame), eye, place)
                expected = np.median(points, axis=0)
                spread = float(np.abs(points - expected).max())
                seen = np.zeros(picture.shape[:2], bool)
                inside = (slice(y, y + height), slice(x, x + width))
                seen[inside] = matching(picture[inside], candidate_color(candidate))
                near = np.zeros_like(seen)
                rows, columns = np.ogrid[: seen.shape[0], : seen.shape[1]]
                near |= np.hypot(columns - expected[0], rows - expected[1]) <= spread + 6
                chosen = seen & near
                looks.append(
                    {
                        "theme": theme,
                        "frame": frame,
                        "candidate": candidate,
                        "expected": expected.tolist(),
                        "spread": spread,
                        "found": list(centroid(chosen)),
                        "pixels": int(chosen.sum()),
                        "color": _strongest(picture[chosen]),
                    }
                )
    found["looks"] = looks
    panel.shutdown()


def _strongest(pixels: np.ndarray) -> list[int]:
    """The most saturated of some pixels' colours (median of the strongest tenth)."""
    if not len(pixels):
        return []
    chroma = pixels.max(axis=1).astype(int) - pixels.min(axis=1)
    best = pixels[chroma >= np.quantile(chroma, 0.9)]
    return [int(v) for v in np.median(best, axis=0)]


# -- memory ----------------------------------------------------------------------------------


def memory(found: dict[str, Any], openings: int = 24) -> None:
    """Recordings of some MiB opened in a row, each another episode."""
    first = noisy(scene(points=60, pictures=60))
    hands = opened(first, (400, 320))
    census = Census(hands)
    rows = []
    for i in range(openings):
        reference = dataclasses.replace(first.demonstration.ref, episode=i)
        demonstration = dataclasses.replace(first.demonstration, ref=reference)
        data = recording_bytes(dataclasses.replace(first, demonstration=demonstration))
        before = hands.facts().recordings
        hands.panel.set_frame(i)
        hands.panel.set_recording(data)
        hands.wait(
            lambda b=before: len(now := hands.facts().recordings) == 1 and now != b,
            f"recording {i} alone",
        )
        hands.at(i)
        rows.append(census.row(len(data)))
    found["rows"] = rows
    panel = hands.panel
    afresh(hands, data, found)
    panel.clear()
    hands.wait(lambda: hands.facts().recordings == (), "nothing open after clear")
    found["cleared"] = census.row(0)
    panel.shutdown()
    gc.collect()
    found["threads_at_end"] = sorted(t.name for t in threading.enumerate())
    found["children_at_end"] = census.children()


def noisy(inputs: RerunInputs) -> RerunInputs:
    """The same with pictures that no compression makes small: one kept too long is seen."""
    rng = np.random.default_rng(0)
    height, width = 240, 320
    options = [cv2.IMWRITE_JPEG_QUALITY, 100]
    pictures = tuple(
        (frame, cv2.imencode(".jpg", noise, options)[1].tobytes())
        for frame, _ in inputs.pictures
        for noise in [rng.integers(0, 256, (height, width, 3), np.uint8)]
    )
    return dataclasses.replace(inputs, pictures=pictures)


def afresh(hands: Hands, data: bytes, found: dict[str, Any]) -> None:
    """A viewer that has taken too much memory is replaced; what the user sees stays."""
    panel = hands.panel
    panel.set_selection("/world/candidates/1/points", 3)
    hands.wait(lambda: panel.is_settled, "selection")
    with mock.patch.object(rerun_viewer, "MEMORY_LIMIT", 1):
        panel.set_recording(data)  # The very same one: nothing to do.
        found["same_recording"] = panel.state
        panel.set_recording(recording_bytes(scene(points=61)))
        found["while_replaced"] = panel.state
        panel.set_frame(33)
    hands.wait(lambda: panel.state is ViewerState.READY, "viewer started afresh")
    found["after"] = hands.at(33).frame
    hands.wait(lambda: panel.is_settled, "all told")
    found["selected_after"] = list(panel._bridge.selection.selected)
    found["fresh"] = Census(hands).row(0)


# -- offline ---------------------------------------------------------------------------------


def offline(found: dict[str, Any]) -> None:
    """The viewer in a place without any network."""
    blocked: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: blocked.append(record.getMessage())  # type: ignore[method-assign]
    gate = logging.getLogger("viewers.web_engine")
    gate.addHandler(handler)
    gate.setLevel(logging.INFO)
    found["routes"] = Path("/proc/net/route").read_text().splitlines()[1:]
    hands = opened(scene(), (500, 400), 20)
    hands.panel.set_frame(66)
    found["frame"] = hands.at(66).frame
    hands.events.clear()
    hands.move_viewer(31)
    hands.wait(lambda: hands.of("frameChanged") == [31], "viewer's move")
    hands.spin(1000)
    found["listening"] = listening_addresses(process_tree(os.getpid()))
    found["elsewhere"] = foreign_sockets(process_tree(os.getpid()))
    found["blocked"] = [line for line in blocked if "blocked" in line]
    found["views"] = len(hands.facts().views)
    hands.panel.shutdown()


def foreign_sockets(pids: Iterable[int]) -> list[str]:
    """Sockets of these processes that reach, or can be reached from, beyond loopback.

    TCP with another end elsewhere; UDP that has another end elsewhere or is bound elsewhere.
    Listening TCP sockets are `listening_addresses`.
    """
    inodes = held_files(pids)
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            columns = line.split()
            if f"socket:[{columns[9]}]" not in inodes:
                continue
            here, there = (columns[i].split(":")[0] for i in (1, 2))
            connected = set(there) != {"0"}
            if (connected and not _is_loopback(there)) or (
                table.startswith("udp") and not connected and not _is_loopback(here)
            ):
                found.append(f"{table} {columns[1]} {columns[2]}")
    return found


def _is_loopback(address: str) -> bool:
    """True for 127.0.0.0/8 and ::1, written as in /proc/net."""
    return address in (
        "00000000000000000000000001000000",
        "0000000000000000FFFF00000100007F",
    ) or (len(address) == 8 and address.endswith("7F"))


MODES = {"sync": sync, "colors": colors, "memory": memory, "offline": offline}

if __name__ == "__main__":
    report(MODES[sys.argv[1]])
