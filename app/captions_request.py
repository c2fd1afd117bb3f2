"""`demoscope captions show-request`: the parts of a request as files, byte for byte."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from app.captions_draft import drafting_of
from app.terminal import fail, say
from pipeline.engine.graph import StageFailed
from pipeline.model.drafting import PartKind, SentPart, SentRequest
from pipeline.model.problem import DataError

_ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "video/mp4": "mp4",
}


def show_request(arguments: argparse.Namespace) -> int:
    """Run the command; 0 on success."""
    folder: Path = arguments.out
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return fail(f"{folder}: is not an empty folder")
    arguments.episodes = str(arguments.episode)
    try:
        _, drafting = drafting_of(arguments, unsaid="gemini")
    except ValueError as error:
        raise ValueError(str(error).replace("--episodes:", "--episode:")) from error
    try:
        request = drafting.request(arguments.episode, arguments.subtask)
    except StageFailed as error:
        raise DataError(error.code, str(error)) from error
    try:
        count = write_request(request, folder)
    except OSError as error:
        return fail(f"{folder}: {error.strerror}; what is there is not complete")
    say(f"{folder}: {count} parts of recipe {request.recipe_identity}, listed in request.json")
    return 0


def write_request(request: SentRequest, folder: Path) -> int:
    """Write the parts, and `request.json` that lists them in order.

    Args:
        request: All that a model gets.
        folder: Made if it is not there.

    Returns:
        Number of parts.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "00-system.txt").write_bytes(request.system.encode())
    rows = []
    for number, part in enumerate(request.parts, 1):
        data = part.text.encode() if part.kind is PartKind.TEXT else part.data.tobytes()
        ending = "txt" if part.kind is PartKind.TEXT else _ENDINGS.get(part.mime, "bin")
        name = f"{number:02}-{part.role.replace(' ', '-') or part.kind.value}.{ending}"
        (folder / name).write_bytes(data)
        rows.append(_row(part, name, data))
    listing = {
        "recipe": request.recipe,
        "recipe_identity": request.recipe_identity,
        "purpose": request.purpose,
        "system": "00-system.txt",
        "parts": rows,
    }
    text = json.dumps(listing, indent=2, ensure_ascii=False) + "\n"
    (folder / "request.json").write_text(text, encoding="utf-8")
    return len(rows)


def _row(part: SentPart, name: str, data: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": name,
        "kind": part.kind.value,
        "role": part.role,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if part.kind is not PartKind.TEXT:
        row |= {
            "mime": part.mime,
            "width": part.width,
            "height": part.height,
            "frames": list(part.frames),
            "boxes": [list(box) for box in part.boxes],
        }
    return row | ({"note": part.note} if part.note else {})
