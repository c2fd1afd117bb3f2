"""Fetches weights of models from the Hub into its cache, and checks every byte of them.

The layout is huggingface_hub's, so what other programs fetched counts and what we fetch serves
them. Unlike huggingface_hub 2 a file that was cut short is continued, its whole checksum is
compared with what the Hub announced, and a revision is named as the current one only when all of
its files are here: an interrupted download leaves what was there before in force.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.backends.checksums import digest_of, is_digest
from pipeline.backends.weights import Weights, find_weights, hub_cache
from pipeline.model.problem import Cancelled, DataError
from pipeline.sources.hub.failures import hub_failures, is_offline, need_hub

log = logging.getLogger(__name__)

Report = Callable[[float, str], None]
"""Share 0..1 and what is being done."""

_ATTEMPTS = 5
"""Interruptions in a row without a new byte, after which we give up."""
_PAUSE = 2.0
"""Seconds before the first new attempt; each further one waits twice as long."""
_RESERVE = 200 << 20
"""Bytes of the disk that stay free (our choice)."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What the Hub says about a file.

    Attributes:
        name: Path in the repository.
        url: Where it is.
        commit: Of the revision.
        digest: sha256 (64 hex digits) of large files, git's sha1 (40) of small ones.
        size: Bytes.
    """

    name: str
    url: str
    commit: str
    digest: str
    size: int


def licence_on_hub(repo: str) -> str:
    """The licence that a model's page names, e.g. `cc-by-nc-4.0`; empty if that is not known."""
    need_hub(f"asking the Hub about {repo}")
    from huggingface_hub import HfApi

    try:
        with hub_failures("model", repo, "main", lambda: False, "wait"):
            tags = HfApi(endpoint=_endpoint()).model_info(repo, timeout=10).tags or []
    except DataError as error:
        log.info("licence of %s: %s", repo, error)
        return ""
    return next((str(t).partition(":")[2] for t in tags if str(t).startswith("license:")), "")


def is_restricted(licence: str) -> bool:
    """True for licences that forbid some uses, so that a person has to accept them."""
    return re.search(r"\bnc\b|non-?commercial", licence.lower()) is not None


def download(weights: Weights, report: Report, cancelled: Callable[[], bool]) -> Path:
    """Bring weights into the Hub's cache, whole and checked; what is there already is checked.

    Args:
        weights: What to fetch.
        report: Told how far it is, at least for every MB.
        cancelled: Asked at least for every MB.

    Returns:
        What `find_weights` finds.

    Raises:
        DataError: One sentence: no package, no such model or file, no access, no network, no
            space, another content than announced.
        Cancelled: By `cancelled`; what has come is continued the next time.
    """
    need_hub(f"fetching {weights.repo}", "models")
    files = _announced(weights, cancelled)
    total = sum(f.size for f in files)
    storage = hub_cache() / ("models--" + weights.repo.replace("/", "--"))
    _check_space(storage, files)
    done = 0
    for file in files:
        before = done

        def tell(size: int, what: str, before: int = before) -> None:
            if cancelled():
                raise Cancelled
            text = f"{what}: {(before + size) / 1e6:.1f} of {total / 1e6:.1f} MB"
            report((before + size) / max(total, 1), text)

        with _locked(storage, file), _failures(weights, cancelled):
            _bring(file, storage, tell, cancelled)
        done += file.size
    with _failures(weights, cancelled):
        _publish(weights, files, storage)
    found = find_weights(weights, "")
    if found is None:
        raise DataError("hub_failed", f"{weights.repo} was fetched but is not found in {storage}.")
    return found


# -- what the Hub says ---------------------------------------------------------------------------


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _failures(weights: Weights, cancelled: Callable[[], bool]) -> Any:
    otherwise = f"copy its files into a folder {weights.repo} of DEMOSCOPE_MODELS_DIR"
    return hub_failures("model", weights.repo, weights.revision, cancelled, otherwise)


def _announced(weights: Weights, cancelled: Callable[[], bool]) -> tuple[RemoteFile, ...]:
    """Ask the Hub for size and checksum of all files, of one commit."""
    with _failures(weights, cancelled):
        from huggingface_hub import errors

        if is_offline():
            raise errors.OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
        files: list[RemoteFile] = []
        for name in weights.files:
            if cancelled():
                raise Cancelled
            revision = files[0].commit if files else weights.revision
            files.append(_ask(weights, name, revision))
    return tuple(files)


def _ask(weights: Weights, name: str, revision: str) -> RemoteFile:
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(weights.repo, name, revision=revision, endpoint=_endpoint())
    try:
        about = get_hf_file_metadata(url, timeout=10, endpoint=_endpoint())
    except errors.EntryNotFoundError as error:
        raise DataError(
            "no_such_file",
            f"{weights.repo} on the Hub has no file {name}, which this backend needs; name other "
            "weights.",
        ) from error
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled):
        raise
    except Exception as error:
        # No connection: the exceptions are those of the HTTP library.
        raise errors.LocalEntryNotFoundError(str(error)) from error
    if not about.commit_hash or not about.etag or about.size is None:
        raise DataError(
            "hub_failed", f"the Hub does not say what {name} of {weights.repo} is: try again later."
        )
    return RemoteFile(name, url, about.commit_hash, about.etag, about.size)


