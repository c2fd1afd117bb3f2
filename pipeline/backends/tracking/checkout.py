"""Python code that a user cloned: found, imported without a trace, told what it lacks.

Some trackers are no packages: their authors publish a repository, and its licence or its layout
forbids to ship it. The user clones it; nothing here touches the network.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from pipeline.backends.backend import ModelBackend, ModelSettings, is_installed
from pipeline.backends.weights import find_weights, fingerprint, missing_sentence, models_folder
from pipeline.model.problem import Cancelled, DataError


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of code that a user may have cloned.

    Attributes:
        owner: On GitHub.
        name: On GitHub.
        marker: File that tells it from other folders, relative to its root.
        checkpoint: File name of its weights.
    """

    owner: str
    name: str
    marker: str
    checkpoint: str

    @property
    def address(self) -> str:
        """Where to clone it from."""
        return f"https://github.com/{self.owner}/{self.name}"

    def holds(self, folder: Path) -> bool:
        """Whether a folder is a clone."""
        return (folder / self.marker).is_file()


@dataclass(frozen=True, slots=True)
class Checkout:
    """What was found on this machine.

    Attributes:
        code: Root of the clone, None if there is none.
        checkpoint: File of the weights, None if there is none.
        named: Whether the user's text led to the code.
    """

    code: Path | None
    checkpoint: Path | None
    named: bool = False


def find_checkout(repository: Repository, given: str) -> Checkout:
    """Find code and checkpoint; cheap, imports nothing.

    Code: the named folder, or the nearest folder above the named file that is a clone; else
    `owner/name` in Demoscope's folder of weights; else the cache of torch.hub. Checkpoint: the
    named file; else in the named folder, in the clone, in its folder `checkpoints`, beside it, or
    among torch.hub's checkpoints. The Hub's cache is left to the caller: it knows the Hub id.

    Args:
        repository: What to look for.
        given: Folder of the clone, file of the checkpoint, or a Hub id; empty for none.
    """
    path = Path(given).expanduser() if given else None
    if path is not None and path.is_dir():
        near = (path, path / repository.name, path.parent)
        code = next((p for p in near if repository.holds(p)), None)
        folders = [path] if code is None else [path, code, code / "checkpoints", code.parent]
        return Checkout(code, _first(folders, repository), code is not None)
    code = None
    if path is not None and path.is_file():
        code = next((p for p in path.parents[:3] if repository.holds(p)), None)
        code = code or next((p for p in _siblings(path) if repository.holds(p)), None)
    named = code is not None
    code = code or _cached_code(repository)
    if path is not None:
        return Checkout(code, path if path.is_file() else None, named)
    folders = [torch_hub() / "checkpoints"]
    if code is not None:
        folders = [code, code / "checkpoints", code.parent, *folders]
    return Checkout(code, _first(folders, repository))


def _first(folders: list[Path], repository: Repository) -> Path | None:
    files = (folder / repository.checkpoint for folder in folders)
    return next((f for f in files if f.is_file()), None)


def _siblings(file: Path) -> list[Path]:
    """Folders beside a file."""
    return sorted(p for p in file.parent.iterdir() if p.is_dir())


def _cached_code(repository: Repository) -> Path | None:
    own = models_folder()
    places = [] if own is None else [own / repository.owner / repository.name]
    places += sorted(torch_hub().glob(f"{repository.owner}_{repository.name}_*"))
    return next((p for p in places if repository.holds(p)), None)


def torch_hub() -> Path:
    """The cache of torch.hub, as torch finds it, without importing torch."""
    home = os.environ.get("TORCH_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch"
    )
    return Path(home).expanduser() / "hub"


def imported_names(folder: Path) -> frozenset[str]:
    """Top-level modules that the Python files of a folder import outside of functions."""
    names = set()
    for file in sorted(folder.glob("*.py")):
        text = file.read_text(encoding="utf-8", errors="replace")
        names.update(re.findall(r"^(?:from|import)[ \t]+(\w+)", text, re.MULTILINE))
    return frozenset(names)


