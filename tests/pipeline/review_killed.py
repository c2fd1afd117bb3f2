"""A process that works on a review store until it is killed; run by test_review_kill.py.

Reads one line of JSON per task from standard input: a dataset and what to do. Each task is done by
a forked child, so that hundreds of them cost no imports. The child tells every finished step; who
asked kills it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from pipeline.model.edits import JudgeCaption, Rename, SetChannels
from pipeline.review.location import has_team_database
from pipeline.review.schema import new_file_script
from pipeline.review.store import ReviewStore


def say(text: str) -> None:
    """One whole line at once, past all buffers."""
    os.write(1, text.encode() + b"\n")


def work(task: dict[str, Any]) -> None:
    """Do the steps, and tell after each one the uuid of the newest event, or `none`."""
    store = ReviewStore.open(task["dataset"], who="ada")
    for what, episode, number in task["steps"]:
        before = len(store.events())
        match what:
            case "undo":
                store.undo(episode)
            case "redo":
                store.redo(episode)
            case "record":
                store.record(episode, 0, {"text": "x" * number})
            case "judge":
                store.append(
                    episode,
                    JudgeCaption(subtask=0, verdict="accepted", draft="a", text=str(number)),
                )
            case "channels":
                store.append(
                    episode,
                    SetChannels(arm="left", signal="state", indices=(number,), closed_is="low"),
                )
            case "reopen":
                store.close()
                store = ReviewStore.open(task["dataset"], who="ada")
            case _:
                store.append(episode, Rename(subtask=0, object_name=f"cup {number}"))
        events = store.events()
        say(f"did {events[-1].uuid if len(events) > before else 'none'}")
    say("done")


def main() -> None:
    """Serve until standard input ends."""
    import pipeline.review.tables  # noqa: F401

    if has_team_database():
        import psycopg  # noqa: F401
    new_file_script()
    say("ready")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                # What comes next on standard input is the parent's.
                work(json.loads(line))
            finally:
                os._exit(0)
        say(f"child {child}")
        os.waitpid(child, 0)
        say("over")


if __name__ == "__main__":
    main()
