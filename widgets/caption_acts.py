"""What people can do with a caption, as buttons name it: annotators and reviewers."""

from __future__ import annotations

ANNOTATOR: tuple[tuple[str, str, str], ...] = (
    ("accept", "Accept  ⏎", "The caption is right: verb, object and destination (Enter)"),
    ("correct", "Correct  E", "Write what is right instead, by part or as a sentence (E)"),
    ("critique", "Critique  C", "Say what is wrong and what to do; the drafter revises (C)"),
    ("reject", "Reject  X", "The caption is wrong; it stays without a correction (X)"),
    ("skip", "Skip  S", "Leave it unreviewed and go on; it comes back at the end (S)"),
)
"""Name, label with its key, and meaning of what an annotator can do with a caption."""
REVIEWER: tuple[tuple[str, str, str], ...] = (
    ("agree", "Agree  ⏎", "Caption and critique hold against the video (Enter)"),
    ("disagree", "Disagree  X", "Say what is wrong, or which alarm was false (X)"),
    ("clip", "Play  ⇧Space", "Play this subtask round and round (Shift+Space)"),
    ("skip_review", "Skip  S", "Leave it unreviewed and go on; it comes back at the end (S)"),
)
"""The same of a reviewer, about what an annotator left."""
