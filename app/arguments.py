"""Arguments that more than one command reads."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse_size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT; ValueError with one sentence."""
    parts = text.lower().split("x")
    if len(parts) == 2 and all(
        p.isdecimal() and len(p) < 6 and 1 <= int(p) <= 10_000 for p in parts
    ):
        return int(parts[0]), int(parts[1])
    raise ValueError(f"--size: expected WIDTHxHEIGHT such as 1280x800, got “{text}”")


def parse_episodes(text: str, known: list[int]) -> list[int]:
    """Read `0,2-5` against the dataset's episode indices; ValueError with one sentence."""
    wanted: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"--episodes: expected numbers and ranges such as 0,2-5, got “{text}”")
        low, high = int(first), int(last) if dash else int(first)
        if low > high:
            raise ValueError(f"--episodes: the range {low}-{high} runs backwards")
        inside = [i for i in known if low <= i <= high]
        if not inside:
            raise ValueError(f"--episodes: the dataset has no episode {part.strip()}")
        wanted.extend(i for i in inside if i not in wanted)
    return wanted


def index(text: str) -> int:
    """Read an index from 0; argparse tells what it should have been."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("expected a whole number from 0")
    return number


def text_of_ranges(numbers: Sequence[int], most: int = 20) -> str:
    """Numbers as `parse_episodes` reads them, e.g. `0, 2-5`.

    Args:
        numbers: Rising.
        most: Ranges that are written; the rest is an ellipsis.
    """
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    shown = [f"{low}-{high}" if low < high else str(low) for low, high in ranges[:most]]
    return ", ".join([*shown, "…"] if len(ranges) > most else shown)


def split_path(text: str) -> tuple[str, int | None]:
    """Split PATH#EPISODE; a `#` that is part of an existing path stays in it."""
    path, hash_sign, episode = text.rpartition("#")
    if hash_sign and episode.isdecimal() and not Path(text).exists():
        return path, int(episode)
    return text, None


def named_episode(path: str) -> int | None:
    """Episode that a file or folder inside a dataset is part of, if it names one.

    Raises:
        DataError: It exists and belongs to no known dataset.
    """
    from pipeline.sources.detect import recognise

    place = Path(path).expanduser()
    return recognise(place)[1].episode if place.exists() else None
