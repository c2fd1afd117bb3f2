"""Measures the caption checks: true captions, and captions with one field swapped.

    python tools/caption_checks.py DATASET... [--cache DIR] [--episodes 0 3 ...] [--list]
    python tools/caption_checks.py DATASET --captions FILE [--cache DIR] [--list]

Each dataset needs ground truth as `tools/sample` writes it. From it a true caption is made for each
subtask (with the colours of object and destination), and from that all captions with one field
swapped, systematically: nothing is drawn. A swap is caught if a constraint fails. Subtasks whose
chosen object is the wrong one are counted apart: there the evidence is of another object, and a
contradiction of the true caption says so.

Real recordings have no ground truth: there a person wrote right and wrong captions, and the box of
the object, into a file (tests/pipeline/ground_truth/*_captions.jsonl). They are checked twice:
with the object that the pipeline chose, and with the right one, chosen by a person.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.annotate import EpisodeAnnotations, annotate_episode, standard_graph
from pipeline.backends.language.rules import RulesLanguage
from pipeline.backends.language.sentences import sentence
from pipeline.engine.cache import ResultCache
from pipeline.evaluation.matching import is_match
from pipeline.model.checks import ChecksResult, Constraint, Outcome
from pipeline.model.colors import canonical_color, color_words
from pipeline.model.demonstration import DatasetSource
from pipeline.model.edits import AddBox, ChooseCandidate, Edit
from pipeline.model.score import as_box
from pipeline.sources.detect import open_dataset
from pipeline.stages.caption_check import check_caption
from pipeline.stages.check_claims import read_caption
from pipeline.stages.check_options import ChecksOptions
from pipeline.stages.check_scene import Scene, scene_of
from pipeline.stages.stage import StageInputs

OTHER_VERBS = (
    "pick up", "hold", "push", "slide", "open", "close", "turn", "press", "turn on", "pour",
    "wipe", "sweep", "stir", "cut", "shake", "stack",
)  # fmt: skip
"""Verbs that another action would have than putting something somewhere."""
NEAR_VERBS = ("insert", "hang", "throw", "hand over", "attach")
"""Verbs of putting that phases and paths cannot tell from “put”."""
TRUE = "true caption"
WRONG = "wrong caption"


@dataclass(frozen=True)
class Truth:
    """What really happened in a subtask.

    Attributes:
        episode: Episode index.
        subtask: Subtask index.
        verb: Verb of the caption.
        color: Colour of the object.
        noun: Kind of the object.
        relation: Before the destination.
        place_color: Colour of the destination.
        place_noun: Kind of the destination.
        others: (colour, noun) of the other things on the table.
        arm: `left`, `right` or empty.
        ahead: How far it moves to the right of the picture, pixels.
        box: The object's box before contact.
    """

    episode: int
    subtask: int
    verb: str
    color: str
    noun: str
    relation: str
    place_color: str
    place_noun: str
    others: tuple[tuple[str, str], ...]
    arm: str
    ahead: float
    box: tuple[float, float, float, float]

    def caption(self, **changed: str) -> str:
        """The sentence, with some parts changed."""
        parts = {
            "verb": self.verb,
            "object": f"{self.color} {self.noun}",
            "relation": self.relation,
            "place": f"{self.place_color} {self.place_noun}",
        } | changed
        return sentence(parts["verb"], parts["object"], parts["relation"], parts["place"])


@dataclass(frozen=True)
class Answer:
    """One checked caption.

    Attributes:
        truth: Subtask.
        kind: What was swapped, or `TRUE`.
        caption: The caption.
        result: What the checks said.
        right_object: Whether the chosen object is the true one.
    """

    truth: Truth
    kind: str
    caption: str
    result: ChecksResult
    right_object: bool

    @property
    def failed(self) -> tuple[Constraint, ...]:
        """Contradicted constraints."""
        return tuple(c for c in self.result.constraints if c.outcome is Outcome.FAIL)


def truths(dataset: Path) -> tuple[Truth, ...]:
    """Read the ground truth of a rendered dataset."""

    def lines(name: str) -> list[dict[str, Any]]:
        text = (dataset / "ground_truth" / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    objects = lines("objects.jsonl")
    found = []
    for row in lines("annotations.jsonl"):
        here = [
            o
            for o in objects
            if (o["episode_index"], o["subtask_index"])
            == (row["episode_index"], row["subtask_index"])
        ]
        by_id = {o["object_id"]: o for o in here}
        thing, place = by_id[row["object_id"]], by_id[row["target_id"]]
        clause = RulesLanguage().parse(row["instruction"]).clauses[-1]
        free = row.get("note") == "free place"
        inside = place["kind"] in ("box", "bowl", "basket", "cup", "mug")
        start, end = row["start_box"], row["object_end_box"]
        found.append(
            Truth(
                row["episode_index"],
                row["subtask_index"],
                "put",
                thing["colour"],
                thing["kind"],
                clause.relation if free else "in" if inside else "on",
                place["colour"],
                place["kind"],
                tuple((o["colour"], o["kind"]) for o in here if o not in (thing, place)),
                row["arm"] if row["arm"] in ("left", "right") else "",
                (end[0] + end[2] - start[0] - start[2]) / 2,
                tuple(start),
            )
        )
    return tuple(found)


def swaps(truth: Truth) -> Iterator[tuple[str, str]]:
    """Give (kind, caption) of every caption with one field swapped; the true one first."""
    yield TRUE, truth.caption()
    for verb in OTHER_VERBS:
        yield "verb", truth.caption(verb=verb)
    for verb in NEAR_VERBS:
        yield "verb of putting", truth.caption(verb=verb)
    for word in color_words():
        if word.name != canonical_color(truth.color):
            yield "object colour", truth.caption(object=f"{word.name} {truth.noun}")
        if word.name != canonical_color(truth.place_color):
            yield "destination colour", truth.caption(place=f"{word.name} {truth.place_noun}")
    for color, noun in truth.others:
        if (color, noun) != (truth.place_color, truth.place_noun):
            yield "destination", truth.caption(place=f"{color} {noun}")
        if noun != truth.noun:
            yield "object noun", truth.caption(object=f"{truth.color} {noun}")
        if (canonical_color(color), noun) != (canonical_color(truth.color), truth.noun):
            yield "object", truth.caption(object=f"{color} {noun}")
    if truth.relation in ("in", "on"):
        yield "relation", truth.caption(relation="next to")
    elif truth.relation == "next to":
        yield "relation", truth.caption(relation="in")
        yield "relation", truth.caption(relation="on")
    else:
        yield "relation", truth.caption(relation="on")
        yield "direction", truth.caption(relation="to the right of")
    wrong = "left" if truth.ahead > 0 else "right"
    yield "direction", f"Move the {truth.color} {truth.noun} to the {wrong}."
    right = "right" if truth.ahead > 0 else "left"
    yield TRUE, f"Move the {truth.color} {truth.noun} to the {right}."
    yield "count", truth.caption(object=f"two {truth.color} {truth.noun}s")
    if truth.arm:
        other = "left" if truth.arm == "right" else "right"
        yield "arm", f"{truth.caption()[:-1]} with the {other} arm."
        yield TRUE, f"{truth.caption()[:-1]} with the {truth.arm} arm."


def scene_for(
    done: EpisodeAnnotations, subtask: int, source: DatasetSource, options: ChecksOptions
) -> Scene:
    """The evidence of a subtask of an annotated episode."""
    outcomes = done.outcomes[-1] | done.outcomes[subtask]
    inputs = StageInputs({name: o.result for name, o in outcomes.items()}, subtask)

    @cache
    def picture() -> Any:
        reader = source.reader(done.demonstration)
        try:
            return reader.frame(scene.proposals.camera, scene.masks.keyframe)
        finally:
            reader.close()

    scene = scene_of(done.demonstration, inputs, options, picture)
    return scene


def answers(
    source: DatasetSource,
    runs: Mapping[int, EpisodeAnnotations],
    true: tuple[Truth, ...],
    options: ChecksOptions | None = None,
) -> Iterator[Answer]:
    """Check the true caption and all swaps of every subtask that was found."""
    for truth in true:
        done = runs.get(truth.episode)
        if done is None or truth.subtask not in done.outcomes:
            continue
        scene = scene_for(done, truth.subtask, source, options or ChecksOptions())
        right = scene.winner is not None and is_match(scene.winner.box, truth.box)
        for kind, caption in swaps(truth):
            result = check_caption(caption, read_caption(caption), scene)
            yield Answer(truth, kind, caption, result, right)


@dataclass(frozen=True)
class Written:
    """What a person wrote about a subtask of a real recording.

    Attributes:
        episode: Episode index.
        subtask: Subtask index.
        box: The object's box before contact, by eye.
        right: True captions.
        wrong: False ones.
    """

    episode: int
    subtask: int
    box: tuple[float, float, float, float]
    right: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def choice(self) -> tuple[Edit, ...]:
        """The edits by which a person chooses the right object."""
        add = AddBox(subtask=self.subtask, box=self.box)
        return (add, ChooseCandidate(subtask=self.subtask, box=self.box))


def written(file: Path) -> tuple[Written, ...]:
    """Read what a person wrote, one JSON object a line."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return tuple(
        Written(
            row["episode_index"],
            row["subtask_index"],
            as_box(row["start_box"]),
            tuple(row["captions"]),
            tuple(row["wrong"]),
        )
        for row in rows
    )


