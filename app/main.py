"""Entry point. Imports nothing heavy: `demoscope --help` must not wait for Qt."""

from __future__ import annotations

import sys


def _guard() -> None:
    """Refuse to run another distribution's `app` or `pipeline` (our packages are top-level)."""
    import pathlib

    import pipeline

    here = pathlib.Path(__file__).resolve().parent
    theirs = pathlib.Path(pipeline.__file__ or "").resolve().parent
    if theirs.parent != here.parent:
        sys.stderr.write(
            f"demoscope: another package named “pipeline” ({theirs}) hides ours beside {here}; "
            "install demoscope in its own environment (pipx or uv tool)\n"
        )
        raise SystemExit(1)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the console script."""
    import multiprocessing
    import os

    multiprocessing.freeze_support()
    # Or pydantic looks through all that is installed for plugins when it checks the first file.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _guard()
    from app.cli import run

    return run(sys.argv[1:] if arguments is None else arguments)


def main_gui() -> int:
    """Open the window on the path given, if any; the GUI script."""
    return main(["open", *sys.argv[1:]])


if __name__ == "__main__":
    raise SystemExit(main())
