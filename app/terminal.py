"""What commands say: results to standard output, everything else to standard error."""

from __future__ import annotations

import errno
import os
import sys

_OUTPUT = "standard output"


def say(text: str) -> None:
    """Write a line to standard output.

    Raises:
        BrokenPipeError: Its reader has enough.
        OSError: It takes nothing (a full disk, closed by `>&-`); the error names it.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), _OUTPUT)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, _OUTPUT) from error


def note(text: str) -> None:
    """Write a line to standard error (progress, warnings), if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def progress(share: float, what: str) -> None:
    """Show how far something is, on a terminal only: one line, written over."""
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}" if share < 1 else "\r\x1b[K")
        sys.stderr.flush()


def fail(text: str) -> int:
    """Write one sentence, on one line, to standard error; returns exit code 1."""
    note(f"demoscope: {' '.join(text.split())}")
    return 1
