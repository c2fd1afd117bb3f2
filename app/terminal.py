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


def progress(share: float, what: str) -> None:
    """Show how far something is, on a terminal only: one line, written over."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}" if share < 1 else "\r\x1b[K")
        sys.stderr.flush()


def fail(text: str) -> int:
    """Write one sentence, on one line, to standard error; returns exit code 1."""
    note(f"demoscope: {' '.join(text.split())}")
    return 1
