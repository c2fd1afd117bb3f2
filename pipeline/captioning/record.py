"""What models wrote, kept among the reviews: history and exports survive a cleared cache."""

from __future__ import annotations

from pipeline.model.caption import CaptionResult
from pipeline.model.drafting import CaptionVersion
from pipeline.review.caption_story import STAGE, stories, version_record
from pipeline.review.events import Event, Scalar
from pipeline.review.store import ReviewStore

_Key = tuple[Scalar, ...]


class CaptionRecorder:
    """Records the versions of captions that are not recorded yet."""

    def __init__(self, store: ReviewStore) -> None:
        """Read what is recorded.

        Args:
            store: Of the dataset.
        """
        self._store = store
        self._known: dict[tuple[int, int], set[_Key]] = {}
        for story in stories(store.events()):
            known = self._known.setdefault((story.episode, story.subtask), set())
            known.update((v.text, v.model, v.recipe, v.critique) for v in story.versions)

    def record(self, episode: int, subtask: int, result: CaptionResult) -> tuple[Event, ...]:
        """Record what models wrote; what was drafted offline is written again at no cost.

        Args:
            episode: Episode index.
            subtask: Subtask index.
            result: Of the stage.

        Returns:
            The new events, none if everything was recorded before.

        Raises:
            DataError: `store_not_writable`.
        """
        known = self._known.setdefault((episode, subtask), set())
        events = []
        for version in result.versions:
            if version.exchange is None or _key(version) in known:
                continue
            events.append(self._store.record(episode, subtask, version_record(version), STAGE))
            known.add(_key(version))
        return tuple(events)


def _key(version: CaptionVersion) -> _Key:
    return (version.text, version.model, version.recipe, version.critique)
