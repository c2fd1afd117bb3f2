"""The command line: `demoscope open, demo, info, check, annotate, models, screenshot, …`."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import sys
from pathlib import Path

from app.arguments import parse_size, split_path
from app.terminal import fail, say
from pipeline.model.problem import Cancelled, DataError

log = logging.getLogger(__name__)

_PATH = "a dataset of any known format: its folder, its file, or a file inside"
_MODULES = {
    "export": "app.export_command",
    "evaluate": "app.evaluate_command",
    "diagnose": "app.diagnose_command",
    "curate": "app.curate_command",
    "spot-check": "app.spot_check_command",
    "reviews": "app.reviews_command",
    "captions": "app.captions_command",
    "models": "app.models_command",
}
"""Commands whose arguments are declared in a module of their own."""


def _jobs(text: str) -> int:
    """A number of processes; argparse tells what it should have been."""
    number = int(text)
    if not 1 <= number <= 64:
        raise argparse.ArgumentTypeError("expected 1 to 64")
    return number


def _seconds(text: str) -> float:
    """A time limit; argparse tells what it should have been."""
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("expected a number of seconds above 0")
    return seconds


def build_parser(only: str = "") -> argparse.ArgumentParser:
    """Make the parser of all commands.

    Args:
        only: A command. Arguments of others that have a module are left out: `demoscope open` does
            not wait for them. Anything else: all of them.
    """
    parser = argparse.ArgumentParser(
        prog="demoscope",
        description="Open a robot demonstration and see why the annotation pipeline decided so.",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log what happens")
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    one = commands.add_parser("open", help="open the window on a dataset")
    one.add_argument(
        "path",
        nargs="?",
        help=_PATH + "; PATH#EPISODE opens that episode; or an export (.rrd), read-only",
    )
    one.add_argument("--theme", choices=["dark", "light", "system"], help="colours")

    one = commands.add_parser("demo", help="open the window on the sample dataset")
    one.add_argument("--offscreen", action="store_true", help="no window: write files instead")
    one.add_argument("--out", type=Path, default=Path("demo-output"), help="where files go")

    one = commands.add_parser("info", help="say what a dataset holds")
    one.add_argument("dataset", help=_PATH)
    one.add_argument("--json", action="store_true", help="machine-readable")

    one = commands.add_parser("check", help="examine a dataset; exit 1 if something is wrong")
    one.add_argument("dataset", help=_PATH)
    one.add_argument(
        "--fail-on",
        choices=["error", "warning", "warn", "info", "never"],
        default="error",
        help="exit 1 if something at least this grave is found (default: error)",
    )
    one.add_argument("--episodes", help="e.g. 0,2-5; default: all that are present")
    one.add_argument("--json", action="store_true", help="machine-readable")
    one.add_argument(
        "--deep", action="store_true", help="decode a few pictures: frozen, black, broken ones"
    )
    one.add_argument("--jobs", type=_jobs, help="processes side by side; default: CPUs, at most 4")
    one.add_argument("--no-cache", action="store_true", help="examine everything again")

    one = commands.add_parser("annotate", help="run all stages and write predictions")
    one.add_argument("dataset")
    one.add_argument("--episodes", help="e.g. 0,2-5; default: all that are present")
    one.add_argument("--camera", help="camera key; default: chosen by the pipeline")
    one.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.OPTION=VALUE",
        help="change an option, may be repeated",
    )
    one.add_argument(
        "--profile",
        choices=["embedded", "models"],
        help="backends of all stages at once; --set may change them (default: embedded)",
    )
    one.add_argument(
        "--options",
        type=Path,
        metavar="FILE",
        help="options of all stages, as a batch run or the curation window wrote them; --profile "
        "and --set change them",
    )
    one.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="write here: *.parquet, or JSON lines under any other name",
    )
    one.add_argument("--no-cache", action="store_true", help="compute everything again")
    one.add_argument("--no-edits", action="store_true", help="ignore human corrections")
    batch = one.add_argument_group(
        "many episodes",
        "Any of these makes it a batch run: in processes of its own, with its results in a folder. "
        "The same command goes on where an earlier one was interrupted or killed.",
    )
    batch.add_argument(
        "--jobs", type=_jobs, metavar="N", help="processes side by side; default: CPUs"
    )
    batch.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="folder of the run; default: <dataset>.demoscope/annotations beside the dataset",
    )
    begin = batch.add_mutually_exclusive_group()
    begin.add_argument(
        "--resume", action="store_true", help="go on with the options of the run that is there"
    )
    begin.add_argument(
        "--fresh",
        action="store_true",
        help="begin anew; the run that is there is kept under a dated name",
    )
    batch.add_argument("--retry-failed", action="store_true", help="try episodes again that failed")
    batch.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="give an episode up that takes longer; default: no limit",
    )

    one = commands.add_parser("screenshot", help="draw the window to a picture, without a display")
    one.add_argument("dataset")
    one.add_argument("--episode", type=int, required=True)
    one.add_argument("--frame", type=int, required=True)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--size", default="1280x800", help="WIDTHxHEIGHT")
    one.add_argument("--theme", choices=["dark", "light"], default="dark")
    one.add_argument(
        "--with-3d", action="store_true", help="use the display, so that the 3D viewer is in it"
    )
    one.add_argument(
        "--compare",
        action="append",
        default=[],
        metavar="STAGE.OPTION=VALUE",
        help="run again with this option and show both runs side by side, may be repeated",
    )

    wanted = [only] if only in _MODULES else [] if only in commands.choices else [*_MODULES]
    for name in wanted:
        importlib.import_module(_MODULES[name]).add_parser(commands)
    commands.add_parser("paths", help="print where settings, caches and results live")
    one = commands.add_parser("doctor", help="say what works on this machine")
    one.add_argument("--json", action="store_true", help="machine-readable")
    return parser


def run(arguments: list[str]) -> int:
    """Run one command.

    Returns:
        0 on success; 1 after one clear sentence on standard error.
    """
    parser = build_parser(next((a for a in arguments if not a.startswith("-")), ""))
    options = parser.parse_args(arguments)
    logging.basicConfig(
        # What concerns the user is said in sentences; tracebacks are for --verbose.
        level=logging.INFO if options.verbose else logging.CRITICAL,
        format="%(levelname)s %(name)s: %(message)s",
    )
    if options.version:
        from importlib.metadata import version

        say(f"demoscope {version('demoscope')}")
        return 0
    try:
        return _dispatch(options, parser)
    except (DataError, ValueError) as error:
        return fail(str(error))
    except BrokenPipeError:
        # The reader of our output (`| head`) has enough; nobody is left to tell.
        _discard_output()
        return 1
    except OSError as error:
        return fail(f"{error.filename or options.command}: {error.strerror or error}")
    except (KeyboardInterrupt, Cancelled):
        return fail("cancelled; what was finished is kept")
    except Exception as error:
        # The last resort: a defect of ours. People get a sentence, --verbose says where.
        log.info("%s failed", options.command, exc_info=True)
        return fail(f"internal error: {type(error).__name__}: {error}; “demoscope -v …” says where")


def _discard_output() -> None:
    """Let the interpreter's last flush of standard output go nowhere instead of failing."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        log.debug("standard output has no file")


