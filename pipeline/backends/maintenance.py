"""Fetches and verifies what a backend needs, by its name; for the command line and the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.backends.backend import ModelBackend, ModelSettings
from pipeline.backends.catalogue import weights_of
from pipeline.backends.checksums import FileCheck, check_files
from pipeline.backends.downloads import Report, download, is_restricted, licence_on_hub
from pipeline.backends.licences import accepted
from pipeline.backends.registry import make_backend
from pipeline.backends.weights import Weights, find_weights
from pipeline.model.problem import Cancelled, DataError


@dataclass(frozen=True, slots=True)
class Consent:
    """A licence that a person has to accept before something is fetched or used.

    Attributes:
        name: To give to `licences.accept`: a backend, or the Hub id of weights.
        licence: Its licence.
        notice: What that means, one sentence.
    """

    name: str
    licence: str
    notice: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a backend's weights are whole and load.

    Attributes:
        capability: E.g. `detection`.
        name: Of the backend.
        files: Checksums of all files of all weights that are here.
        missing: Hub ids of weights that are not.
        problem: Why the weights do not load, empty if they do (or nothing was tried).
    """

    capability: str
    name: str
    files: tuple[FileCheck, ...] = ()
    missing: tuple[str, ...] = ()
    problem: str = ""

    @property
    def ok(self) -> bool:
        """True if all is here, as announced, and loads."""
        return not (self.missing or self.problem or any(f.state == "wrong" for f in self.files))

    @property
    def sentence(self) -> str:
        """What was found, one sentence."""
        wrong = [f.path.name for f in self.files if f.state == "wrong"]
        again = f"fetch it again: “demoscope models download {self.name}”."
        if wrong:
            return f"{', '.join(wrong)}: not the content that the Hub announced; {again}"
        if self.missing:
            return f"{', '.join(self.missing)}: not on this machine; {again}"
        if self.problem:
            return self.problem
        known = sum(f.state == "ok" for f in self.files)
        return f"{known} of {len(self.files)} checksums known and right; loads."


def consents(capability: str, name: str, given: str = "") -> tuple[Consent, ...]:
    """Licences to accept before the weights of a backend are fetched.

    Args:
        capability: E.g. `tracking`.
        name: Of the backend.
        given: Other weights, a Hub id; the Hub is asked for their licence.

    Raises:
        DataError: `no_backend`.
    """
    backend = make_backend(capability, name)
    found = []
    if isinstance(backend, ModelBackend) and backend.needs_consent():
        found.append(Consent(name, backend.licence, backend.notice))
    for weights in weights_of(backend, ModelSettings(weights=given)):
        licence = licence_on_hub(weights.repo) if weights.licence == "unknown" else ""
        if is_restricted(licence) and not accepted(weights.repo, licence):
            notice = f"The weights {weights.repo} come under {licence}: no commercial use."
            found.append(Consent(weights.repo, licence, notice))
    return tuple(found)


def fetch(
    capability: str,
    name: str,
    given: str,
    report: Report,
    cancelled: Callable[[], bool],
) -> tuple[Weights, ...]:
    """Fetch all weights of a backend; the user has accepted what `consents` lists.

    Raises:
        DataError: As `downloads.download`; `no_weights` if nothing can be fetched for it;
            `no_consent` if a licence is not accepted.
        Cancelled: By `cancelled`.
    """
    open_questions = consents(capability, name, given)
    if open_questions:
        first = open_questions[0]
        raise DataError(
            "no_consent",
            f"{first.notice} Accept its licence first ({first.licence}): "
            f"“demoscope models download {name} --accept-licence {first.name}”.",
        )
    wanted = weights_of(make_backend(capability, name), ModelSettings(weights=given))
    if given and not any(w.repo == given.partition("@")[0] for w in wanted):
        raise DataError("no_weights", f"“{given}” is no id of the Hub: expected owner/name.")
    if not wanted:
        raise DataError(
            "no_weights",
            f"nothing is to be fetched for {name}: its weights are given by the option “weights”, "
            "or it has none.",
        )
    for i, weights in enumerate(wanted):

        def tell(share: float, what: str, before: int = i) -> None:
            report((before + share) / len(wanted), what)

        download(weights, tell, cancelled)
    return wanted


def verify(
    capability: str,
    name: str,
    settings: ModelSettings,
    report: Report,
    cancelled: Callable[[], bool],
) -> Verification:
    """Check all checksums of a backend's weights, then load it.

    Raises:
        DataError: `no_backend`.
        Cancelled: By `cancelled`.
    """
    backend = make_backend(capability, name, settings)
    files: tuple[FileCheck, ...] = ()
    missing = []
    for weights, path in _places(backend, settings):
        if path is None:
            missing.append(weights.repo if weights else settings.weights or name)
        else:
            files += check_files(weights, path, report, cancelled)
    problem = ""
    if not missing and not any(f.state == "wrong" for f in files):
        report(0.99, f"loading {name}")
        problem = _try(backend)
    return Verification(capability, name, files, tuple(missing), problem)


def _places(backend: Any, settings: ModelSettings) -> list[tuple[Weights | None, Any]]:
    if not isinstance(backend, ModelBackend):
        return []
    wanted = weights_of(backend, settings)
    places: list[tuple[Weights | None, Any]] = [(w, find_weights(w, "")) for w in wanted]
    if settings.weights and not any(w.repo == settings.weights.partition("@")[0] for w in wanted):
        # A path replaces the first.
        places[:1] = [(None, find_weights(backend.weights, settings.weights))]
    elif not wanted and not settings.weights:
        places = []
    return places


def _try(backend: Any) -> str:
    """Load a backend; return why it does not, or nothing."""
    reason = backend.available()
    if reason is not None:
        return str(reason)
    if not hasattr(backend, "load"):
        return ""
    try:
        backend.load()
    except Cancelled:
        raise
    except DataError as error:
        return str(error)
    except Exception as error:
        # Loading code of others raises anything.
        return f"it does not load: {type(error).__name__}: {error}"
    return ""
