"""Training samples made of reviewed captions: captions, preferences, critiques, yes / no. Pure.

The formats follow the spec (captions, Exports): a perfect caption has a fixed sentence as critique,
and a caption that was not perfect gives two alignment samples, final = yes and pre = no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

from pipeline.model.caption_fields import FIELD_WORDS
from pipeline.model.problem import DataError
from pipeline.review.caption_story import CaptionStory, Critique
from pipeline.review.critique import is_said

SCHEMA = 1
"""Of the lines; raised when a field changes its meaning."""
PERFECT = "The caption is accurate and complete: nothing needs to change."
"""The critique of a caption that was accepted as it was drafted (our wording of the sentinel)."""
QUESTION = "Does this caption describe the clip: “{caption}”?"
"""What an alignment sample asks (our wording)."""
PERFECT_SCORE = 5


@dataclass(frozen=True, slots=True)
class ClipVideo:
    """Where the clip lies in the video file of one camera: a file may hold many episodes.

    Attributes:
        camera: Camera key.
        file: Relative to the dataset.
        start_s: Time of the first frame in the file, seconds.
        end_s: End of the last frame, likewise.
    """

    camera: str
    file: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Clip:
    """What a caption is about, from the results of its subtask.

    Attributes:
        dataset: Name of the dataset.
        episode: Episode index.
        subtask: Subtask index.
        camera: Camera key, empty if the pipeline chose none.
        files: Files of the episode, relative to the dataset.
        start: First frame, counted from the start of the episode.
        end: One past the last frame.
        fps: Frames per second.
        instruction: Of the episode.
        arm: Which arm acts.
        reliability: R of the winner; None if there is none.
        videos: Where the pictures are, that of `camera` first; empty where they lie in no video
            files, or where frames are counted in files of the episode's own.
    """

    dataset: str
    episode: int
    subtask: int
    camera: str
    files: tuple[str, ...]
    start: int
    end: int
    fps: float
    instruction: str
    arm: str = ""
    reliability: float | None = None
    videos: tuple[ClipVideo, ...] = ()

    @property
    def record(self) -> dict[str, Any]:
        """As it is written into every line."""
        return {
            "dataset": self.dataset,
            "episode_index": self.episode,
            "subtask_index": self.subtask,
            "camera": self.camera,
            "files": list(self.files),
            "start_frame": self.start,
            "end_frame": self.end,
            "start_s": round(self.start / self.fps, 3),
            "end_s": round(self.end / self.fps, 3),
            "fps": self.fps,
            "instruction": self.instruction,
            "arm": self.arm,
            "reliability": self.reliability,
            "videos": [asdict(video) for video in self.videos],
        }


@dataclass(frozen=True, slots=True)
class Filters:
    """Which captions are wanted.

    Attributes:
        accepted_only: Only captions accepted or corrected, and not criticised since, nor called
            wrong by the newest reviewer.
        agreed_only: Only captions whose verdict in force the newest reviewer agrees with.
        least_reliability: R at least; captions without R are left out then.
        people: Names of those whose verdict counts, empty for all.
        since: First day of the verdict, UTC.
        until: Last day of the verdict, UTC.
        recipes: Recipes of the draft: a name, or a whole identity; empty for all.
    """

    accepted_only: bool = True
    agreed_only: bool = False
    least_reliability: float | None = None
    people: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    recipes: tuple[str, ...] = ()

    def takes(self, story: CaptionStory, clip: Clip) -> bool:
        """Whether a caption is wanted."""
        least = self.least_reliability
        if least is not None and (clip.reliability is None or clip.reliability < least):
            return False
        return self.takes_story(story)

    def takes_story(self, story: CaptionStory) -> bool:
        """Whether a caption is wanted if its clip is reliable enough."""
        verdict = story.verdict
        if self.accepted_only and (not story.is_accepted or story.is_disputed):
            return False
        if self.agreed_only and not story.is_agreed:
            return False
        if verdict is None:
            # Nobody judged it: it has neither a person nor a day.
            return not (self.people or self.since or self.until) and self._recipe(story)
        day = datetime.fromisoformat(verdict.at).astimezone(UTC).date()
        if (self.since and day < self.since) or (self.until and day > self.until):
            return False
        if self.people and verdict.who not in self.people:
            return False
        return self._recipe(story)

    def _recipe(self, story: CaptionStory) -> bool:
        if not self.recipes:
            return True
        used = story.version_of(story.pre_caption)
        identity = used.recipe if used is not None else ""
        # `Recipe.identity` is name, version and hash.
        return identity in self.recipes or identity.rsplit("-", 2)[0] in self.recipes


def caption_samples(story: CaptionStory, clip: Clip) -> Iterator[dict[str, Any]]:
    """One line per caption; one that nobody judged, or criticised since, is a draft."""
    text = story.final or story.pre_caption
    if text:
        in_force = story.verdict if story.is_judged else None
        verdict = in_force.edit.verdict.value if in_force is not None else "draft"
        yield {**_head("caption", story, clip), "caption": text, "verdict": verdict}


def preference_samples(story: CaptionStory, clip: Clip) -> Iterator[dict[str, Any]]:
    """(rejected, chosen) pairs: the pre-caption against the final one, if they differ."""
    before, after = story.pre_caption, story.final
    if before and after and before != after:
        yield {**_head("preference", story, clip), "rejected": before, "chosen": after}


def critique_samples(story: CaptionStory, clip: Clip) -> Iterator[dict[str, Any]]:
    """(video, draft) -> critique; a draft that was accepted as it was gets the fixed sentence.

    A critique of the very caption that was accepted after all teaches nothing: it was taken back.
    """
    head = _head("critique", story, clip)
    final = story.final
    critiques = [c for c in story.last_critiques if not final or c.edit.about.strip() != final]
    for critique in critiques:
        yield {
            **head,
            "pre_caption": critique.edit.about,
            "critique": critique_text(critique),
            "fields": [f.value for f in critique.edit.fields],
            "final_caption": final,
            "pre_caption_score": _score(story, critique),
            "caption_type": "subtask",
            "critic": critique.who,
            "critique_at": critique.at,
        }
    if not critiques and final and final == story.pre_caption:
        yield {
            **head,
            "pre_caption": final,
            "critique": PERFECT,
            "fields": [],
            "final_caption": final,
            "pre_caption_score": PERFECT_SCORE,
            "caption_type": "subtask",
            "critic": head["provenance"]["judged_by"],
            "critique_at": head["provenance"]["judged_at"],
        }


def alignment_samples(story: CaptionStory, clip: Clip) -> Iterator[dict[str, Any]]:
    """Yes / no: the final caption is right; a pre-caption that was changed is not."""
    before, after = story.pre_caption, story.final
    if after:
        yield _alignment(story, clip, after, "yes")
    if before and before != after and (after or story.is_rejected):
        yield _alignment(story, clip, before, "no")


Samples = Callable[[CaptionStory, Clip], Iterable[dict[str, Any]]]
FORMATS: Mapping[str, Samples] = MappingProxyType(
    {
        "captions": caption_samples,
        "preferences": preference_samples,
        "critiques": critique_samples,
        "yes-no": alignment_samples,
    }
)
"""What can be made of a story."""


def samples(
    stories: Iterable[CaptionStory],
    clips: Mapping[tuple[int, int], Clip],
    form: str,
    filters: Filters,
) -> Iterator[dict[str, Any]]:
    """Lines of a format for all wanted captions; those without a clip are passed over.

    Args:
        stories: By episode and subtask.
        clips: (episode, subtask) -> its clip.
        form: A name of `FORMATS`.
        filters: Which captions are wanted.

    Raises:
        DataError: `no_format`.
    """
    make = FORMATS.get(form)
    if make is None:
        raise DataError("no_format", f"no format “{form}”: expected {', '.join(FORMATS)}.")
    for story in stories:
        clip = clips.get((story.episode, story.subtask))
        if clip is not None and filters.takes(story, clip):
            yield from make(story, clip)


def critique_text(critique: Critique) -> str:
    """What was written, with the corrections that were given by field where the text lacks them."""
    text = critique.edit.text.strip()
    missing = [
        f"{FIELD_WORDS[name]} should be “{value}”"
        for name, value in critique.edit.corrections
        if value and not is_said(value, text)
    ]
    if not missing:
        return text
    added = "; ".join(missing)
    return f"{text.rstrip('.')}. The {added}." if text else f"The {added}."


def _score(story: CaptionStory, critique: Critique) -> int:
    """1..5: one less for every field that is wrong, 1 for a caption that was thrown away.

    The source scores by hand; our people name fields instead (our choice).
    """
    if story.is_rejected:
        return 1
    wrong = {*critique.edit.fields, *(name for name, _ in critique.edit.corrections)}
    return max(1, PERFECT_SCORE - max(1, len(wrong)))


def _alignment(story: CaptionStory, clip: Clip, caption: str, answer: str) -> dict[str, Any]:
    return {
        **_head("alignment", story, clip),
        "question": QUESTION.format(caption=caption),
        "caption": caption,
        "answer": answer,
    }


def _head(kind: str, story: CaptionStory, clip: Clip) -> dict[str, Any]:
    """What every line says about its clip and its making."""
    verdict, review = story.verdict, story.reviews[-1] if story.reviews else None
    draft, last = story.version_of(story.pre_caption), story.version_of(story.final)
    return {
        "schema": SCHEMA,
        "kind": kind,
        "clip": clip.record,
        "provenance": {
            "judged_by": verdict.who if verdict is not None else "",
            "judged_at": verdict.at if verdict is not None else "",
            "reviewed_by": review.who if review is not None else "",
            "reviewer_agrees": review.edit.agrees if review is not None else None,
            "drafter": draft.drafter if draft is not None else "",
            "model": draft.model if draft is not None else "",
            "recipe": draft.recipe if draft is not None else "",
            "final_by": _author(story, last is not None),
            "critiques": len(story.critiques),
        },
    }


def _author(story: CaptionStory, is_a_version: bool) -> str:
    """Who wrote the final sentence: `drafter`, `person`, or empty where there is none."""
    if not story.final:
        return ""
    drafted = is_a_version or story.final == story.pre_caption
    return "drafter" if drafted else "person"
