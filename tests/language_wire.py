"""Both protocols on the wire: parts of turns, schemas, log-probabilities; for the local server."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

GEMINI_SCHEMA = {
    "type", "properties", "required", "propertyOrdering", "items", "enum", "nullable", "format",
    "anyOf", "minimum", "maximum", "minItems", "maxItems", "description", "title", "default",
}  # fmt: skip
MAGIC = {
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "video/mp4": re.compile(rb"....ftyp", re.DOTALL),
    "video/webm": re.compile(rb"\x1a\x45\xdf\xa3"),
}


@dataclass(frozen=True)
class SeenPart:
    """One part of a turn as the server decoded it; `fps` is what a video is looked at with."""

    kind: str
    text: str = ""
    mime: str = ""
    data: bytes = b""
    fps: float = 0.0


def seen_gemini(part: dict[str, Any]) -> SeenPart:
    if "text" in part:
        return SeenPart("text", part["text"])
    blob = camel(part)["inlineData"]
    # Protocol buffers in JSON take both alphabets; google-genai writes the one for addresses.
    text = blob["data"].replace("-", "+").replace("_", "/")
    data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    mime = camel(blob)["mimeType"]
    fps = float(camel(part).get("videoMetadata", {}).get("fps", 0.0))
    return SeenPart(mime.partition("/")[0], "", mime, data, fps)


def camel(message: dict[str, Any]) -> dict[str, Any]:
    """Protocol buffers in JSON take names of both kinds; google-genai mixes them."""
    return {re.sub("_(.)", lambda m: m[1].upper(), k): v for k, v in message.items()}


def seen_openai(part: dict[str, Any]) -> SeenPart:
    if part["type"] == "text":
        return SeenPart("text", part["text"])
    kind = {"image_url": "image", "video_url": "video"}[part["type"]]
    match = re.fullmatch(r"data:([^;,]+);base64,(.*)", part[part["type"]]["url"], re.DOTALL)
    if match is None:
        raise ValueError("not a data URI")
    return SeenPart(kind, "", match[1], base64.b64decode(match[2], validate=True))


def gemini_logprobs(steps: list[tuple[str, list[tuple[str, float]]]]) -> dict[str, Any]:
    def row(token: str, logprob: float) -> dict[str, Any]:
        return {"token": token, "tokenId": len(token), "logProbability": logprob}

    chosen = [row(token, dict(others).get(token, -9.0)) for token, others in steps]
    top = [{"candidates": [row(t, p) for t, p in others]} for _, others in steps]
    mean = sum(c["logProbability"] for c in chosen) / max(len(chosen), 1)
    result = {"chosenCandidates": chosen, "topCandidates": top}
    return {"logprobsResult": result, "avgLogprobs": mean}


def openai_logprobs(steps: list[tuple[str, list[tuple[str, float]]]]) -> dict[str, Any]:
    def row(token: str, logprob: float) -> dict[str, Any]:
        return {"token": token, "logprob": logprob, "bytes": list(token.encode())}

    rows = [
        row(token, dict(others).get(token, -9.0)) | {"top_logprobs": [row(t, p) for t, p in others]}
        for token, others in steps
    ]
    return {"content": rows, "refusal": None}


def unknown_in_schema(schema: Any) -> set[str]:
    unknown = set(camel(schema)) - GEMINI_SCHEMA
    for child in (*schema.get("properties", {}).values(), schema.get("items")):
        unknown |= unknown_in_schema(child) if child else set()
    ordering = camel(schema).get("propertyOrdering")
    if ordering is not None and set(ordering) != set(schema["properties"]):
        unknown.add("propertyOrdering")
    return unknown


def strict(schema: Any) -> bool:
    """What strict mode asks for: all properties required, no others, at every depth."""
    if isinstance(schema, list):
        return all(map(strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and (
        schema.get("additionalProperties") is not False
        or set(schema["required"]) != set(schema["properties"])
    ):
        return False
    return all(map(strict, schema.values()))
