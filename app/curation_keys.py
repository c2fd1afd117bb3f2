"""Keys of the curation window, as the help lists them."""

from __future__ import annotations

CURATION_KEYS = (
    ("Go to a page: Threshold to Captions", "Ctrl+1 to Ctrl+6"),
    ("Start or stop what the page computes", "Ctrl+R"),
    ("Export what is kept and dropped", "Ctrl+E"),
    ("To the next part of a page, and back", "Tab, Shift+Tab"),
    ("Threshold by one annotation, by 1 %", "Left/Right, with Shift"),
    ("Histogram: keep everything, nothing", "Home, End"),
    ("A weight by a step, by a larger one", "Arrows, PgUp/PgDown"),
    ("Open the chosen annotation in the main window", "Return, click"),
    ("Choose a bar, an option, a saved point", "Up/Down"),
    ("Apply the chosen operating point", "Return, double click"),
    ("Spot check: right, wrong, cannot say", "Y, X, U"),
    ("Spot check: take the last answer back", "Backspace, Ctrl+Z"),
    ("Keyboard shortcuts", "?, F1"),
)
"""What each key does; docs/curation.md says more."""