def _dispatch(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    match options.command:
        case "open":
            from app.window_run import open_window

            path, episode = split_path(options.path) if options.path else (None, None)
            return open_window(path, episode, options.theme)
        case "demo":
            from app.demo import run_demo

            return run_demo(options.out, offscreen=options.offscreen)
        case "info":
            from app.dataset_report import report

            return report(options.dataset, as_json=options.json)
        case "check":
            from app.check_command import check_dataset

            return check_dataset(options)
        case "annotate":
            from app.annotate_command import annotate

            return annotate(options)
        case "screenshot":
            from app.screenshot import screenshot

            width, height = parse_size(options.size)
            return screenshot(
                options.dataset,
                options.episode,
                options.frame,
                options.out,
                (width, height),
                options.theme,
                with_3d=options.with_3d,
                compare=tuple(options.compare),
            )
        case "export":
            from app.export_command import export

            return export(options)
        case "evaluate":
            from app.evaluate_command import evaluate

            return evaluate(options)
        case "diagnose":
            from app.diagnose_command import diagnose

            return diagnose(options)
        case "curate":
            from app.curate_command import curate

            return curate(options)
        case "spot-check":
            from app.spot_check_command import spot_check

            return spot_check(options)
        case "reviews":
            from app.reviews_command import reviews

            return reviews(options)
        case "captions":
            from app.captions_command import captions

            return captions(options)
        case "models":
            from app.models_command import models

            return models(options)
        case "paths":
            from app.settings import paths, picture_bytes
            from pipeline.backends.weights import hub_cache, models_folder

            known = paths()
            for name in ("config", "data", "cache", "results", "logs", "settings", "sample"):
                say(f"{name:9} {getattr(known, name)}")
            say(f"{'models':9} {models_folder() or hub_cache()}")
            say(f"{'pictures':9} {picture_bytes() / (1 << 20):g} MiB of memory at most")
            return 0
        case "doctor":
            from app.doctor import examine

            checks = examine()
            if options.json:
                say(json.dumps([c.as_dict() for c in checks], indent=2))
            else:
                for check in checks:
                    say(f"{'ok  ' if check.ok else 'MISS'} {check.name:16} {check.text}")
            return 0 if all(c.ok or c.optional for c in checks) else 1
    parser.print_help()
    return 0
