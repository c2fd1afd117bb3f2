"""`python -m tests.fuzz [--amount N] [--seed S] [FORMAT ...]`: harm datasets, print a table."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.fuzz.campaign import Opener, harm_all
from tests.fuzz.toys import TOYS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=list(TOYS))
    parser.add_argument("--amount", type=int, default=200, help="cuts and flips per file")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failed = 0
    print("format          cases noticed   slowest  peak MiB  failures  said")
    for name in options.formats:
        with tempfile.TemporaryDirectory(prefix="demoscope-fuzz-") as place:
            folder = Path(place) / "data"
            opener = Opener(Path(place) / "home")
            dataset = TOYS[name](folder)
            tally = harm_all(dataset, folder, opener, options.amount, options.seed)
            opener.close()
        failed += len(tally.failures)
        said = ", ".join(f"{code} {n}" for code, n in tally.codes.most_common(6))
        print(
            f"{name:14} {tally.cases:6} {tally.noticed:7} {tally.slowest[0]:7.2f} s "
            f"{tally.peak / 2**20:9.0f} {len(tally.failures):9}  {said}",
            flush=True,
        )
        for failure in tally.failures[:8]:
            print("   ", failure.replace("\n", "\n    "))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
