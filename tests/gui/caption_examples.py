"""An exchange with a caption model, made by hand; each cell of a picture has its own colour."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from pipeline.model.arrays import U8
from pipeline.model.caption import CaptionFields, CaptionResult
from pipeline.model.checks import ChecksResult, Constraint, ConstraintKind, Evidence, Outcome
from pipeline.model.drafting import (
    CaptionVersion,
    Exchange,
    PartKind,
    Reply,
    SentPart,
    SentRequest,
    TokenChoice,
)

CELL = (96, 72)
TINTS = (
    (200, 60, 60),
    (60, 160, 60),
    (60, 60, 200),
    (200, 160, 40),
    (150, 60, 170),
    (40, 160, 170),
)
NO_BYTES = np.zeros(0, np.uint8)
CAPTION = "Put the green cube in the bowl."
ANSWER = f'{{"verb": "put", "object": "green cube", "caption": "{CAPTION}"}}'
QUESTION = "Which action does the gripper perform in the PRESENT grid?\nAnswer in JSON."
SYSTEM = "You annotate robot demonstrations.\n" + "\n".join(
    f"Rule {n}: use one verb of the list." for n in range(12)
)


def jpeg(rgb: U8) -> U8:
    """Encode a picture as it would be sent."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    assert done
    return np.asarray(data, np.uint8).ravel()


def grid(role: str, first: int, *, columns: int = 3, note: str = "") -> SentPart:
    """Six cells, each of one colour."""
    wide, high = CELL
    rows = -(-6 // columns)
    canvas = np.zeros((rows * high, columns * wide, 3), np.uint8)
    for n, tint in enumerate(TINTS):
        y, x = divmod(n, columns)
        canvas[y * high : (y + 1) * high, x * wide : (x + 1) * wide] = tint
    return SentPart(
        PartKind.IMAGE,
        role,
        "",
        jpeg(canvas),
        "image/jpeg",
        canvas.shape[1],
        canvas.shape[0],
        tuple(range(first, first + 60, 10)),
        note=note,
    )


def close_ups(first: int) -> SentPart:
    """A row of six squares that show parts of frames."""
    side = 64
    canvas = np.zeros((side, 6 * side, 3), np.uint8)
    for n, tint in enumerate(TINTS):
        canvas[:, n * side : (n + 1) * side] = tint
    return SentPart(
        PartKind.IMAGE,
        "close-ups",
        "",
        jpeg(canvas),
        "image/jpeg",
        6 * side,
        side,
        tuple(range(first, first + 60, 10)),
        tuple((10.0 * n, 20.0, 10.0 * n + 80, 100.0) for n in range(6)),
        "no gripper track in 2 frames: the box of the mask was cropped",
    )


def close_up(frame: int) -> SentPart:
    """One square that shows a part of one frame."""
    tint = TINTS[frame // 10 % len(TINTS)]
    canvas = np.full((96, 96, 3), tint, np.uint8)
    note = "no gripper track: the box of the mask was cropped"
    box = ((10.0, 20.0, 90.0, 100.0),)
    return SentPart(
        PartKind.IMAGE, "close-up", "", jpeg(canvas), "image/jpeg", 96, 96, (frame,), box, note
    )


def text(role: str, words: str) -> SentPart:
    """A text part."""
    return SentPart(PartKind.TEXT, role, words, NO_BYTES)


def request() -> SentRequest:
    """Past, present, future, close-ups and the question."""
    return SentRequest(
        SYSTEM,
        (
            text("past", "PAST, already finished:"),
            grid("past", 0),
            text("present", "PRESENT:"),
            grid("present", 100),
            close_ups(100),
            grid("future", 200),
            text("question", QUESTION),
        ),
        "hand-collage",
        "hand-collage-1-3f9a12cd",
    )


def tokens(
    answer: str = ANSWER, doubtful: str = "green", other: str = "blue"
) -> tuple[TokenChoice, ...]:
    """Tokens of an answer, all sure but for one word."""
    found = []
    for k, word in enumerate(answer.split(" ")):
        token = word if k == 0 else f" {word}"
        if word == doubtful:
            pairs = (
                (token, math.log(0.51)),
                (f" {other}", math.log(0.47)),
                (" teal", math.log(0.01)),
            )
            found.append(TokenChoice(token, math.log(0.51), pairs))
        else:
            found.append(
                TokenChoice(token, math.log(0.98), ((token, math.log(0.98)), (" x", -5.0)))
            )
    return tuple(found)


def reply(*, with_tokens: bool = True) -> Reply:
    """What came back."""
    return Reply(
        ANSWER,
        "gemini-2.5-flash",
        "req-1234",
        "2026-11-21T18:00:00+00:00",
        2.5,
        3456,
        78,
        0.00123,
        requests=1,
        tokens=tokens() if with_tokens else (),
        dropped=("reasoning",),
    )


def version(*, with_tokens: bool = True) -> CaptionVersion:
    """What a model wrote."""
    return CaptionVersion(
        CAPTION,
        CaptionFields("put", "green cube", "in", "bowl"),
        "gemini",
        "gemini-2.5-flash",
        "hand-collage-1-3f9a12cd",
        exchange=Exchange(request(), reply(with_tokens=with_tokens)),
    )


def offline_version() -> CaptionVersion:
    """What the offline drafter wrote: nothing was sent."""
    return CaptionVersion(CAPTION, CaptionFields("put", "green cube", "in", "bowl"), "offline")


def caption(*versions: CaptionVersion) -> CaptionResult:
    """The caption of a subtask with these versions."""
    made = versions or (version(),)
    last = made[-1]
    return CaptionResult(
        last.text, made[0].text, last.fields, (), None, last.drafter, versions=made
    )


def checks(text_: str = CAPTION) -> ChecksResult:
    """One constraint of each outcome."""
    return ChecksResult(
        text_,
        (
            Constraint(
                ConstraintKind.COLOR,
                "the object is green",
                "green",
                Outcome.FAIL,
                "its mask is blue: ΔE 4.1 from blue, 61.0 from green",
                Evidence(30, (1,), ((5.0, 6.0, 40.0, 40.0),)),
            ),
            Constraint(
                ConstraintKind.RELATION,
                "it ends in the bowl",
                "in the bowl",
                Outcome.PASS,
                "0.93 of its mask lies in the target box",
                Evidence(60, (), ((10.0, 10.0, 60.0, 60.0),), (40, 70)),
            ),
            Constraint(
                ConstraintKind.DIRECTION,
                "it moves down",
                "",
                Outcome.UNKNOWN,
                "no depth was recorded",
            ),
        ),
    )


def broken(part: SentPart, data: U8) -> SentPart:
    """The same part with other bytes."""
    return replace(part, data=data)
