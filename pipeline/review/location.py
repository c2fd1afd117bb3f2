"""Where the reviews of a dataset lie: beside it, or in the user's folder if that cannot be."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

APP = "demoscope"
DATA_DIR_VARIABLE = "DEMOSCOPE_DATA_DIR"
DATABASE_VARIABLE = "DEMOSCOPE_REVIEW_DATABASE"
"""An SQLAlchemy URL of the team's database, e.g. `postgresql+psycopg://ada@server/reviews`."""
FILE_NAME = "review.sqlite"
_NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs 9p lustre beegfs gpfs ceph afs fuse.sshfs fuse.glusterfs".split()  # noqa: SIM905
)

_HUB_SNAPSHOT = re.compile(r"(?P<repository>.*/datasets--[^/]+--[^/]+)/snapshots/[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Place:
    """A place for the store.

    Attributes:
        path: The file.
        reason: Why there, one sentence.
        beside: True if it lies beside the dataset.
    """

    path: Path
    reason: str
    beside: bool


def has_team_database() -> bool:
    """Whether reviews go to a team's database; cheap, unlike reading its address."""
    return bool(os.environ.get(DATABASE_VARIABLE, "").strip())


def sidecar(dataset: Path) -> Path:
    """The file beside the dataset folder: `<dataset>.demoscope/review.sqlite`."""
    return dataset.parent / f"{dataset.name}.{APP}" / FILE_NAME


def in_user_folder(dataset: Path, data_dir: Path | None = None) -> Path:
    """The file in the user's data folder, by the dataset's absolute path and name."""
    digest = hashlib.sha256(str(dataset).encode()).hexdigest()[:12]
    return _user_data(data_dir) / "reviews" / f"{dataset.name}-{digest}" / FILE_NAME


def outbox_place(identity: str, data_dir: Path | None = None) -> Place:
    """The file for what a team's database cannot take now.

    By what the database calls the dataset and not by its path, so that what waits is found after
    the folder was moved; in the user's folder, since a dataset may lie on the team's network, too.

    Args:
        identity: Key of the dataset, see `pipeline.review.dataset_identity`.
        data_dir: See `ReviewStore.open`.
    """
    readable = re.sub(r"[^\w.-]+", "-", identity)[:60]
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    path = _user_data(data_dir) / "outbox" / f"{readable}-{digest}.sqlite"
    return Place(path, f"What the team's database cannot take now is kept in {path}.", False)


def _user_data(data_dir: Path | None) -> Path:
    if data_dir is not None:
        return data_dir
    # lazy: only a dataset that cannot be written beside needs it, and a team
    import platformdirs

    given = os.environ.get(DATA_DIR_VARIABLE)
    return Path(given or platformdirs.user_data_dir(APP)).expanduser()


def user_place(dataset: Path, data_dir: Path | None, why: str) -> Place:
    """The place in the user's folder, with the reason for it."""
    path = in_user_folder(dataset, data_dir)
    return Place(path, f"Reviews are saved in {path.parent}, as {why}.", False)


def hub_repository(dataset: Path) -> str:
    """`owner/name` of a dataset that lies in the Hub's cache, empty for others."""
    cached = _HUB_SNAPSHOT.fullmatch(dataset.as_posix())
    if cached is None:
        return ""
    _, owner, name = Path(cached["repository"]).name.split("--", 2)
    return f"{owner}/{name}"


def choose_place(dataset: Path, data_dir: Path | None = None) -> Place:
    """Choose the place: beside the dataset unless that is impossible or it began elsewhere.

    A store that once began in the user's folder stays there, so that nothing seems lost when the
    dataset becomes writable later.
    """
    cached = _HUB_SNAPSHOT.fullmatch(dataset.as_posix())
    if cached is not None:
        # A cache is cleared without a thought, and a new commit makes a new folder.
        repository = Path(cached["repository"])
        return user_place(repository, data_dir, "the dataset lies in the Hub's cache")
    if in_user_folder(dataset, data_dir).exists():
        return user_place(dataset, data_dir, "they began there")
    beside = sidecar(dataset)
    folder = beside.parent if beside.parent.exists() else dataset.parent
    if not folder.is_dir():
        return user_place(dataset, data_dir, f"{folder} is no folder")
    writable = os.access(folder, os.W_OK) and (not beside.exists() or os.access(beside, os.W_OK))
    if not writable:
        return user_place(dataset, data_dir, f"{folder} cannot be written")
    return Place(beside, "Reviews are saved beside the dataset.", True)


def on_network(path: Path) -> bool:
    """Whether `path` lies on a file system shared over a network (Linux; else False).

    SQLite's write-ahead log needs memory that all writers share, so it must not be used there.
    """
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    best, kind = 0, ""
    text = str(path.absolute())
    for line in lines:
        parts = line.split()
        if len(parts) < 3:
            continue
        mount = parts[1].replace("\\040", " ")
        inside = text == mount or text.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= best:
            best, kind = len(mount), parts[2]
    return kind in _NETWORK