def answers_written(
    source: DatasetSource, texts: tuple[Written, ...], by: str, cache: ResultCache | None = None
) -> Iterator[tuple[str, str, ChecksResult, bool]]:
    """Check what a person wrote; gives (kind, caption, result, whether the object is right).

    Args:
        source: The dataset.
        texts: Captions of its subtasks.
        by: Who chooses the object: `score` or `person`.
        cache: Where stage results are kept.
    """
    graph = standard_graph()
    for text in texts:
        edits = text.choice if by == "person" else ()
        done = annotate_episode(source, text.episode, graph=graph, edits=edits, cache=cache)
        scene = scene_for(done, text.subtask, source, ChecksOptions())
        right = scene.winner is not None and is_match(scene.winner.box, text.box)
        for kind, captions in ((TRUE, text.right), (WRONG, text.wrong)):
            for caption in captions:
                result = check_caption(caption, read_caption(caption), scene)
                yield kind, caption, result, right


def table_written(dataset: Path, file: Path, cache: ResultCache | None, *, listed: bool) -> str:
    """Markdown: of captions that a person wrote how many are contradicted."""
    rows = ["| Object chosen by | | Captions | Contradicted |", "|---|---|---|---|"]
    source, texts = open_dataset(dataset), written(file)
    for by in ("score", "person"):
        counts: Counter[tuple[bool, str]] = Counter()
        caught: Counter[tuple[bool, str]] = Counter()
        for kind, caption, result, right in answers_written(source, texts, by, cache):
            counts[right, kind] += 1
            caught[right, kind] += bool(result.contradicted)
            for c in result.constraints:
                if listed and c.outcome is Outcome.FAIL:
                    print(
                        by, "right" if right else "wrong", kind, caption, "|", c.claim, "|", c.why
                    )
        for (right, kind), count in sorted(counts.items(), reverse=True):
            which = "right object" if right else "wrong object"
            rows.append(f"| {by}, {which} | {kind} | {count} | {caught[right, kind]} |")
    return "\n".join(rows)


