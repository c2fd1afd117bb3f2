"""The drafters that ask a model: what is sent, and what its answer makes a caption.

A request is made of the recipe, the pictures and the records of the earlier stages; the same
request is never sent twice (its answer is kept by content). A revision shows the same pictures and
adds the caption and the critique.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.backends.backend import Progress, part_of
from pipeline.backends.language.vocabulary import vocabulary
from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.model.drafting import CaptionVersion, Exchange, Reply, SentRequest
from pipeline.model.edits import CritiqueCaption
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.model.recipe import Recipe
from pipeline.stages.caption_corrections import EVIDENCE_NAMES
from pipeline.stages.caption_offline import Drafted
from pipeline.stages.caption_options import CaptionsOptions, reasoning_of, temperature_of

if TYPE_CHECKING:
    from pipeline.backends.captioning.captioner import Captioner, CaptionSettings
    from pipeline.backends.captioning.material import CaptionMaterial
    from pipeline.backends.captioning.written import WrittenCaption

_LARGE = re.compile(
    r"(?:^|[^a-z])(?:pro|ultra|opus|large|max)(?:[^a-z]|$)|(?<![\d.])(\d{2,4})b(?![a-z])"
)
_LARGE_BILLIONS = 30
"""Parameters from which a model that tells them by its name counts as large *(our choice)*."""


def is_large(model: str) -> bool:
    """Whether a model's name says that it is of the large class (Pro, 72B)."""
    found = _LARGE.search(model.lower())
    return found is not None and (found[1] is None or int(found[1]) >= _LARGE_BILLIONS)


def recipe_of(options: CaptionsOptions) -> Recipe:
    """The recipe that the options name, else the one that measured best for the model's size.

    Raises:
        DataError: `no_recipe`.
    """
    # lazy: reading recipes is for those who use one
    from pipeline.backends.captioning.recipes import (
        DEFAULT_RECIPE,
        LARGE_MODEL_RECIPE,
        load_recipes,
    )

    name = options.recipe.strip()
    if not name:
        name = LARGE_MODEL_RECIPE if is_large(options.model) else DEFAULT_RECIPE
    return load_recipes().get(name)


def settings_of(options: CaptionsOptions, recipe: Recipe) -> CaptionSettings:
    """How the model is asked: the recipe, where the options say nothing else.

    Raises:
        DataError: `bad_options`.
    """
    from pipeline.backends.captioning.captioner import CaptionSettings

    return CaptionSettings(
        model=options.model.strip() or recipe.model,
        base_url=options.base_url.strip(),
        temperature=temperature_of(options, recipe),
        reasoning=reasoning_of(options, recipe),
        max_output_tokens=recipe.max_output_tokens,
        logprobs=recipe.logprobs,
        timeout_s=options.timeout_s,
        attempts=options.attempts,
        max_wait_s=options.max_wait_s,
        requests_per_minute=options.requests_per_minute,
        draw=options.draw,
    )


def identity_of_drafter(options: CaptionsOptions) -> str:
    """Server, recipe and prompt; enters the keys of results, so that an edited recipe counts."""
    if options.offline:
        return options.backend
    # lazy: the offline drafter, which is the default, needs none of them
    from pipeline.backends.captioning.captioner import captioner
    from pipeline.backends.captioning.prompt_text import caption_prompts

    try:
        recipe = recipe_of(options).identity
    except DataError:
        recipe = "none"  # running the stage says which recipes there are
    server = getattr(captioner(options.backend), "identity", lambda: options.backend)()
    return f"{server}:{recipe}:{caption_prompts().identity}"


