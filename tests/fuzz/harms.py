"""Ways to harm a file: cut off, bits flipped, wrong types and hostile values in its JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CUT = 4096
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 10**9, 1e308, 10**40, "", "x", "../../../../etc/passwd", "/etc/passwd",
    "{episode_index}/../../..", "{0.__class__}", "\0", [], [[1]], {}, {"a": []}, "9" * 5000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Harm:
    """A harmed version of a file.

    Attributes:
        what: For the report.
        data: The file's new content.
    """

    what: str
    data: bytes


def cuts(good: bytes, most: int) -> Iterator[Harm]:
    """Cut off at every 4 KiB (at most `most` places, evenly), and within the first bytes."""
    places = [0, 1, 7, 100, *range(CUT, len(good), CUT), len(good) - 1]
    step = max(1, -(-len(places) // most))
    for place in sorted({min(max(p, 0), len(good)) for p in places[::step]}):
        yield Harm(f"cut to {place} of {len(good)} bytes", good[:place])


def flips(good: bytes, count: int, chance: random.Random) -> Iterator[Harm]:
    """Flip bits: one, or a burst of eight in one place; half of them in the first KiB."""
    for number in range(count if good else 0):
        data = bytearray(good)
        reach = len(good) if number % 2 else min(len(good), 1024)
        place = chance.randrange(reach)
        for offset in range(1 if number % 3 else 8):
            if place + offset < len(data):
                data[place + offset] ^= 1 << chance.randrange(8)
        yield Harm(f"bits flipped at {place}", bytes(data))


def wrong_values(good: bytes, count: int, chance: random.Random) -> Iterator[Harm]:
    """Replace one value somewhere in a JSON document by something else."""
    try:
        document = json.loads(good)
    except ValueError:
        return
    places = list(_places(document, ()))
    for _ in range(count if places else 0):
        place, wrong = chance.choice(places), chance.choice(WRONG)
        changed = json.loads(good)
        node = changed
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = wrong
        yield Harm(f"{'/'.join(map(str, place))} = {wrong!r:.40}", json.dumps(changed).encode())


def _places(node: Any, above: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if not isinstance(node, dict | list):
        return
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield (*above, key)
        yield from _places(value, (*above, key))
