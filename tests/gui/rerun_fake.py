"""A page and a viewer that are played by the test: it sees the requests and answers them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytestqt.qtbot import QtBot

from viewers.rerun_bridge import RerunBridge
from viewers.rerun_protocol import fields

LAYOUT = {
    "/viewport": {"ViewportBlueprint": {"root_container": "c"}},
    "/container/c": {"ContainerBlueprint": {"contents": ["view/v"]}},
    "/view/v": {"ViewBlueprint": {"class_identifier": "3D", "space_origin": "world"}},
    "/time_panel": {"TimePanelBlueprint": {"fps": 30.0, "timeline": "frame"}},
}
KINDS = {
    **{1: "close", 2: "logs", 3: "state", 4: "open", 5: "screenshot", 6: "time", 7: "entities"},
    **{11: "command", 12: "get_blueprint", 14: "set_blueprint"},
}


@dataclass(frozen=True)
class Order:
    """A request as the page got it."""

    kind: str
    number: int
    content: dict[int, Any]

    @property
    def url(self) -> str:
        return self.content[1].decode()

    @property
    def frame(self) -> int:
        return dict(fields(self.content[3]))[1]

    @property
    def playing(self) -> bool:
        return self.content[5] == 2

    @property
    def store(self) -> str:
        return dict(fields(self.content[3]))[1].decode()

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.content[2])


def message(number: int, content: bytes) -> bytes:
    """A protobuf field with bytes in it."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    found = []
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


