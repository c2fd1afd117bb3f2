"""Datasets of the Hugging Face Hub, by their id, through huggingface_hub and its cache.

A LeRobot dataset is opened from its metadata alone; the files of an episode come when it is
opened. Other formats are fetched whole if they are small. What is in the cache opens offline.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.model.problem import Cancelled, DataError
from pipeline.sources.hub.failures import hub_failures, is_offline, need_hub

Report = Callable[[float, str], None]
"""Share 0..1 and what is being done."""

_ID = re.compile(
    r"(?:hf://datasets/|https?://[\w.:-]+/datasets/)?"
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})"
    r"(?:@(?P<revision>[\w./-]{1,200})|/tree/(?P<tree>[\w.-]{1,200}))?/?"
)
_WHOLE_BYTES = 2 << 30
"""Formats other than LeRobot are fetched whole up to this size (our choice: a coffee break)."""
_METADATA = ("meta/*", "*.json", "README.md")


@dataclass(frozen=True, slots=True)
class HubName:
    """A dataset on the Hub.

    Attributes:
        repo: `owner/name`.
        revision: Branch, tag or commit.
    """

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return self.repo if self.revision == "main" else f"{self.repo}@{self.revision}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A dataset's revision in the cache.

    Attributes:
        name: What was asked for.
        folder: Where its files are; not all of them need be there.
        sizes: Bytes of every file of the revision by its path, empty if unknown (offline).
    """

    name: HubName
    folder: Path
    sizes: dict[str, int]


def hub_name(text: str) -> HubName | None:
    """Read `owner/name`, `owner/name@revision`, an `hf://datasets/…` or a web address.

    Returns:
        The name, or None if it is something else, among it every path that exists here.
    """
    found = _ID.fullmatch(text.strip())
    if found is None or ".." in text or Path(text).expanduser().exists():
        return None
    return HubName(found["repo"], found["revision"] or found["tree"] or "main")


def fetch_metadata(name: HubName, report: Report, cancelled: Callable[[], bool]) -> Snapshot:
    """Fetch what says what the dataset holds; of small datasets of other formats everything.

    Raises:
        DataError: One sentence: no package, no such dataset, no access, no network and not cached,
            too large.
        Cancelled: By `cancelled`.
    """
    folder = _download(name, _METADATA, report, cancelled)
    sizes = _sizes(name)
    snapshot = Snapshot(name, folder, sizes)
    if (folder / "meta" / "info.json").is_file() or not sizes:
        return snapshot
    total = sum(sizes.values())
    if total > _WHOLE_BYTES:
        raise DataError(
            "too_large",
            f"{name} is no LeRobot dataset and holds {total / 1e9:.0f} GB in {len(sizes)} files: "
            f"fetch a part with “hf download --repo-type dataset {name.repo} --include …” and open "
            "its folder",
        )
    _download(name, None, report, cancelled)
    return snapshot


def fetch_files(
    snapshot: Snapshot, files: Iterable[str], report: Report, cancelled: Callable[[], bool]
) -> None:
    """Fetch files of a snapshot that are not in the cache. Raises as `fetch_metadata`."""
    missing = [f for f in files if not (snapshot.folder / f).exists()]
    if snapshot.sizes:
        missing = [f for f in missing if f in snapshot.sizes]
    if missing:
        name = HubName(snapshot.name.repo, snapshot.folder.name)
        _download(name, [_literal(f) for f in missing], report, cancelled)


def _literal(path: str) -> str:
    """A pattern that matches exactly this path."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def _download(
    name: HubName,
    patterns: Iterable[str] | None,
    report: Report,
    cancelled: Callable[[], bool],
) -> Path:
    need_hub(f"opening {name} from the Hub")
    from huggingface_hub import snapshot_download

    with hub_failures("dataset", str(name), name.revision, cancelled, "open a local folder"):
        folder = snapshot_download(
            name.repo,
            repo_type="dataset",
            revision=name.revision,
            allow_patterns=None if patterns is None else list(patterns),
            cache_dir=os.environ.get("HF_HUB_CACHE") or None,
            endpoint=os.environ.get("HF_ENDPOINT") or None,
            local_files_only=is_offline(),
            tqdm_class=_bar(str(name), report, cancelled),
            etag_timeout=10,
        )
    return Path(str(folder)).resolve()


def _sizes(name: HubName) -> dict[str, int]:
    from huggingface_hub import errors, get_cached_repo_tree

    try:
        files = get_cached_repo_tree(
            name.repo,
            repo_type="dataset",
            revision=name.revision,
            cache_dir=os.environ.get("HF_HUB_CACHE") or None,
        )
    except (errors.CachedRepoTreeNotFoundError, OSError, ValueError):
        return {}
    return {str(f.path): int(f.size or 0) for f in files}


def _bar(title: str, report: Report, cancelled: Callable[[], bool]) -> type[Any]:
    """Make the progress class that huggingface_hub wants: it tells us instead of a terminal."""
    from tqdm.auto import tqdm

    lock = threading.Lock()

    class Bar(tqdm):  # type: ignore[misc]  # untyped
        """Counts the bytes written; the bar of the network is left out."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._counts = kwargs.get("unit") == "B" and "Reconstructing" in str(
                kwargs.get("desc", "")
            )
            self._done = 0
            kwargs["disable"] = True
            kwargs.pop("name", None)
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            """Report, or stop the download."""
            if cancelled():
                raise Cancelled
            if self._counts:
                with lock:
                    self._done += int(n or 0)
                    total = max(int(self.total or 0), self._done, 1)
                    text = f"{title}: {self._done / 1e6:.1f} of {total / 1e6:.1f} MB"
                    report(self._done / total, text)
            return None

    return Bar
