"""`demoscope captions`: its arguments. Imports are light: `--help` waits for them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from app import captions_export
from app.arguments import index

_BACKENDS = ("offline", "gemini", "openai_compatible")


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "captions",
        help="draft captions, measure recipes, see what a model is shown",
        description="Captions are one sentence per subtask with a strict schema. Recipes say what "
        "a model is shown and told. Definitions: docs/captions.md.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_draft(actions)
    _add_evaluate(actions)
    captions_export.add_export(actions)
    captions_export.add_people(actions)
    one = actions.add_parser("recipes", help="list the recipes, yours included")
    one.add_argument("--json", action="store_true", help="machine-readable")
    _add_show_request(actions)


def _add_draft(actions: Any) -> None:
    one = actions.add_parser(
        "draft",
        help="draft the caption of every subtask",
        description="Stages before the captions come from the cache or are computed. Without "
        "--model, --recipe and --backend no model is asked. A question that was answered before is "
        "not sent again. Exit code 0 if every subtask has its caption, 1 otherwise.",
    )
    one.add_argument("dataset")
    one.add_argument("--episodes", help="e.g. 0,2-5; default: all that are present")
    _add_drafter(one)
    one.add_argument(
        "--estimate",
        action="store_true",
        help="say what it would take (requests, tokens, cost, what is kept), and send nothing",
    )
    _add_run(one)
    one.add_argument("--json", action="store_true", help="one JSON object per line and subtask")


def _add_show_request(actions: Any) -> None:
    one = actions.add_parser(
        "show-request",
        help="write the very texts and pictures that a model would get to files",
        description="Writes request.json, which lists the parts in order, and one file per part, "
        "byte for byte as they would be sent. Nothing is sent, no key is needed.",
    )
    one.add_argument("dataset")
    one.add_argument("--episode", type=index, required=True)
    one.add_argument(
        "--subtask", type=index, default=0, help="subtask_index, from 0 (default: the first one)"
    )
    one.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new or empty")
    _add_drafter(one)
    _add_run(one)


def _add_evaluate(actions: Any) -> None:
    one = actions.add_parser(
        "evaluate",
        help="measure recipes on captions that people accepted or corrected",
        description="Drafts every reviewed subtask with every recipe and judges the captions by "
        "the rubric: acceptable, not acceptable, egregious. Answers are kept: an interrupted run "
        "goes on where it was. Definitions: docs/caption-evaluation.md.",
    )
    one.add_argument("dataset")
    one.add_argument(
        "--recipe",
        action="append",
        required=True,
        metavar="NAME[@MODEL]",
        help="may be repeated, the first one is the baseline; offline for the offline drafter",
    )
    one.add_argument("--episodes", help="e.g. 0,2-5; default: all that have a reference")
    one.add_argument(
        "--references",
        type=Path,
        metavar="FILE",
        help="JSON lines with episode_index, subtask_index, caption; default: the reviews of the "
        "dataset",
    )
    _add_server(one)
    one.add_argument(
        "--judge", choices=_BACKENDS, default="offline", help="who judges (default: offline)"
    )
    one.add_argument("--judge-model", default="", metavar="NAME")
    one.add_argument("--judge-base-url", default="", metavar="URL")
    _add_set(one)
    one.add_argument("--no-cache", action="store_true", help="compute every stage again")
    one.add_argument("--estimate", action="store_true", help="say what it would take, and leave")
    one.add_argument("--html", type=Path, metavar="FILE", help="one page with table and plots")
    one.add_argument("--json", action="store_true", help="machine-readable")


def _add_drafter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe", metavar="NAME", help="what the model is shown; `captions recipes` lists them"
    )
    _add_server(parser)
    parser.add_argument(
        "--reasoning", choices=("default", "off", "low", "high"), help="default: the recipe's"
    )
    parser.add_argument("--temperature", type=float, help="default: the recipe's")
    parser.add_argument(
        "--allow-fallback",
        action="store_true",
        help="draft offline, and say so, where the model cannot be asked",
    )


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        choices=_BACKENDS,
        help="who drafts; default: gemini for a model of that name, openai_compatible for another "
        "one, else offline",
    )
    parser.add_argument("--model", metavar="NAME", help="default: the recipe's")
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="address of the server; default: GOOGLE_GEMINI_BASE_URL or OPENAI_BASE_URL",
    )


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.OPTION=VALUE",
        help="change an option, may be repeated",
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--camera", help="camera key; default: chosen by the pipeline")
    _add_set(parser)
    parser.add_argument(
        "--profile", choices=["embedded", "models"], help="backends of all stages at once"
    )
    parser.add_argument("--options", type=Path, metavar="FILE", help="options of all stages")
    parser.add_argument("--no-cache", action="store_true", help="compute every stage again")
    parser.add_argument("--no-edits", action="store_true", help="ignore human corrections")


def captions(arguments: argparse.Namespace) -> int:
    """Run the command; 0 on success."""
    match arguments.action:
        case "draft":
            # lazy: the command line starts without the pipeline
            from app.captions_draft import draft

            return draft(arguments)
        case "recipes":
            from app.captions_recipes import list_recipes

            return list_recipes(as_json=arguments.json)
        case "show-request":
            from app.captions_request import show_request

            return show_request(arguments)
        case "export":
            return captions_export.run_export(arguments)
        case "people":
            return captions_export.run_people(arguments)
        case _:
            from app.captions_evaluate import evaluate

            return evaluate(arguments)