def _check_space(storage: Path, files: tuple[RemoteFile, ...]) -> None:
    """Refuse what does not fit on the disk, before hours are spent."""
    storage.mkdir(parents=True, exist_ok=True)
    here = sum(_size(_blob(storage, f)) or _size(_partial(storage, f)) for f in files)
    needed = sum(f.size for f in files) - here
    free = shutil.disk_usage(storage).free
    if needed > 0 and needed + _RESERVE > free:
        raise DataError(
            "no_space",
            f"{needed / 1e9:.1f} GB are to be fetched and {storage} has {free / 1e9:.1f} GB free; "
            "make room or set HF_HUB_CACHE to a folder on another disk.",
        )


# -- bytes ---------------------------------------------------------------------------------------


def _blob(storage: Path, file: RemoteFile) -> Path:
    return storage / "blobs" / file.digest


def _partial(storage: Path, file: RemoteFile) -> Path:
    """The name by which older versions of huggingface_hub continue a file, too."""
    return storage / "blobs" / f"{file.digest}.incomplete"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _locked(storage: Path, file: RemoteFile) -> Any:
    """The lock under which huggingface_hub fetches the same file."""
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # no __all__

    lock = storage.parent / ".locks" / storage.name / f"{file.digest}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    return WeakFileLock(lock)


def _bring(
    file: RemoteFile,
    storage: Path,
    tell: Callable[[int, str], None],
    cancelled: Callable[[], bool],
) -> None:
    """Make sure that the blob of a file is here and right."""
    blob, partial = _blob(storage, file), _partial(storage, file)
    if blob.exists():
        if _is_right(blob, file, tell):
            return
        log.warning("%s is broken and is fetched again", blob)
        blob.unlink()
    blob.parent.mkdir(parents=True, exist_ok=True)
    for again in (False, True):
        _fetch(file, partial, tell, cancelled)
        if _is_right(partial, file, tell):
            os.replace(partial, blob)
            return
        # A continued file may have begun wrong: once more, from its first byte.
        partial.unlink(missing_ok=True)
        if again:
            break
    raise DataError(
        "bad_checksum",
        f"{file.name} came with another content than the Hub announced ({file.digest[:12]}…); "
        "nothing of it is kept: try again, perhaps without the proxy in between.",
    )


def _is_right(path: Path, file: RemoteFile, tell: Callable[[int, str], None]) -> bool:
    if _size(path) != file.size:
        return False
    if not is_digest(file.digest):
        return True  # A mirror with checksums of its own: the size is all that can be compared.

    def at_its_end(_read: int) -> None:
        tell(file.size, f"checking {file.name}")

    return digest_of(path, file.digest, at_its_end) == file.digest


def _fetch(
    file: RemoteFile,
    partial: Path,
    tell: Callable[[int, str], None],
    cancelled: Callable[[], bool],
) -> None:
    """Append what is missing; interruptions are waited for."""
    if _size(partial) > file.size:
        partial.unlink()
    partial.touch()
    failures = 0
    while _size(partial) < file.size:
        before = _size(partial)
        try:
            _stream(file, partial, tell)
        except (Cancelled, DataError):
            raise
        except Exception as error:
            if cancelled():
                raise Cancelled from error
            failures = 1 if _size(partial) > before else failures + 1
            if failures >= _ATTEMPTS or not _is_passing(error):
                raise
            log.info("%s: %s; going on", file.name, error)
            _wait(_PAUSE * 2.0 ** (failures - 1), cancelled)


def _is_passing(error: Exception) -> bool:
    """True if trying again may help: a cut connection, a busy server."""
    response = getattr(error, "response", None)
    if response is not None:
        return response.status_code in (408, 429, 500, 502, 503, 504)
    return not isinstance(error, OSError) or isinstance(error, ConnectionError)


def _stream(file: RemoteFile, partial: Path, tell: Callable[[int, str], None]) -> None:
    from huggingface_hub import get_session
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # no __all__
        build_hf_headers,
        hf_raise_for_status,
    )

    done = _size(partial)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    with get_session().stream(
        "GET", file.url, headers=headers, timeout=20, follow_redirects=True
    ) as response:
        hf_raise_for_status(response)
        if response.status_code != 206:
            done = 0  # The server does not continue files.
        with partial.open("ab" if done else "wb") as stream:
            for block in response.iter_bytes():
                stream.write(block)
                done += len(block)
                if done > file.size:
                    break
                tell(done, file.name)
    if done > file.size:
        partial.unlink()
        raise DataError("bad_checksum", f"{file.name} is longer than the Hub announced; try again.")


def _wait(seconds: float, cancelled: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if cancelled():
            raise Cancelled
        time.sleep(min(left, 0.1))


# -- the cache's layout --------------------------------------------------------------------------


def _publish(weights: Weights, files: tuple[RemoteFile, ...], storage: Path) -> None:
    """Name the blobs in a snapshot, then name the snapshot."""
    from huggingface_hub import hf_hub_download

    commit = files[0].commit
    for file in files:
        # With the blob in place this makes the link, or a copy where links cannot be made.
        hf_hub_download(
            weights.repo,
            file.name,
            revision=commit,
            cache_dir=str(storage.parent),
            endpoint=_endpoint(),
            etag_timeout=10,
        )
    if weights.revision != commit:
        reference = storage / "refs" / weights.revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        temporary = reference.with_name(f"{reference.name}.{os.getpid()}.tmp")
        temporary.write_text(commit, encoding="ascii")
        os.replace(temporary, reference)
