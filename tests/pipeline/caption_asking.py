"""A caption question put to a server on this machine."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from pydantic import BaseModel

from pipeline.backends.captioning.captioner import CaptionSettings
from pipeline.backends.captioning.online import OnlineCaptioner
from pipeline.backends.captioning.reply_store import ReplyStore
from pipeline.backends.captioning.written import PlainCaption
from pipeline.backends.language.endpoint import Server
from pipeline.backends.language.inquiry import QuestionError
from pipeline.model.arrays import U8
from pipeline.model.drafting import PartKind, Reply, SentPart, SentRequest
from tests.language_server import LanguageServer, caption_answer
from tests.pipeline.language_asking import KEY


def picture(shade: int, width: int = 96, height: int = 64, ending: str = ".jpg") -> U8:
    """An encoded picture; another shade makes other bytes."""
    rgb = np.full((height, width, 3), shade, np.uint8)
    rgb[: height // 2, : width // 2] = 255 - shade
    return np.asarray(cv2.imencode(ending, rgb)[1], np.uint8)


def clip(frames: int = 8, fps: int = 4) -> U8:
    """An encoded video."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(frames):
            rgb = np.full((48, 64, 3), 20 * k, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return np.frombuffer(target.getvalue(), np.uint8)


def text(words: str, role: str = "question") -> SentPart:
    return SentPart(PartKind.TEXT, role, words, np.empty(0, np.uint8))


def image(shade: int, role: str = "present", mime: str = "image/jpeg") -> SentPart:
    data = picture(shade, ending=".png" if mime == "image/png" else ".jpg")
    boxes = ((1.0, 2.0, 3.0, 4.0),) * 3
    return SentPart(PartKind.IMAGE, role, "", data, mime, 96, 64, (0, 3, 6), boxes)


def video() -> SentPart:
    return SentPart(PartKind.VIDEO, "clip", "", clip(), "video/mp4", 64, 48, tuple(range(8)))


REQUEST = SentRequest(
    "Write one caption.",
    (
        text("Past:", "past"),
        image(10, "past"),
        text("Present:", "present"),
        image(60),
        image(120, "close-ups", "image/png"),
        text("Future:", "future"),
        image(200, "future"),
        text("What is done? Die Tür, 门."),
    ),
    "hand-collage",
    "hand-collage-1-0000",
)
WITH_CLIP = replace(REQUEST, parts=(*REQUEST.parts, video()))


class CaptionAsked:
    """A captioner, its server, and the waits it made: its clock goes on by waiting only."""

    def __init__(self, kind: Server, server: LanguageServer, folder: Path) -> None:
        self.waits: list[float] = []
        self.said: list[str] = []
        self.server = server
        self.folder = folder
        self.now = 1_000_000.0
        self.settings = CaptionSettings(model="some-model", base_url=server.url, timeout_s=10.0)
        self.store = ReplyStore(folder)
        self.captioner = OnlineCaptioner(kind, self.store, self._sleep, lambda: self.now)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def __call__(
        self,
        request: SentRequest = REQUEST,
        schema: type[BaseModel] = PlainCaption,
        watch: Callable[[], None] = lambda: None,
        **settings: Any,
    ) -> tuple[Any, Reply]:
        def progress(share: float, what: str) -> None:
            self.said.append(what)
            watch()

        return self.captioner.ask(request, schema, replace(self.settings, **settings), progress)

    @property
    def gemini(self) -> bool:
        return self.captioner.name == "gemini"


def asks(kind: type[Server], server: LanguageServer, folder: Path) -> CaptionAsked:
    """Somebody who asks a server of that kind; it answers well."""
    server.answer = caption_answer()
    return CaptionAsked(kind(), server, folder / "kept")


def failed(ask: CaptionAsked, request: SentRequest = REQUEST, **settings: Any) -> QuestionError:
    with pytest.raises(QuestionError) as raised:
        ask(request, **settings)
    words = str(raised.value)
    assert "\n" not in words
    assert words.endswith(".")
    assert KEY not in words
    return raised.value
