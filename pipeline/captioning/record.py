"""What models wrote, kept among the reviews: history and exports survive a cleared cache."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.model.caption import CaptionResult
from pipeline.model.drafting import CaptionVersion
from pipeline.review.caption_story import STAGE, identity, stories, version_record
from pipeline.review.events import Event
from pipeline.review.store import ReviewStore


def hold_replies(versions: Iterable[CaptionVersion]) -> None:
    """Have the kept replies that recorded versions came from trimmed last, with their pictures."""
    replies = [v.exchange.reply for v in versions if v.exchange is not None]
    if not replies:
        return
    # lazy: who drafts offline keeps no replies
    from pipeline.backends.captioning.reply_store import ReplyStore

    store = ReplyStore()
    for reply in replies:
        store.mark_recorded(reply)


class CaptionRecorder:
    """Records the versions of captions that are not recorded yet."""

    def __init__(self, store: ReviewStore) -> None:
        """Read what is recorded.

        Args:
            store: Of the dataset.
        """
        self._store = store
        self._known: dict[tuple[int, int], set[tuple[str, ...]]] = {}
        for story in stories(store.events()):
            known = self._known.setdefault((story.episode, story.subtask), set())
            known.update(identity(v) for v in story.versions)

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
        hold_replies(result.versions)
        known = self._known.setdefault((episode, subtask), set())
        events = []
        for version in result.versions:
            if version.exchange is None or identity(version) in known:
                continue
            events.append(self._store.record(episode, subtask, version_record(version), STAGE))
            known.add(identity(version))
        return tuple(events)