class OnlineDrafter:
    """Asks one server with one recipe about one subtask."""

    def __init__(
        self,
        options: CaptionsOptions,
        material: CaptionMaterial,
        fingerprint: str,
        captioner: Captioner | None = None,
    ) -> None:
        """Send nothing yet.

        Args:
            options: Of the stage.
            material: What pictures and texts are made from.
            fingerprint: Of the demonstration, so that requests can be remembered.
            captioner: Who asks; None for the one that the options name.

        Raises:
            DataError: `no_recipe`, `no_backend`, `bad_options`.
        """
        from pipeline.backends.captioning.captioner import captioner as make_captioner

        self.recipe = recipe_of(options)
        self.settings = settings_of(options, self.recipe)
        self.captioner = captioner or make_captioner(options.backend)
        self._material = material
        self._fingerprint = fingerprint

    def request(self, progress: Progress) -> SentRequest:
        """What a draft shows and says; the pictures are decoded, or remembered from before."""
        from pipeline.backends.captioning.request import build_request

        key = _key(self._fingerprint, self.recipe, self._material)
        found = _REMEMBERED.get(key)
        if found is None:
            found = build_request(self._material, self.recipe, progress)
            _REMEMBERED.put(key, found)
        return found

    def draft(self, progress: Progress) -> Drafted:
        """Write version 0.

        Raises:
            DataError: One sentence; see `Captioner.ask`.
            Cancelled: As `progress` raised it.
        """
        request = self.request(part_of(progress, 0.0, 0.4))
        return self._ask(request, "", part_of(progress, 0.4, 1.0))

    def revise(
        self,
        before: Drafted,
        critique: CritiqueCaption,
        progress: Progress,
    ) -> Drafted:
        """Have the model write the caption again, with the critique before its eyes.

        Args:
            before: The version that is criticised.
            critique: What a person said about it.
            progress: As for a draft.

        Raises:
            DataError: One sentence.
            Cancelled: As `progress` raised it.
        """
        request = self.revision(before, critique, part_of(progress, 0.0, 0.4))
        return self._ask(request, critique.uid, part_of(progress, 0.4, 1.0))

    def revision(
        self, before: Drafted, critique: CritiqueCaption, progress: Progress
    ) -> SentRequest:
        """What a revision shows and says."""
        from pipeline.backends.captioning.request import build_revision

        request = self.request(progress)
        text = critique_text(critique)
        return build_revision(request, before.version.text, text, critique.fields, self.recipe)

    def schema(self) -> type[WrittenCaption]:
        """Shape of the answer."""
        from pipeline.backends.captioning.written import caption_schema

        return caption_schema(mini_cot=self.recipe.parts.mini_cot)

    def pending(self, request: SentRequest) -> bool:
        """Whether asking would send something; nothing is sent."""
        return self.captioner.pending(request, self.schema(), self.settings)

    def _ask(self, request: SentRequest, critique: str, progress: Progress) -> Drafted:
        written, reply = self.captioner.ask(request, self.schema(), self.settings, progress)
        from pipeline.backends.captioning.request import request_problems

        problems = [*request_problems(request), *_dropped(reply, self.captioner.title)]
        problems += outside_vocabulary(written.fields, written.caption, reply.model)
        version = CaptionVersion(
            text=written.caption,
            fields=written.fields,
            drafter=self.captioner.name,
            model=reply.model or self.captioner.model(self.settings),
            recipe=self.recipe.identity,
            critique=critique,
            reasoning=written.thoughts,
            exchange=Exchange(request, reply),
            problems=tuple(problems),
        )
        return Drafted(version, _evidence(version))


def critique_text(critique: CritiqueCaption) -> str:
    """What a model is told: the critique with the right values that its author gave."""
    values = "; ".join(
        f"{EVIDENCE_NAMES[part]} {f'is “{value}”' if value else 'is none'}"
        for part, value in critique.corrections
    )
    text = " ".join(critique.text.split())
    return f"{text} Right: {values}.".strip() if values else text


def outside_vocabulary(fields: CaptionFields, text: str, model: str) -> list[Problem]:
    """A finding if the verb is none of the vocabulary."""
    known = {v.verb for v in vocabulary().verbs}
    if fields.verb in known:
        return []
    who = model or "The model"
    what = f"the verb “{fields.verb}” of" if fields.verb else "no verb apart from"
    message = (
        f"{who} wrote {what} “{text}”, which the vocabulary does not have: choose one of its "
        f"{len(known)} verbs."
    )
    return [Problem("caption_outside_vocabulary", message)]


def _evidence(version: CaptionVersion) -> tuple[tuple[str, str], ...]:
    """Each part rests on what the model saw; nothing more is known about its reasons."""
    pictures = (
        0
        if version.exchange is None
        else sum(part.data.size > 0 for part in version.exchange.request.parts)
    )
    shown = f"{pictures} picture{'' if pictures == 1 else 's'}" if pictures else "the text"
    why = f"{version.model or version.drafter} from {shown}"
    if version.critique:
        why += " and the critique"
    return tuple(
        (EVIDENCE_NAMES[part], why) for part in CaptionField if getattr(version.fields, part.value)
    )


def _dropped(reply: Reply, title: str) -> list[Problem]:
    if not reply.dropped:
        return []
    message = (
        f"{title} does not take {', '.join(reply.dropped)}: it was asked without, so the answer "
        "may vary more."
    )
    return [Problem("option_dropped", message, Severity.INFO)]


@dataclass
class _Memory:
    """The newest requests, so that a verdict or a critique decodes no picture again."""

    limit: int = 64 << 20
    """Bytes of pictures: some 60 subtasks, so that estimating a small batch and then drafting it
    decodes once."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, SentRequest] = OrderedDict()

    def get(self, key: str) -> SentRequest | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, request: SentRequest) -> None:
        with self._lock:
            self._kept[key] = request
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > self.limit:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()


def _size(request: SentRequest) -> int:
    return sum(part.data.size + len(part.text) for part in request.parts)


_REMEMBERED = _Memory()


def _key(fingerprint: str, recipe: Recipe, material: CaptionMaterial) -> str:
    """Hash of all that decides a request."""
    from pipeline.backends.captioning.prompt_text import caption_prompts

    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{fingerprint}\0{recipe.identity}\0{caption_prompts().identity}".encode())
    _feed(digest, material)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    """Add a value of the material; the reader is left out: the fingerprint stands for it."""
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if field.name != "reader":
                digest.update(f"\0{field.name}=".encode())
                _feed(digest, getattr(value, field.name))
    elif isinstance(value, tuple):
        digest.update(f"({len(value)}".encode())
        for item in value:
            _feed(digest, item)
    else:
        digest.update(repr(value).encode() + b"\0")
