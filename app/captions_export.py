"""`demoscope captions export` and `captions people`: training samples and figures of people."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.terminal import fail, note, progress, say

if TYPE_CHECKING:
    from pipeline.export.caption_samples import Filters
    from pipeline.review.people import PersonFigures

FORMATS = ("captions", "preferences", "critiques", "yes-no")


def add_export(commands: Any) -> None:
    """Declare `captions export`."""
    one = commands.add_parser(
        "export",
        help="training samples from reviewed captions, as JSON Lines",
        description="Writes one line per sample with its clip and provenance; only accepted or "
        "corrected captions unless --all is given. The formats: docs/caption-training.md.",
    )
    one.add_argument("dataset", help="a dataset whose captions were reviewed")
    one.add_argument("--format", choices=FORMATS, default="captions", help="default: captions")
    one.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    one.add_argument("--force", action="store_true", help="replace a file that is there")
    one.add_argument("--episodes", help="e.g. 0,2-5; default: all that were reviewed")
    one.add_argument("--all", action="store_true", help="also drafts and rejected captions")
    one.add_argument("--agreed", action="store_true", help="only what a reviewer agreed with")
    one.add_argument("--min-score", type=_score, metavar="R", help="reliability R at least")
    one.add_argument("--person", action="append", default=[], help="whose verdict, may be repeated")
    one.add_argument("--since", type=_day, metavar="YYYY-MM-DD", help="verdicts from this day, UTC")
    one.add_argument("--until", type=_day, metavar="YYYY-MM-DD", help="verdicts to this day, UTC")
    one.add_argument("--recipe", action="append", default=[], help="recipe of the draft")
    one.add_argument("--camera", help="camera key; default: chosen by the pipeline")
    one.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.OPTION=VALUE",
        help="options that the captions were reviewed with, may be repeated",
    )
    one.add_argument("--profile", choices=["embedded", "models"], help="backends of all stages")
    one.add_argument("--options", type=Path, metavar="FILE", help="options of all stages")
    one.add_argument("--no-cache", action="store_true", help="compute everything again")
    one.set_defaults(no_edits=False)


def add_people(commands: Any) -> None:
    """Declare `captions people`."""
    one = commands.add_parser(
        "people",
        help="accuracy of annotators, errors caught by reviewers, with precision and recall",
        description="Counts come from the reviews of the dataset; what nobody has looked at "
        "again counts for nothing yet. Definitions: docs/caption-training.md.",
    )
    one.add_argument("dataset", help="a dataset whose captions were reviewed")
    one.add_argument("--json", action="store_true", help="machine-readable")


def run_export(arguments: argparse.Namespace) -> int:
    """Run `captions export`; 0 if every wanted caption could be written."""
    # lazy: the pipeline
    from app.annotate_command import annotating
    from pipeline.annotate import standard_graph
    from pipeline.export.caption_clips import clips_of
    from pipeline.export.caption_samples import samples
    from pipeline.export.files import refuse_existing, write_export
    from pipeline.review.caption_story import stories
    from pipeline.review.saved import saved_reviews
    from pipeline.sources.hub.dataset import open_anything

    if arguments.out is not None:
        refuse_existing(arguments.out, force=arguments.force)
    source = open_anything(arguments.dataset, progress)
    with saved_reviews(source.info.path) as store:
        told = stories(store.events() if store is not None else ())
    reviewed = tuple(sorted({story.episode for story in told}))
    graph = standard_graph()
    found = annotating(arguments, source, graph, episodes=reviewed)
    told = tuple(story for story in told if story.episode in found.episodes)
    filters = _filters(arguments)
    begun = time.time()
    clips = clips_of(
        source,
        # Clips take time: stages run where they are not in the cache.
        [(s.episode, s.subtask) for s in told if filters.takes_story(s)],
        graph=graph,
        options=found.options,
        edits=found.edits,
        cache=found.cache,
        told=lambda done, count: progress(done / max(count, 1), f"{done} of {count} episodes"),
    )
    progress(1.0, "")
    if found.cache is not None:
        found.cache.trim(in_use_since=begun)
    rows = list(samples(told, clips.found, arguments.format, filters))
    for episode, reason in sorted(clips.reasons.items()):
        note(f"episode {episode}: {reason}")
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    if arguments.out is None:
        for line in lines:
            say(line)
    else:
        data = "".join(f"{line}\n" for line in lines).encode()
        write_export(arguments.out, data, force=arguments.force)
    noun = "sample" if len(rows) == 1 else "samples"
    looked = sum(bool(s.judgements or s.critiques or s.reviews or s.tags) for s in told)
    captions = "caption" if looked == 1 else "captions"
    note(f"{len(rows):,} {noun} of {looked:,} {captions} that people looked at")
    if not rows and not clips.reasons:
        note(_nothing(arguments, looked, len(told)))
    if clips.reasons:
        count = len(clips.reasons)
        are = "1 episode is" if count == 1 else f"{count:,} episodes are"
        return fail(f"{are} not in it, or not completely")
    return 0


def _nothing(arguments: argparse.Namespace, looked: int, told: int) -> str:
    """Why no line was written, and what to do."""
    if not looked and not (arguments.all and told):
        return "nobody has judged a caption yet: accept or correct some in the window first"
    return (
        "none of them is a sample of this format and these filters: rejected ones, and those that "
        "a reviewer calls wrong, need --all; preferences need a caption that was changed "
        "(docs/caption-training.md)"
    )


def run_people(arguments: argparse.Namespace) -> int:
    """Run `captions people`; 0 also if nobody has said anything yet."""
    # lazy: the pipeline
    from pipeline.review.caption_story import stories
    from pipeline.review.people import figures_of_people
    from pipeline.review.saved import saved_reviews
    from pipeline.sources.hub.dataset import open_anything

    source = open_anything(arguments.dataset, progress)
    with saved_reviews(source.info.path) as store:
        people = figures_of_people(stories(store.events() if store is not None else ()))
    if arguments.json:
        say(json.dumps([_plain(p) for p in people], indent=2, ensure_ascii=False))
        return 0
    if not people:
        note("nobody has judged or reviewed a caption of this dataset yet")
        return 0
    width = max(len(p.who) for p in people)
    say(
        f"{'':{width}}  judged reviewed accuracy  flagged: precision recall  "
        "reviews  caught: precision recall"
    )
    for p in people:
        say(
            f"{p.who:{width}}  {p.judged:6} {p.reviewed:8} {_share(p.accuracy):>8}  "
            f"{_share(p.flags.precision):>18} {_share(p.flags.recall):>6}  {p.reviews:7}  "
            f"{_share(p.catches.precision):>17} {_share(p.catches.recall):>6}"
        )
    return 0


def _filters(arguments: argparse.Namespace) -> Filters:
    from pipeline.export.caption_samples import Filters

    return Filters(
        accepted_only=not arguments.all,
        agreed_only=arguments.agreed,
        least_reliability=arguments.min_score,
        people=tuple(arguments.person),
        since=arguments.since,
        until=arguments.until,
        recipes=tuple(arguments.recipe),
    )


def _plain(person: PersonFigures) -> dict[str, Any]:
    return {
        **dataclasses.asdict(person),
        "accuracy": person.accuracy,
        "flag_precision": person.flags.precision,
        "flag_recall": person.flags.recall,
        "catch_precision": person.catches.precision,
        "catch_recall": person.catches.recall,
    }


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _score(text: str) -> float:
    score = float(text)
    if not math.isfinite(score):  # nothing is less than what is no number: all would be taken
        raise argparse.ArgumentTypeError(f"expected a number, got “{text}”")
    return score


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a day such as 2026-01-31, got “{text}”"
        ) from None