@contextmanager
def imports_from(folder: Path, roots: tuple[str, ...]) -> Iterator[None]:
    """Import top-level names from a folder, whatever else has those names, and leave no trace.

    Clones have modules called `utils` or `nets`, often without `__init__.py`; a package of that
    name anywhere on the path would win over them. So the names are bound to the folder by hand,
    and afterwards `sys.modules` and the random numbers are as before. What was imported lives on
    in the objects that were made from it.

    Args:
        folder: Root of the clone.
        roots: Top-level names that live there.
    """
    import torch

    before = _taken(roots)
    state = torch.random.get_rng_state()  # Clones seed the generator when they are imported.
    path = list(sys.path)
    try:
        for root in roots:
            if not (folder / root / "__init__.py").is_file():
                package = types.ModuleType(root)
                package.__path__ = [str(folder / root)]
                sys.modules[root] = package
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
        yield
    finally:
        _taken(roots)
        sys.modules.update(before)
        sys.path[:] = path
        torch.random.set_rng_state(state)


def _taken(roots: tuple[str, ...]) -> dict[str, types.ModuleType]:
    """Take modules out of `sys.modules`."""
    names = [n for n in sys.modules if n.partition(".")[0] in roots]
    return {n: sys.modules.pop(n) for n in names}


class ClonedBackend(ModelBackend):
    """Base of the backends whose code the user clones.

    The option `weights` names the folder of the clone, or the file of the checkpoint if it lies in
    or beside the clone; see `find_checkout` for where both are found otherwise.

    Coordinates are fractions of pixels, so `auto` means float32 here, on every device (our choice;
    both authors' demonstrations do the same). Half precision runs under autocast.

    Attributes:
        repository: What to clone.
        packages_of_code: Modules that its code imports beside torch and numpy; asked for only if
            the clone really imports them.
        code_folders: Folders of the clone that are searched for such imports.
        code: Root of the clone, None if it is not on this machine.
        checkpoint: File of the weights, None likewise.
    """

    repository: ClassVar[Repository]
    packages_of_code: ClassVar[tuple[str, ...]] = ()
    code_folders: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.configure(ModelSettings())

    def configure(self, settings: ModelSettings) -> None:
        """Take the settings and find code and checkpoint."""
        found = find_checkout(self.repository, settings.weights)
        self.code = found.code
        given = settings.weights if not Path(settings.weights or ".").expanduser().exists() else ""
        self.checkpoint = found.checkpoint or find_weights(self.weights, given)
        precision = "float32" if settings.precision == "auto" else settings.precision
        weights = settings.weights if self.checkpoint is None else str(self.checkpoint)
        self.settings = replace(settings, weights=weights, precision=precision)
        self._named = settings.weights

    def available(self) -> str | None:
        """Return None if code, packages, checkpoint and consent are here, else one sentence."""
        if self.code is None:
            named = f"“{self._named}” holds no clone; " if self._named else ""
            return (
                f"{named}its code is not on this machine and may not be shipped or is no package; "
                f"git clone {self.repository.address} and set the option “weights” to its folder."
            )
        imported = frozenset[str]().union(
            *(imported_names(self.code / folder) for folder in self.code_folders)
        )
        for module in self.packages_of_code:
            if module in imported and not is_installed(module):
                return (
                    f"its code imports the package {module}, which is not installed; "
                    f"pip install {module}."
                )
        if self.checkpoint is None:
            given = self._named if self._named and not Path(self._named).exists() else ""
            return missing_sentence(self.name, self.weights, given)
        return super().available()

    def identity(self) -> str:
        """Name and content of the checkpoint; the code of the clone does not enter."""
        found = fingerprint(self.checkpoint) if self.checkpoint is not None else "none"
        return f"{self.name}:{found}"

    @contextmanager
    def importing(self, *roots: str) -> Iterator[Path]:
        """Import from the clone; see `imports_from`. Gives its root.

        Raises:
            DataError: `no_code` if there is no clone, `bad_code` if it does not import.
        """
        if self.code is None:
            raise DataError("no_code", f"{self.name}: {self.available()}")
        try:
            with imports_from(self.code, roots):
                yield self.code
        except (Cancelled, DataError, MemoryError):
            raise
        except Exception as error:
            # Other people's code raises anything when it is imported.
            raise DataError(
                "bad_code",
                f"the clone {self.code.name} does not import as {self.name} "
                f"({type(error).__name__}: {error}); pull it again, or mend the package that it "
                "names.",
            ) from error
