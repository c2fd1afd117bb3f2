"""`demoscope models`: lists backends, fetches their weights, verifies them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.terminal import fail, progress, say
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from pipeline.backends.catalogue import CatalogueEntry, Survey
    from pipeline.backends.maintenance import Consent, Verification


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "models", help="list backends and models, fetch and verify their weights"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")
    what = parser.add_subparsers(dest="models_action", metavar="ACTION")
    name = "name of a backend, as `demoscope models` lists it; capability/name if there are several"

    one = what.add_parser("download", help="fetch the weights of a backend into the Hub’s cache")
    one.add_argument("name", help=name)
    one.add_argument("--weights", default="", metavar="ID", help="others: owner/name@revision")
    one.add_argument(
        "--accept-licence",
        action="append",
        default=[],
        metavar="NAME",
        help="accept the licence of this backend or of these weights, may be repeated",
    )

    one = what.add_parser("verify", help="check all checksums, and load; exit 1 if one is wrong")
    one.add_argument("name", nargs="?", help=name + "; default: all whose weights are here")
    one.add_argument("--weights", default="", metavar="ID_OR_PATH", help="others than its own")
    # Without a default, so that it does not undo `demoscope models --json verify`.
    one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="likewise")

    one = what.add_parser("accept", help="accept the licence of a backend")
    one.add_argument("name", help=name)


def models(options: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        0 on success; 1 if something that was to be verified is not right.
    """
    match options.models_action:
        case "download":
            return _download(options)
        case "verify":
            return _verify(options)
        case "accept":
            return _accept(options.name)
    return _list(as_json=options.json)


# -- list ------------------------------------------------------------------------------------


def _list(*, as_json: bool) -> int:
    from pipeline.backends.catalogue import survey

    found = survey()
    if as_json:
        say(json.dumps(_as_json(found), indent=2))
        return 0
    width = max(len(e.card.name) for e in found.entries)
    capability = ""
    for entry in found.entries:
        if entry.card.capability != capability:
            capability = entry.card.capability
            say(capability)
        _say_entry(entry, width)
    if found.devices:
        say(f"models run on {found.placement()} (auto)")
        for device in found.devices:
            say(f"  {device.text}; auto precision {device.precision}")
    else:
        say("models run nowhere: torch is not installed; pip install “demoscope[models]”")
    return 0


def _say_entry(entry: CatalogueEntry, width: int) -> None:
    card = entry.card
    title = "" if card.title == card.name else f"{card.title}, "
    say(f"  {card.name:{width}}  {card.kind:8}  {entry.state:20}  {title}{card.licence}")
    indent = " " * (width + 4)
    for place in entry.weights:
        where = place.path or "not on this machine"
        size = f" ({place.megabytes} MB)" if place.megabytes else ""
        say(f"{indent}weights {place.repo}{size}: {where}")
    if card.reason:
        say(f"{indent}{card.reason}")


def _as_json(found: Survey) -> dict[str, Any]:
    return {
        "backends": [
            asdict(e.card)
            | {
                "state": str(e.state),
                "notice": e.notice,
                "needs_consent": e.needs_consent,
                "weights": [asdict(w) for w in e.weights],
            }
            for e in found.entries
        ],
        "devices": [asdict(d) for d in found.devices],
        "placement": found.placement(),
    }


# -- download ----------------------------------------------------------------------------------


def _download(options: argparse.Namespace) -> int:
    from pipeline.backends.catalogue import locate
    from pipeline.backends.maintenance import consents, fetch
    from pipeline.backends.weights import find_weights

    capability, name = locate(options.name)
    for consent in consents(capability, name, options.weights):
        if not _agrees(consent, options.accept_licence):
            return fail(
                f"nothing was fetched: its licence is not accepted ({consent.licence}); "
                f"“--accept-licence {consent.name}” accepts it"
            )
    fetched = fetch(capability, name, options.weights, _tell, lambda: False)
    progress(1.0, "")
    for weights in fetched:
        say(f"{weights.repo}: {find_weights(weights, '')}, all checksums right")
    return 0


def _tell(share: float, what: str) -> None:
    """Show how far it is; the line is cleared when all is done, not after each file."""
    progress(min(share, 0.999), what)


def _agrees(consent: Consent, given: list[str]) -> bool:
    """Print the notice; take consent from the command line, or ask at a terminal."""
    from pipeline.backends.licences import accept

    say(f"{consent.name}: {consent.notice}")
    agreed = consent.name in given
    if not agreed and sys.stdin.isatty() and sys.stdout.isatty():
        agreed = input(f"Accept {consent.licence}? [y/N] ").strip().lower() in ("y", "yes")
    if agreed:
        accept(consent.name, consent.licence)
        say(f"{consent.name}: {consent.licence} is accepted")
    return agreed


def _accept(text: str) -> int:
    from pipeline.backends.catalogue import entry_of, locate
    from pipeline.backends.licences import accept

    capability, name = locate(text)
    entry = entry_of(capability, name)
    if not entry.notice:
        say(f"{name}: nothing has to be accepted ({entry.card.licence})")
        return 0
    say(f"{name}: {entry.notice}")
    accept(name, entry.card.licence)
    say(f"{name}: {entry.card.licence} is accepted")
    return 0


# -- verify ------------------------------------------------------------------------------------


def _verify(options: argparse.Namespace) -> int:
    from pipeline.backends.backend import ModelSettings
    from pipeline.backends.catalogue import locate
    from pipeline.backends.maintenance import verify

    names = [locate(options.name)] if options.name else _those_here()
    if options.weights and not options.name:
        raise DataError("no_backend", "--weights needs the name of a backend")
    found = []
    for capability, name in names:
        settings = ModelSettings(weights=options.weights)
        found.append(verify(capability, name, settings, _tell, lambda: False))
        progress(1.0, "")
        if not options.json:
            _say_verification(found[-1])
    if options.json:
        say(json.dumps([_verification_json(v) for v in found], indent=2))
    elif not found:
        say("no weights of any model are on this machine")
    return 0 if all(v.ok for v in found) else 1


def _those_here() -> list[tuple[str, str]]:
    from pipeline.backends.catalogue import entry_of
    from pipeline.backends.registry import CAPABILITIES, backend_names

    names = [(c, n) for c in CAPABILITIES for n in backend_names(c)]
    return [(c, n) for c, n in names if any(w.path for w in entry_of(c, n).weights)]


def _say_verification(found: Verification) -> None:
    say(f"{'ok  ' if found.ok else 'BAD '} {found.capability}/{found.name}: {found.sentence}")
    for file in found.files:
        say(f"       {file.state:7}  {file.path.name}  {file.size / 1e6:.1f} MB")


def _verification_json(found: Verification) -> dict[str, Any]:
    return {
        "capability": found.capability,
        "name": found.name,
        "ok": found.ok,
        "sentence": found.sentence,
        "missing": list(found.missing),
        "problem": found.problem,
        "files": [
            {
                "path": str(f.path),
                "size": f.size,
                "expected": f.expected,
                "found": f.found,
                "state": f.state,
            }
            for f in found.files
        ],
    }
