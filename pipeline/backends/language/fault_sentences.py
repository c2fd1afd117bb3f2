"""What went wrong with a question to a server, in one sentence each."""

from __future__ import annotations

import re

from pipeline.backends.language.endpoint import Question, Reply, ServerRefusal, ServerSettings
from pipeline.model.drafting import PartKind
from pipeline.model.problem import DataError

_NO_MEDIA = frozenset({400, 404, 415, 422, 500, 501})
_VIDEO = re.compile(r"video", re.IGNORECASE)
_PICTURE = re.compile(r"image|picture|multimodal|multi-modal|\bvision\b|mmproj", re.IGNORECASE)
_LARGE = re.compile(
    r"payload size|too large|context (?:length|window)|too many tokens", re.IGNORECASE
)
_UNABLE = re.compile(r"support|mmproj|not (?:a )?multi", re.IGNORECASE)


def too_slow(title: str, settings: ServerSettings) -> DataError:
    """No answer came in time."""
    return DataError(
        "timeout",
        f"no answer from {title} within {settings.timeout_s:g} s; run again or raise "
        f"{settings.stage}.timeout_s.",
    )


def was_cut(title: str, reply: Reply, settings: ServerSettings) -> DataError:
    """The answer ends before its end; `settings` are those it was asked with."""
    return DataError(
        "bad_answer",
        f"the answer of {title} ({reply.model}) was cut off at {settings.token_limit} tokens; "
        f"raise {settings.stage}.max_output_tokens or {settings.less}.",
    )


def refused(
    title: str,
    key_advice: str,
    settings: ServerSettings,
    refusal: ServerRefusal,
    question: Question,
) -> DataError:
    """The server said no, and asking again does not help.

    Args:
        title: Of the server.
        key_advice: How to give or change the key, one clause.
        settings: As they were given.
        refusal: What it said.
        question: What was sent.
    """
    status, message = refusal.status, refusal.message
    if refusal.about_key:
        # What servers say about keys repeats parts of them: it is not shown.
        return DataError("no_key", f"{title} does not take the key ({status}); {key_advice}")
    media = media_refused(refusal, question)
    if media is not None:
        why = f"({status}: {message})"
        if media is PartKind.VIDEO:
            how = "choose a recipe without a clip, or another model"
            return DataError("no_video", f"{title} does not take the video {why}; {how}.")
        how = "choose a model that sees"
        return DataError("no_pictures", f"{title} does not take the pictures {why}; {how}.")
    if too_large(refusal):
        how = "choose a model with room for more"
        if question.shows(PartKind.IMAGE) or question.shows(PartKind.VIDEO):
            how = "choose a recipe with fewer or smaller pictures, or " + how.removeprefix(
                "choose "
            )
        return DataError(
            "server_refused",
            f"the question is too large for {title} ({status}: {message}); {how}.",
        )
    if status == 404:
        what = f"the model “{settings.model}”" if settings.model else "this address"
        return DataError(
            "no_model",
            f"{title} does not know {what} (404: {message}); check {settings.stage}.model and "
            f"{settings.stage}.base_url.",
        )
    return DataError("server_refused", f"{title} refused the question ({status}: {message}).")


def media_refused(refusal: ServerRefusal, question: Question) -> PartKind | None:
    """The kind of part that a refusal is about, None if it is about something else."""
    said = refusal.message
    if refusal.status not in _NO_MEDIA or refusal.about_key:
        return None
    if refusal.status in (404, 500) and not _UNABLE.search(said):
        return None  # a crash that mentions a picture is a crash
    if question.shows(PartKind.VIDEO) and _VIDEO.search(said):
        return PartKind.VIDEO
    if question.shows(PartKind.IMAGE) and _PICTURE.search(said):
        return PartKind.IMAGE
    return None


def too_large(refusal: ServerRefusal) -> bool:
    """Whether a refusal is about the size of the question, in bytes or in tokens."""
    return refusal.status == 413 or (
        refusal.status in (400, 422) and _LARGE.search(refusal.message) is not None
    )
