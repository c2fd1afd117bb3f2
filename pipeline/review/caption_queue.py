"""Which captions wait: unjudged ones for annotators, judged ones for reviewers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from pipeline.review.caption_story import CaptionStory, stories
from pipeline.review.events import Event


class Role(StrEnum):
    """What a person does with captions."""

    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"


def is_judged(story: CaptionStory | None) -> bool:
    """Whether a verdict is in force: one that no critique came after."""
    return story is not None and story.is_judged


def is_checked(story: CaptionStory | None) -> bool:
    """Whether a reviewer looked at the verdict in force."""
    if story is None or story.verdict is None:
        return False
    return any(r.order > story.verdict.order for r in story.reviews)


def waits(story: CaptionStory | None, role: Role, who: str) -> bool:
    """Whether a caption waits for a person.

    Args:
        story: What was said about it, None if nothing.
        role: What the person does.
        who: The person: nobody reviews their own work.
    """
    if role is Role.ANNOTATOR:
        return not is_judged(story)
    if story is None or story.verdict is None or story.verdict.who == who:
        return False
    return is_judged(story) and not is_checked(story)


class CaptionQueue:
    """Stories of all captions of a dataset, kept up to date: only what changed is read again."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._stories: dict[int, dict[int, CaptionStory]] = {}

    def update(self, events: Sequence[Event]) -> None:
        """Take in all events of the dataset, the older ones included."""
        grouped: dict[int, list[Event]] = {}
        for event in events:
            if event.stage == "captions":
                grouped.setdefault(event.episode, []).append(event)
        for episode in self._sizes.keys() - grouped.keys():
            self._stories.pop(episode, None)
        for episode, own in grouped.items():
            if self._sizes.get(episode) != len(own):
                self._stories[episode] = {s.subtask: s for s in stories(own)}
        self._sizes = {episode: len(own) for episode, own in grouped.items()}

    def story(self, episode: int, subtask: int) -> CaptionStory | None:
        """What was said about a caption, None if nothing."""
        return self._stories.get(episode, {}).get(subtask)

    def subtasks(self, episode: int) -> tuple[int, ...]:
        """Subtasks of an episode about which something was said."""
        return tuple(sorted(self._stories.get(episode, {})))

    def waiting(self, episode: int, count: int, role: Role, who: str) -> tuple[int, ...]:
        """Subtasks of an episode that wait.

        Args:
            episode: Episode index.
            count: Its subtasks; 0 if unknown, then those that were spoken of and the first of
                which nobody spoke.
            role: As in `waits`.
            who: As in `waits`.
        """
        indices: Iterable[int] = range(count)
        if not count:
            known = self.subtasks(episode)
            silent = next(i for i in range(len(known) + 1) if i not in known)
            indices = sorted((*known, silent))
        return tuple(i for i in indices if waits(self.story(episode, i), role, who))
