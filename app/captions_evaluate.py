"""`demoscope captions evaluate`: from the arguments to the measurement, and its tables."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.annotate_command import parse_settings
from app.arguments import parse_episodes
from app.settings import paths
from app.terminal import note, progress, say
from pipeline.annotate import standard_graph
from pipeline.engine.cache import ResultCache
from pipeline.engine.options_file import values_of
from pipeline.export.files import refuse_existing
from pipeline.sources.hub.dataset import open_anything


def evaluate(arguments: argparse.Namespace) -> int:
    """Run the command; 0 on success."""
    # lazy: SciPy and the dataset's reviews
    from pipeline.captioning.evaluate import (
        EvaluationRequest,
        evaluate_recipes,
        evaluation_json,
        evaluation_outlook,
        evaluation_text,
        write_report,
    )

    source = open_anything(arguments.dataset, progress)
    episodes = None
    if arguments.episodes is not None:
        known = [e.index for e in source.info.episodes]
        episodes = tuple(parse_episodes(arguments.episodes, known))
    request = EvaluationRequest(
        dataset=Path(source.info.path),
        recipes=tuple(arguments.recipe),
        references=arguments.references,
        episodes=episodes,
        backend=_backend(arguments.backend, arguments.model, arguments.base_url),
        model=arguments.model or "",
        base_url=arguments.base_url or "",
        judge=arguments.judge,
        judge_model=arguments.judge_model,
        judge_base_url=arguments.judge_base_url,
        options=_values(arguments.set),
    )
    results = None if arguments.no_cache else paths().results
    if arguments.html is not None:
        refuse_existing(arguments.html, force=True)
        arguments.html.parent.mkdir(parents=True, exist_ok=True)
    outlook = evaluation_outlook(request, results=results, progress=progress)
    progress(1.0, "")
    if arguments.estimate:
        say(outlook.text)
        return 0
    note(f"will take: {outlook.text}")
    for sentence in outlook.notes:
        note(sentence)
    begun = time.time()
    try:
        found = evaluate_recipes(
            request,
            results=results,
            progress=progress,
            broke_off=lambda spent: note(f"took: {spent}"),
        )
    finally:
        progress(1.0, "")
        if results is not None:
            ResultCache(results).trim(in_use_since=begun)
    if arguments.json:
        say(json.dumps(evaluation_json(found), ensure_ascii=False))
    else:
        say(evaluation_text(found))
    if arguments.html is not None:
        write_report(found, arguments.html)
        note(f"{arguments.html}: written")
    return 0


def _backend(backend: str | None, model: str | None, base_url: str | None) -> str:
    """Who drafts with the recipes: as `captions draft`, but Gemini where nothing is said."""
    if backend:
        return backend
    if model:
        name = model.lower().rpartition("/")[2]
        return "gemini" if name.startswith("gemini") else "openai_compatible"
    return "openai_compatible" if base_url else "gemini"


def _values(pairs: list[str]) -> Mapping[str, Mapping[str, Any]] | None:
    """What --set changes, stage by stage; None if nothing is set."""
    if not pairs:
        return None
    graph = standard_graph()
    return values_of(parse_settings(pairs, graph))
