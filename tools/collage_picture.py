"""Makes docs/collage.png: the pictures of a request as the default recipe sends them.

    python -m tools.collage_picture [DATASET EPISODE SUBTASK [OUT]]

Nothing is sent. The arms of the sample's episode 4 take turns, so past and future are shown.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.settings import paths
from pipeline.annotate import annotate_episode, standard_graph
from pipeline.backends.captioning.recipes import DEFAULT_RECIPE, load_recipes
from pipeline.backends.captioning.request import build_request
from pipeline.engine.cache import ResultCache
from pipeline.model.drafting import PartKind, SentRequest
from pipeline.sources.detect import open_dataset
from pipeline.stages.caption_material import caption_material
from pipeline.stages.stage import StageInputs

if TYPE_CHECKING:
    from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
DATASET, EPISODE, SUBTASK = ROOT / "resources" / "sample", 4, 0
OUT = ROOT / "docs" / "collage.png"
WIDTH, LABEL, GAP, COLOURS = 600, 20, 6, 128


def main() -> int:
    """Make the picture."""
    given = sys.argv[1:]
    dataset, episode, subtask = (
        (given[0], int(given[1]), int(given[2]))
        if given
        else (
            str(DATASET),
            EPISODE,
            SUBTASK,
        )
    )
    out = Path(given[3]) if len(given) > 3 else OUT
    picture = sheet(request(Path(dataset), episode, subtask))
    picture.quantize(COLOURS).save(out, optimize=True)
    print(f"{out}: {picture.width}x{picture.height}, {out.stat().st_size >> 10} KiB")
    return 0


def request(dataset: Path, episode: int, subtask: int) -> SentRequest:
    """The request of a subtask by the default recipe."""
    source = open_dataset(dataset)
    graph = standard_graph()
    run = annotate_episode(source, episode, graph=graph, cache=ResultCache(paths().results))
    outcomes = run.outcomes[-1] | run.outcomes[subtask]
    results = {name: outcome.result for name, outcome in outcomes.items()}
    reader = source.reader(run.demonstration)
    try:
        inputs = StageInputs(results, subtask)
        material = caption_material(run.demonstration, inputs, reader)
        return build_request(material, load_recipes().get(DEFAULT_RECIPE))
    finally:
        reader.close()


def sheet(sent: SentRequest) -> Image.Image:
    """The pictures of a request below each other, each row with its role."""
    from PIL import Image, ImageDraw

    rows: dict[str, list[Image.Image]] = {}
    for part in sent.parts:
        if part.kind is PartKind.IMAGE:
            picture = Image.open(io.BytesIO(part.data.tobytes())).convert("RGB")
            rows.setdefault(part.role, []).append(picture)
    strips = []
    for role, pictures in rows.items():
        whole = Image.new("RGB", (sum(p.width for p in pictures), pictures[0].height))
        for number, picture in enumerate(pictures):
            whole.paste(picture, (number * picture.width, 0))
        size = (WIDTH, round(whole.height * WIDTH / whole.width))
        strips.append((role, whole.resize(size, Image.Resampling.LANCZOS)))
    height = sum(s.height + LABEL + GAP for _, s in strips)
    result = Image.fromarray(np.full((height, WIDTH, 3), 255, np.uint8))
    draw, y = ImageDraw.Draw(result), 0
    for role, strip in strips:
        draw.text((2, y + 4), role.upper(), fill=(40, 40, 40), font_size=13)
        result.paste(strip, (0, y + LABEL))
        y += strip.height + LABEL + GAP
    return result


if __name__ == "__main__":
    sys.exit(main())
