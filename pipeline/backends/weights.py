"""Where the weights of models are: a path, Demoscope's own folder, or the Hub's cache.

Nothing here touches the network; `downloads.py` does.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

MODELS_FOLDER = "DEMOSCOPE_MODELS_DIR"
"""Environment variable: a folder whose `owner/name` subfolders hold weights."""
_SAMPLE = 1 << 16
_HUB_ID = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[\w./-]{1,200}))?"
)


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that can be fetched.

    Attributes:
        repo: Hub id, `owner/name`.
        files: Files that are needed, relative to the repository. One file: its path is what
            `find_weights` returns; several: their folder.
        licence: Of the weights.
        megabytes: Size to expect, for people; 0 if unknown.
        revision: Commit or branch.
    """

    repo: str
    files: tuple[str, ...]
    licence: str
    megabytes: int
    revision: str = "main"


def find_weights(default: Weights | None, given: str) -> Path | None:
    """Find weights on this machine; None if they are not here.

    Args:
        default: What the backend uses by itself.
        given: What the user named: a path, or a Hub id (`owner/name@revision`) whose files are
            those of `default`.
    """
    if given:
        path = Path(given).expanduser()
        if path.exists():
            return path
        default = named_weights(default, given)
    if default is None:
        return None
    for folder in _folders(default):
        if all((folder / name).is_file() for name in default.files):
            return folder / default.files[0] if len(default.files) == 1 else folder
    return None


def named_weights(default: Weights | None, given: str) -> Weights | None:
    """Weights of a Hub id: the files are those of a backend's own weights; None if it is no id.

    Args:
        default: What the backend uses by itself, which says what files it needs.
        given: `owner/name` or `owner/name@revision`.
    """
    found = _HUB_ID.fullmatch(given.strip())
    if default is None or found is None or ".." in given:
        return None
    own = found["repo"] == default.repo
    return Weights(
        found["repo"],
        default.files,
        default.licence if own else "unknown",
        default.megabytes if own else 0,
        found["revision"] or "main",
    )


def models_folder() -> Path | None:
    """The user's own folder of weights, if one is set."""
    value = os.environ.get(MODELS_FOLDER)
    return Path(value).expanduser() if value else None


def hub_cache() -> Path:
    """The Hub's cache, as huggingface_hub finds it, without importing it."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser()
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface"
    )
    return Path(home).expanduser() / "hub"


def _folders(weights: Weights) -> list[Path]:
    """Folders in which the files may lie, the best first."""
    found = []
    own = models_folder()
    if own is not None:
        found.append(own / weights.repo)
    cached = hub_cache() / ("models--" + weights.repo.replace("/", "--"))
    reference = cached / "refs" / weights.revision
    try:
        commit = reference.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        commit = weights.revision
    found.append(cached / "snapshots" / commit)
    return found


def fingerprint(path: Path) -> str:
    """Identity of a file or folder of weights: equal content, equal text, on any machine.

    Sizes of all files, and three samples of 64 KiB of each (our choice: a whole hash of a
    gigabyte takes seconds; `demoscope models verify` makes it).
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.blake2b(digest_size=10)
    for file in files[:1000]:
        stat = file.stat()
        name = file.name if path.is_file() else file.relative_to(path).as_posix()
        digest.update(_sampled(str(file), name, stat.st_size, stat.st_mtime_ns))
    return digest.hexdigest()


@lru_cache(maxsize=512)
def _sampled(file: str, name: str, size: int, mtime: int) -> bytes:
    """Hash of one file's name, size and samples; `mtime` only makes the memory forget."""
    digest = hashlib.blake2b(f"{name}:{size}:".encode(), digest_size=16)
    with open(file, "rb") as stream:
        for start in sorted({0, max(size // 2 - _SAMPLE // 2, 0), max(size - _SAMPLE, 0)}):
            stream.seek(start)
            digest.update(stream.read(_SAMPLE))
    return digest.digest()


def missing_sentence(backend: str, default: Weights | None, given: str) -> str:
    """One sentence: what is missing and how to get it."""
    if given and named_weights(default, given) is not None:
        return (
            f"its weights “{given}” are not on this machine; "
            f"“demoscope models download {backend} --weights {given}” fetches them."
        )
    if given:
        return f"its weights “{given}” are not on this machine; give the path of a file or folder."
    if default is None:
        return (
            "its weights are nowhere to be fetched automatically; "
            "set the option “weights” to their path."
        )
    return (
        f"its weights are not on this machine ({default.megabytes} MB, {default.licence}); "
        f"“demoscope models download {backend}” fetches them, or Models in the menu Run."
    )
