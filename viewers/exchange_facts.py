"""What there is to know about a question to a model and its answer, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.model.drafting import CaptionVersion, PartKind, SentPart, SentRequest
from viewers.sent_pictures import DecodedPart

NO_PRICE = "no price known"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact.

    Attributes:
        text: As it is shown.
        about: What it is: definition, unit, source.
    """

    text: str
    about: str


def version_title(number: int, version: CaptionVersion) -> str:
    """What a version is called, e.g. `revision 1 (gemini-2.5-flash)`."""
    who = version.model or version.drafter
    return f"{'draft' if number == 0 else f'revision {number}'} ({who})"


def cost_text(cost: float | None) -> str:
    """US dollars with two places, or three significant figures below one dollar."""
    if cost is None:
        return NO_PRICE
    if cost >= 1 or cost <= 0:
        return f"${cost:.2f}"
    return f"${cost:.{2 - math.floor(math.log10(cost))}f}"


def size_text(count: int) -> str:
    """Bytes for people."""
    return f"{count:,} B" if count < 10_000 else f"{count / 1000:,.1f} kB"


def request_facts(request: SentRequest, title: str = "") -> tuple[Fact, ...]:
    """Recipe and sizes of a request."""
    pictures = sum(p.kind is not PartKind.TEXT for p in request.parts)
    size = sum(int(p.data.size) for p in request.parts)
    size += sum(len(p.text.encode()) for p in request.parts) + len(request.system.encode())
    name = title or request.recipe
    identity = request.recipe_identity
    return (
        Fact(
            f"{name} ({identity})" if identity and name != identity else name or "no recipe",
            "Recipe: its title and its identity (name, version, hash of all that decides what is"
            " sent; resources/recipes)",
        ),
        Fact(
            f"{len(request.parts)} parts, {pictures} of them pictures or videos, {size_text(size)}",
            "Parts of the request in their order, and the bytes of pictures and texts together,"
            " before the protocol's own encoding",
        ),
    )


def version_facts(version: CaptionVersion, title: str = "") -> tuple[Fact, ...]:
    """All that is known about how a version came to be."""
    exchange = version.exchange
    if exchange is None:
        return (Fact(version.drafter, "Who wrote it; nothing was sent"),)
    reply = exchange.reply
    found = [
        *request_facts(exchange.request, title),
        Fact(version.drafter, "Backend: the protocol that was spoken"),
        Fact(reply.model or version.model, "Model, as the server names it"),
        Fact(
            f"request {reply.request_id}" if reply.request_id else "no request id",
            "Id that the server gave to the request; its support asks for it",
        ),
        Fact(
            f"{reply.tokens_in:,} tokens in, {reply.tokens_out:,} out",
            "Tokens as the server counts them; thoughts count as written",
        ),
        Fact(
            cost_text(reply.cost),
            "US dollars: tokens times the price list that came with Demoscope, no bill",
        ),
        Fact(f"{reply.seconds:.1f} s", "From question to answer in seconds, with all repeats"),
    ]
    if reply.cached:
        found.append(
            Fact(
                "kept answer",
                "Equal pictures, texts and model were asked before: nothing was sent this time",
            )
        )
    elif reply.requests > 1:
        found.append(Fact(f"{reply.requests} requests", "Sent for it, the refused ones included"))
    if reply.at:
        found.append(Fact(reply.at, "When it was asked, UTC"))
    if reply.dropped:
        found.append(
            Fact(f"not taken: {', '.join(reply.dropped)}", "Options that the server did not take")
        )
    return tuple(found)


def part_title(part: SentPart, number: int, found: DecodedPart | None = None) -> str:
    """The line above a part."""
    head = f"{number} · {part.role or part.kind.value}"
    if part.kind is PartKind.TEXT:
        return f"{head} · {len(part.text):,} characters"
    words = [head]
    if part.frames:
        first, last = min(part.frames), max(part.frames)
        words.append(f"frames {first}–{last}" if first != last else f"frame {first}")
    words.append(f"{part.mime or part.kind.value} {part.width} x {part.height}")
    words.append(size_text(int(part.data.size)))
    if part.kind is PartKind.VIDEO and found is not None:
        if math.isfinite(found.seconds):
            words.append(f"{found.seconds:.1f} s")
        if found.count:
            words.append(f"{found.count} frames")
        if found.rgb is not None:
            words.append("its first frame is shown")
    return " · ".join(words)


def card_title(part: SentPart, number: int) -> str:
    """The line above one of several small pictures; its frame stands below it."""
    return f"{number} · {size_text(int(part.data.size))}"


def file_name(part: SentPart, number: int) -> str:
    """Name under which the bytes of a part are suggested to be saved."""
    kind = part.mime.rpartition("/")[2].partition(";")[0].strip().lower()
    ending = {"jpeg": "jpg", "png": "png", "webp": "webp", "mp4": "mp4", "webm": "webm"}
    role = "".join(c if c.isalnum() else "-" for c in part.role) or part.kind.value
    return (
        f"part-{number}-{role}.{ending.get(kind, 'txt' if part.kind is PartKind.TEXT else 'bin')}"
    )