class FakePage:
    """Keeps the requests that wait, and answers them as Rerun does when told to.

    Attributes:
        said: Everything the page was told.
        waiting: Requests without an answer.
        emitted: What the bridge told the panel.
        blueprint: The viewer's layout and time panel.
        entities: Entity paths of its recording.
    """

    def __init__(self, bridge: RerunBridge) -> None:
        self.bridge = bridge
        self.said: list[dict[str, Any]] = []
        self.waiting: list[Order] = []
        self.orders: list[Order] = []
        self.emitted: list[tuple[Any, ...]] = []
        self.blueprint: dict[str, Any] = json.loads(json.dumps(LAYOUT))
        self.own = json.loads(json.dumps(LAYOUT))
        self.entities = ["/world/candidates/1/points"]
        self.errors: list[str] = []
        self.state = (0, False)
        self.recordings = ["Recording:a:b"]
        bridge.channel.toViewer.connect(self._take)
        parts = {
            bridge.time: ("frameChanged", "timeChanged", "playingChanged"),
            bridge.selection: ("entitySelected",),
            bridge.layouts: ("layoutChanged", "loopChanged"),
            bridge: ("opened", "failed"),
        }
        for part, names in parts.items():
            for name in names:
                signal = getattr(part, name)
                signal.connect(lambda *values, name=name: self.emitted.append((name, *values)))

    def _take(self, line: str) -> None:
        told = json.loads(line)
        self.said.append(told)
        if told["type"] == "request":
            ((kind, content),) = fields(base64.b64decode(told["data"]))
            order = Order(KINDS[kind], told["number"], dict(fields(content)))
        elif told["type"] == "deselect":
            order = Order("deselect", told["number"], {})
        else:
            return
        self.orders.append(order)
        self.waiting.append(order)

    def of(self, kind: str) -> list[Order]:
        """All requests of a kind, answered or not."""
        return [order for order in self.orders if order.kind == kind]

    def say(self, kind: str, **more: Any) -> None:
        """Say something as the page."""
        self.bridge.take_line(json.dumps({"type": kind, **more}))

    def select(self, entity: str, instance: int = -1) -> None:
        """Tell that an entity is selected."""
        item: dict[str, Any] = {"type": "entity", "entity_path": entity}
        if instance >= 0:
            item["instance_id"] = instance
        self.say("selection_change", items=[item])

    def refuse(self, order: Order, why: str) -> None:
        """Refuse a request."""
        self.waiting.remove(order)
        self.say("refused", number=order.number, message=why)

    def answer(self, order: Order | None = None) -> Order:
        """Carry out a request (the oldest that waits) and answer it, events first."""
        order = order or self.waiting[0]
        self.waiting.remove(order)
        content = getattr(self, f"_{order.kind}", lambda _: b"")(order)
        self.say("answer", number=order.number, data=base64.b64encode(content).decode())
        return order

    def answer_all(self) -> None:
        """Answer until nothing waits."""
        for _ in range(100):
            if not self.waiting:
                return
            self.answer()
        raise AssertionError(f"it never ends: {self.orders[-6:]}")

    def answer_until(self, qtbot: QtBot, done: Callable[[], bool]) -> None:
        """Answer one request after another until `done`."""

        def step() -> bool:
            if not done() and self.waiting:
                self.answer()
            return done()

        qtbot.waitUntil(step)

    def open(self, recording: str = "one", application: str = "demoscope", **more: Any) -> None:
        """Let the recording that was asked for arrive, and answer until nothing waits."""
        self.say("recording_open", application_id=application, recording_id=recording)
        self.answer_all()

    def _time(self, order: Order) -> bytes:
        if self.state[0] != order.frame:
            self.say("time_update", time=float(order.frame))
        if self.state[1] != order.playing:
            self.say("play" if order.playing else "pause")
        self.state = (order.frame, order.playing)
        return message(6, message(4, b"\x08" + varint(order.frame)))

    def _open(self, order: Order) -> bytes:
        if order.url.startswith("recording://"):
            path, _, instance = order.url.removeprefix("recording:/").partition("[#")
            self.select(path, int(instance.rstrip("]")) if instance else -1)
        return message(4, b"")

    def _deselect(self, order: Order) -> bytes:
        self.say("selection_change", items=[])
        return message(3, b"")

    def _state(self, order: Order) -> bytes:
        frame, playing = self.state
        cursor = message(1, message(1, b"frame")) + message(3, b"\x08" + varint(frame))
        play = b"\x28" + varint(2 if playing else 1)
        found = message(2, self.recordings[0].encode())
        for name in self.recordings:
            found += message(3, message(1, name.encode()) + message(3, cursor) + play)
        return message(3, found)

    def _get_blueprint(self, order: Order) -> bytes:
        return message(12, message(2, json.dumps(self.blueprint).encode()))

    def _set_blueprint(self, order: Order) -> bytes:
        if order.content[5] == 2:
            for path, part in order.json.items():
                for name, values in part.items():
                    self.blueprint.setdefault(path, {}).setdefault(name, {}).update(values)
        else:
            self.blueprint = order.json
        return message(14, b"")

    def _command(self, order: Order) -> bytes:
        self.blueprint = json.loads(json.dumps(self.own))
        return message(11, b"")

    def _entities(self, order: Order) -> bytes:
        found = b"".join(message(2, message(1, path.encode())) for path in self.entities)
        return message(7, found)

    def _logs(self, order: Order) -> bytes:
        entries = [
            message(2, b"\x08\x01" + message(2, b"ERROR") + message(4, text.encode()))
            for text in self.errors
        ]
        return message(2, b"".join(entries))

    def _screenshot(self, order: Order) -> bytes:
        return message(5, message(1, b"\x89PNG picture"))


def starting_page() -> FakePage:
    """A viewer that runs and was told to open a recording."""
    bridge = RerunBridge()
    bridge.layouts._touched.setInterval(0)
    bridge.layouts._settled.setInterval(0)
    page = FakePage(bridge)
    bridge.time.set_frame(40)
    page.say("ready")
    bridge.open("http://127.0.0.1/one")
    return page


def open_page(qtbot: QtBot) -> FakePage:
    """A viewer that shows a recording and was told all."""
    page = starting_page()
    page.open()
    qtbot.waitUntil(lambda: bool(page.waiting))  # the layout is read once it settled
    page.answer_all()
    assert page.emitted == [("opened",)]
    assert page.bridge.is_settled
    page.emitted.clear()
    page.orders.clear()
    return page
