"""What commands say: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Write a line to standard error (progress, warnings)."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def fail(text: str) -> int:
    """Write one sentence, on one line, to standard error; returns exit code 1."""
    note(f"demoscope: {' '.join(text.split())}")
    return 1
