"""The one check command: what CI runs, what people run, in the order of the fastest first."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("format", [str(BIN / "ruff"), "format", "--check", "."]),
    ("lint", [str(BIN / "ruff"), "check", "."]),
    ("layers", [str(BIN / "lint-imports"), "--no-cache"]),
    ("types", [str(BIN / "mypy")]),
    ("tests", [sys.executable, "-m", "pytest"]),
)


def main(only: list[str]) -> int:
    """Run all checks, or those named; go on after a failure so that one run shows everything."""
    environment = dict(os.environ)
    environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    failed = []
    for name, command in CHECKS:
        if only and name not in only:
            continue
        start = time.perf_counter()
        print(f"== {name}", flush=True)
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        print(f"   {name}: {'ok' if code == 0 else 'FAILED'} ({time.perf_counter() - start:.0f} s)")
        if code:
            failed.append(name)
    print("all checks passed" if not failed else f"failed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