def table(found: list[Answer]) -> str:
    """Markdown: per kind of swap how many, and how many are caught."""
    rows = ["| Swapped | Captions | Caught | |", "|---|---|---|---|"]
    for right in (True, False):
        mine = [a for a in found if a.right_object is right]
        subtasks = len({id(a.truth) for a in mine})
        rows.append(
            f"| **{'right' if right else 'wrong'} object chosen** | {subtasks} subtasks | | |"
        )
        counts, caught = Counter(a.kind for a in mine), Counter(a.kind for a in mine if a.failed)
        for kind, count in counts.items():
            rows.append(f"| {kind} | {count} | {caught[kind]} | {caught[kind] / count:.0%} |")
    return "\n".join(rows)


def main() -> int:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("datasets", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path, help="keep stage results here")
    parser.add_argument("--episodes", nargs="*", type=int)
    parser.add_argument("--captions", type=Path, help="captions that a person wrote")
    parser.add_argument("--list", action="store_true", help="list what fails")
    arguments = parser.parse_args()
    kept = ResultCache(arguments.cache) if arguments.cache else None
    if arguments.captions:
        for dataset in arguments.datasets:
            print(table_written(dataset, arguments.captions, kept, listed=arguments.list))
        return 0
    graph = standard_graph()
    found: list[Answer] = []
    for dataset in arguments.datasets:
        source = open_dataset(dataset)
        episodes = arguments.episodes or [e.index for e in source.info.episodes]
        runs = {e: annotate_episode(source, e, graph=graph, cache=kept) for e in episodes}
        found += answers(source, runs, truths(dataset))
    if arguments.list:
        for answer in found:
            if answer.kind == TRUE and answer.failed:
                for c in answer.failed:
                    print(answer.truth.episode, answer.caption, "|", c.claim, "|", c.why)
    print(table(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
