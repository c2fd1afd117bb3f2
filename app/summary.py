"""The HTML summary of a dataset's annotations: one page, pictures inside, no script."""

from __future__ import annotations

import base64
import html
from contextlib import closing
from pathlib import Path

from pipeline.evaluation.ground_truth import matching_truth, read_ground_truth
from pipeline.evaluation.matching import is_match
from pipeline.model.annotation import Annotation
from pipeline.model.candidate import Box
from pipeline.model.demonstration import DatasetSource
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 1100px; margin: 32px auto; padding: 0 16px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { padding: 8px; text-align: left; border-bottom: 1px solid #8884; vertical-align: top; }
img { width: 260px; display: block; border-radius: 4px; }
.no { color: #d55e00; } .yes { color: #009e73; } .dim { opacity: .7; }
"""


def write_summary(dataset: Path, predictions: Path, out: Path) -> Path:
    """Write `summary.html` for prediction lines.

    Args:
        dataset: Where the pictures come from.
        predictions: Prediction lines (JSON Lines).
        out: Folder.

    Returns:
        The page's path.
    """
    source = open_dataset(dataset)
    truth = read_ground_truth(dataset)
    lines = predictions.read_text(encoding="utf-8").splitlines()
    annotations = [Annotation.model_validate_json(line) for line in lines if line.strip()]
    rows, right, known = [], 0, 0
    for annotation in annotations:
        spans = [p for p in annotation.phases if p.name == "interact"]
        start = spans[0].start if spans else annotation.keyframe
        end = spans[-1].end if spans else annotation.keyframe + 1
        true = matching_truth(truth, annotation.episode_index, annotation.arm, start, end)
        mark = "<span class=dim>no ground truth</span>"
        if true is not None and true.start_box is not None and annotation.start_box is not None:
            hit = is_match(annotation.start_box, true.start_box)
            known += 1
            right += hit
            name = html.escape(true.object_name)
            mark = f"<span class=yes>✓ {name}</span>" if hit else f"<span class=no>✗ {name}</span>"
        rows.append(_row(source, annotation, mark))
    counted = f"{right} of {known} winners match the ground truth." if known else ""
    page = out / "summary.html"
    page.write_text(
        "<!doctype html><meta charset=utf-8><title>Demoscope: summary</title>"
        f"<style>{_STYLE}</style><h1>{html.escape(dataset.name)}</h1>"
        f"<p>{len(annotations)} annotations. {counted}</p><table>"
        "<tr><th>picture at the keyframe<th>caption<th>R<th>terms<th>ground truth<th>warnings</tr>"
        + "".join(rows)
        + "</table>",
        encoding="utf-8",
    )
    return page


def _row(source: DatasetSource, annotation: Annotation, mark: str) -> str:
    terms = annotation.terms
    shown = ", ".join(
        f"{short} {terms[name]:.2f}"
        for short, name in (
            ("D", "detector"),
            ("Ã", "motion_normalised"),
            ("P̃", "proximity_normalised"),
            ("o", "overlap"),
            ("Π", "penalty"),
        )
        if name in terms
    )
    score = "–" if annotation.score is None else f"{annotation.score:.3f}"
    second = "" if annotation.runner_up is None else f"<br>next {annotation.runner_up:.3f}"
    warnings = ", ".join(html.escape(w) for w in annotation.warnings)
    return (
        f"<tr><td>{_picture(source, annotation)}<td>{html.escape(annotation.caption)}<br>"
        f"<span class=dim>episode {annotation.episode_index}, {html.escape(annotation.arm)}</span>"
        f"<td>{score}<span class=dim>{second}</span><td>{shown}<td>{mark}"
        f"<td class=dim>{warnings}</tr>"
    )


def _picture(source: DatasetSource, annotation: Annotation) -> str:
    import cv2

    try:
        demonstration = source.open(annotation.episode_index)
        with closing(source.reader(demonstration)) as reader:
            rgb = reader.frame(annotation.camera, max(annotation.keyframe, 0))
    except DataError as error:
        return html.escape(str(error))
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    for box, color in (
        (annotation.start_box, (0, 159, 230)),
        (annotation.target_box, (95, 90, 255)),
    ):
        if box is not None:
            _draw(bgr, box, color)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}" alt="">'


def _draw(picture: object, box: Box, color: tuple[int, int, int]) -> None:
    import cv2

    x0, y0, x1, y1 = (round(v) for v in box)
    cv2.rectangle(picture, (x0, y0), (x1, y1), color, 3)  # type: ignore[call-overload]
