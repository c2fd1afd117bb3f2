"""What ground truth and people say about every candidate of an annotation table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from pipeline.annotations.judgements import MOST_CANDIDATES, Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.evaluation.matching import PUBLISHED, MatchOptions
from pipeline.model.arrays import F64, I64, Array, Bool
from pipeline.model.candidate import Box
from pipeline.model.verdict import HumanVerdict, VerdictSource

SAME_BOX = 0.99
"""From this IoU on a box is the one that was judged: the same numbers, rounded on the way."""
_ROWS_AT_ONCE = 65_536
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def box_ious(a: F64, b: F64) -> F64:
    """IoU of pairs of boxes; equal to `box_iou` bit by bit, 0 where one of them is none (NaN).

    Args:
        a: (N, 4) float64.
        b: (N, 4) float64.

    Returns:
        (N,) float64.
    """
    inter, union = _inter(a, b), _area(a) + _area(b) - _inter(a, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(union > 0, inter / union, 0.0)


def boxes_match(predicted: F64, truth: F64, options: MatchOptions = PUBLISHED) -> Bool:
    """`is_match` of pairs of boxes; False where one of them is none (NaN).

    Args:
        predicted: (N, 4) float64.
        truth: (N, 4) float64.
        options: Thresholds.

    Returns:
        (N,) bool.
    """
    iou = box_ious(predicted, truth)
    smaller = np.minimum(_area(predicted), _area(truth))
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.where(smaller > 0, _inter(predicted, truth) / smaller, 0.0)
    contained = (iou >= options.containment_iou) & (inside >= options.containment_fraction)
    found: Bool = (iou >= options.iou_match) | contained
    return found & np.isfinite(predicted).all(axis=1) & np.isfinite(truth).all(axis=1)


def judge_by_truth(
    table: AnnotationTable, truth: Sequence[TrueSubtask], options: MatchOptions = PUBLISHED
) -> Judgements:
    """Judge all candidates by ground truth of the same episode and subtask.

    Ground truth without a start box says nothing, nor does one that was drawn in another camera
    (where both name theirs). Of several lines about one subtask the last counts. A candidate
    without a box is wrong, as is an annotation without candidates and without a box.

    Args:
        table: Annotations.
        truth: Ground truth. Lines that name a dataset speak about annotations of this dataset, or
            of none if they are all of one; lines that name none about all.
        options: When a box is right.
    """
    rows, boxes = _true_boxes(table, truth)
    right = np.zeros(len(table), np.uint32)
    known = np.zeros(len(table), np.uint32)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        own, owner, place = _boxes_of(table, rows[part])
        matched = boxes_match(own, boxes[part][owner], options)
        count = len(rows[part])
        known[rows[part]] = _bits(owner, place, np.ones(len(own), np.bool_), count)
        right[rows[part]] = _bits(owner, place, matched, count)
    return Judgements(right, known)


def judge_by_people(
    table: AnnotationTable,
    verdicts: Sequence[HumanVerdict],
    options: MatchOptions = PUBLISHED,
) -> Judgements:
    """Judge candidates by what people said about the boxes.

    Of several verdicts on one annotation the newest counts; what was said about the box itself
    (spot check, choice) counts before what was said about the caption. What follows from it:

    - the person gave the right box: every candidate is right or wrong by the matching rule;
    - the box is right: candidates with this box (IoU of 0.99 or more) are right, those that do
      not even touch it are wrong, as there is one object (our choice), others are not known;
    - the box is wrong: candidates that match it are wrong, others are not known;
    - the person could not tell, or nobody knows any more which box it was: nothing.

    Args:
        table: Annotations.
        verdicts: In the order in which they were given, where their times are equal.
        options: When a box matches another.
    """
    chosen = counting_verdicts(verdicts)
    right = np.zeros(len(table), np.uint32)
    known = np.zeros(len(table), np.uint32)
    asked, numbers = [], []
    for row, number in _rows_of(table, chosen):
        asked.append(row)
        numbers.append(number)
    if not asked:
        return Judgements(right, known)
    rows, which = np.array(asked, np.int64), np.array(numbers, np.int64)
    given = np.array([_box(v.true_box or v.box) for v in chosen], np.float64).reshape(-1, 4)
    by_true_box = np.array([v.true_box is not None for v in chosen], np.bool_)
    said_right = np.array([v.right is True for v in chosen], np.bool_)
    said_wrong = np.array([v.right is False for v in chosen], np.bool_)

    own, owner, place = _boxes_of(table, rows)
    reference, verdict = given[which[owner]], which[owner]
    there = np.isfinite(reference).all(axis=1)
    matched, iou = boxes_match(own, reference, options), box_ious(own, reference)
    located = np.isfinite(own).all(axis=1)
    all_known = by_true_box[verdict]
    same = iou >= SAME_BOX
    known_right = np.where(all_known, matched, said_right[verdict] & same)
    apart = said_right[verdict] & located & (iou <= 0)
    known_wrong = np.where(all_known, ~matched, (said_wrong[verdict] & matched) | apart)
    known_right &= there
    known_wrong &= there
    right[rows] = _bits(owner, place, known_right, len(rows))
    known[rows] = _bits(owner, place, known_right | known_wrong, len(rows))
    return Judgements(right, known)


def counting_verdicts(verdicts: Sequence[HumanVerdict]) -> tuple[HumanVerdict, ...]:
    """Of each annotation the verdict that counts, see `judge_by_people`."""
    found: dict[tuple[str, int, int], tuple[tuple[bool, datetime], HumanVerdict]] = {}
    for verdict in verdicts:
        key = (verdict.dataset, verdict.episode, verdict.subtask)
        rank = (verdict.source is not VerdictSource.CAPTION, _time(verdict.at))
        if key not in found or rank >= found[key][0]:
            found[key] = (rank, verdict)
    return tuple(verdict for _, verdict in found.values())


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _LONG_AGO
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _box(box: Box | None) -> tuple[float, ...]:
    return (np.nan,) * 4 if box is None else tuple(box)


def _keys(episode: Array, subtask: Array) -> I64:
    """One number per subtask; negative ones take part."""
    return episode.astype(np.int64) * (1 << 32) + subtask.astype(np.int64)


def _true_boxes(table: AnnotationTable, truth: Sequence[TrueSubtask]) -> tuple[I64, F64]:
    """Rows that ground truth says something about, and the true box of each (R, 4) float64."""
    by_dataset: dict[str, list[TrueSubtask]] = {}
    for line in truth:
        by_dataset.setdefault(line.dataset, []).append(line)
    unnamed = _boxes_by_number(table, by_dataset.pop("", []))
    if not by_dataset:
        return unnamed
    found = [unnamed]
    for name, lines in by_dataset.items():
        rows, boxes = _boxes_by_number(table, lines)
        meant = table.dataset.rows(name)
        if len(by_dataset) == 1:
            meant = meant | table.dataset.rows("")
        found.append((rows[meant[rows]], boxes[meant[rows]]))
    rows, boxes = (np.concatenate(part) for part in zip(*found, strict=True))
    # What names the dataset comes later and counts before what names none.
    chosen, place = np.unique(rows[::-1], return_index=True)
    return chosen, boxes[::-1][place]


def _boxes_by_number(table: AnnotationTable, truth: Sequence[TrueSubtask]) -> tuple[I64, F64]:
    """The same by episode and subtask alone, whatever the dataset."""
    nothing = np.zeros(0, np.int64), np.zeros((0, 4))
    limit = 1 << 31
    lines = {
        (t.episode_index, t.subtask_index): t
        for t in truth
        if 0 <= t.episode_index < limit and 0 <= t.subtask_index < limit
    }
    usable = [
        t for t in lines.values() if t.start_box is not None and np.isfinite(t.start_box).all()
    ]
    if not usable or not len(table):
        return nothing
    keys = _keys(
        np.array([t.episode_index for t in usable]), np.array([t.subtask_index for t in usable])
    )
    order = np.argsort(keys)
    keys = keys[order]
    mine = _keys(table.episode, table.subtask)
    place = np.minimum(np.searchsorted(keys, mine), len(keys) - 1)
    found = order[place]
    cameras = dict.fromkeys((*table.camera.values, *(t.camera for t in usable)))
    numbers = {camera: i for i, camera in enumerate(cameras)}
    mine_in = np.array([numbers[v] for v in table.camera.values], np.int64)[table.camera.codes]
    drawn_in = np.array([numbers[t.camera] for t in usable], np.int64)[found]
    unnamed = numbers.get("", -1)
    comparable = (mine_in == drawn_in) | (mine_in == unnamed) | (drawn_in == unnamed)
    rows = np.flatnonzero((keys[place] == mine) & comparable)
    boxes = np.array([t.start_box for t in usable], np.float64).reshape(-1, 4)
    return rows, boxes[found[rows]]


def _rows_of(table: AnnotationTable, verdicts: Sequence[HumanVerdict]) -> Iterator[tuple[int, int]]:
    """Row and number of the verdict on it; one verdict per row, the one that names its dataset."""
    wanted: dict[int, list[int]] = {}
    limit = 1 << 31
    for number, verdict in enumerate(verdicts):
        if not (0 <= verdict.episode < limit and 0 <= verdict.subtask < limit):
            continue
        wanted.setdefault((verdict.episode << 32) + verdict.subtask, []).append(number)
    if not wanted or not len(table):
        return
    asked = np.array(list(wanted), np.int64)
    mine = _keys(table.episode, table.subtask)
    for row in np.flatnonzero(np.isin(mine, asked)).tolist():
        name = table.dataset[row]
        fitting = [
            n
            for n in wanted[int(mine[row])]
            if not name or not verdicts[n].dataset or verdicts[n].dataset == name
        ]
        if fitting:
            yield row, max(fitting, key=lambda n: (verdicts[n].dataset == name, n))


def _boxes_of(table: AnnotationTable, rows: I64) -> tuple[F64, I64, I64]:
    """Boxes that can be judged of some rows.

    Returns:
        (M, 4) float64 boxes, (M,) int64 index into `rows`, (M,) int64 number of the candidate
        within its row; the winner's box as number 0 where a row has no candidates.
    """
    counts = table.candidates.counts[rows]
    shown = np.maximum(counts, 1)
    owner = np.repeat(np.arange(len(rows)), shown)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(shown) - shown, shown)
    boxes = table.start_box[rows][owner].astype(np.float64)
    listed = counts[owner] > 0
    source = table.candidates.offsets[rows][owner] + place
    boxes[listed] = table.candidates.box[source[listed]]
    return boxes, owner.astype(np.int64), place.astype(np.int64)


def _bits(owner: I64, place: I64, chosen: Bool, count: int) -> Array:
    """(count,) uint32, bit `place` of row `owner` for what is chosen."""
    chosen = chosen & (place < MOST_CANDIDATES)
    # sums of different powers of two below 2^32: exact in float64
    weights = np.exp2(place[chosen].astype(np.float64))
    return np.bincount(owner[chosen], weights, minlength=count).astype(np.uint32)


def _area(boxes: F64) -> F64:
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area: F64 = np.maximum(0.0, width) * np.maximum(0.0, height)
    return area


def _inter(a: F64, b: F64) -> F64:
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    inter: F64 = np.maximum(0.0, width) * np.maximum(0.0, height)
    return inter
