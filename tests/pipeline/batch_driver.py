"""The real command line with the short pipeline of `batch_toys`: `python -m ... annotate ...`."""

from __future__ import annotations

import sys


def main() -> int:
    # Not at the top: worker processes import this module, too.
    import app.annotate_command as command
    import app.batch_annotation as batch
    from app.main import main as demoscope
    from tests.pipeline.batch_toys import graph

    command.standard_graph = graph
    batch.GRAPH = "tests.pipeline.batch_toys:graph"
    return demoscope(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
