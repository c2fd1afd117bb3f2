"""Exported files: whole or not there, and nobody's file is replaced unasked."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from pathlib import Path

from pipeline.model.problem import DataError


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise DataError if a file would be replaced that nobody said may be."""
    if path.is_dir():
        raise DataError("is_a_folder", f"{path} is a folder")
    if path.exists() and not force:
        raise DataError("file_exists", f"{path} is there already; --force replaces it")


def write_export(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file that is whole or not there; its folder is made.

    Args:
        path: Where.
        data: Its content.
        force: Replace what is there; otherwise a file that came meanwhile stays, too.

    Raises:
        DataError: `file_exists`.
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        if force or not _linked(temporary, path):
            os.replace(temporary, path)
    except FileExistsError:
        refuse_existing(path, force=force)
        raise
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _linked(temporary: Path, path: Path) -> bool:
    """Put a file in place unless there is one; False where the file system knows no links.

    Raises:
        FileExistsError: There is one.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EROFS):
            raise
        refuse_existing(path, force=False)
        return False
    return True
