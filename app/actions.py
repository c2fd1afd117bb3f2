"""Every action, once: menus, tool bar, shortcuts and the help page are made from this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from pipeline.document import Session

CHANGING = frozenset(
    {
        *("draw_box", "draw_target", "paint", "erase", "mark_robot", "import_robot_mask"),
        *("split_phase", "merge_next", "merge_previous", "name_phase", "boundary_here"),
        *("channels", "undo", "redo", "choose", "accept", "correct", "reject"),
        *("critique", "critique_again"),
        *("run", "run_all", "use_models", "use_embedded", "annotate_dataset"),
    }
)
"""Actions that correct, judge or run: disabled where something can only be looked at."""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action.

    Attributes:
        id: Stable name; the window has a method `do_<id>`.
        menu: Menu it belongs to, also the group in the help page.
        text: What it is called.
        keys: Default shortcuts in Qt's portable text.
        needs: What must be there: `nothing`, `dataset`, `episode`, `results`, `masks`, `tracks`,
            `candidates`, `caption`, `phases`, `before`, `busy`, `undo`, `redo`.
        checkable: True for switches.
    """

    id: str
    menu: str
    text: str
    keys: tuple[str, ...] = ()
    needs: str = "nothing"
    checkable: bool = False


_DIGITS = tuple(
    ActionSpec(f"candidate_{n}", "Candidate", f"Select candidate ranked {n}", (str(n),),
               "candidates")
    for n in range(1, 10)
)  # fmt: skip

ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec("open_folder", "File", "Open dataset folder…", ("Ctrl+O", "Ctrl+Shift+O")),
    ActionSpec("open_file", "File", "Open dataset file…", ("Ctrl+Alt+O",)),
    ActionSpec("open_location", "File", "Open a path or a dataset of the Hub…", ("Ctrl+L",)),
    ActionSpec("open_sample", "File", "Open the sample dataset"),
    ActionSpec("about_dataset", "File", "About this dataset…", ("Ctrl+I",), "dataset"),
    ActionSpec("export_predictions", "File", "Export this episode’s annotations…", ("Ctrl+S",),
               "results"),
    ActionSpec("export_recording", "File", "Export the 3D recording…", ("Ctrl+Alt+S",),
               "results"),
    ActionSpec("export_picture", "File", "Export the picture…", ("Ctrl+E",), "episode"),
    ActionSpec("export_view", "File", "Export the picture as on the screen…", ("Ctrl+Shift+E",),
               "episode"),
    ActionSpec("copy_picture", "File", "Copy the picture", (), "episode"),
    ActionSpec("quit", "File", "Quit", ("Ctrl+Q",)),
    ActionSpec("undo", "Edit", "Undo", ("Ctrl+Z",), "undo"),
    ActionSpec("redo", "Edit", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "redo"),
    ActionSpec("draw_box", "Edit", "Draw a box around the object", ("B",), "results"),
    ActionSpec("draw_target", "Edit", "Draw a box around the target", ("T",), "results"),
    ActionSpec("paint", "Edit", "Paint the selected candidate’s mask", ("P",), "masks"),
    ActionSpec("erase", "Edit", "Erase from the selected candidate’s mask", ("Shift+P",),
               "masks"),
    ActionSpec("mark_robot", "Edit", "Point at the robot", ("Shift+R",), "results"),
    ActionSpec("import_robot_mask", "Edit", "Import a robot mask of this frame…", (), "results"),
    ActionSpec("brush_larger", "Edit", "Larger brush", ("]",), "masks"),
    ActionSpec("brush_smaller", "Edit", "Smaller brush", ("[",), "masks"),
    ActionSpec("split_phase", "Edit", "Split the phase at this frame", ("R",), "phases"),
    ActionSpec("merge_next", "Edit", "Merge the phase with the next", ("U",), "phases"),
    ActionSpec("merge_previous", "Edit", "Merge the phase with the previous", ("Shift+U",),
               "phases"),
    ActionSpec("name_phase", "Edit", "Name the phase…", ("Q",), "phases"),
    ActionSpec("boundary_here", "Edit", "Move the nearest phase boundary here", ("Y",), "phases"),
    ActionSpec("channels", "Edit", "Channel mapping…", (), "episode"),
    ActionSpec("play", "Go", "Play / pause", ("Space",), "episode"),
    ActionSpec("play_forwards", "Go", "Play forwards; again: twice as fast", ("L",), "episode"),
    ActionSpec("play_backwards", "Go", "Play backwards; again: twice as fast", ("J",), "episode"),
    ActionSpec("stop", "Go", "Stop playing", ("K",), "episode"),
    ActionSpec("loop_from", "Go", "Loop from this frame", ("I",), "episode"),
    ActionSpec("loop_to", "Go", "Loop up to this frame", ("O",), "episode"),
    ActionSpec("loop_clear", "Go", "Loop no more", ("\\",), "episode"),
    ActionSpec("every_frame", "Go", "Play every frame, even if that is slower", (), "nothing",
               True),
    ActionSpec("next_frame", "Go", "Next frame", ("Right",), "episode"),
    ActionSpec("previous_frame", "Go", "Previous frame", ("Left",), "episode"),
    ActionSpec("second_on", "Go", "1 s on", ("Shift+Right",), "episode"),
    ActionSpec("second_back", "Go", "1 s back", ("Shift+Left",), "episode"),
    ActionSpec("first_frame", "Go", "First frame", ("Home",), "episode"),
    ActionSpec("last_frame", "Go", "Last frame", ("End",), "episode"),
    ActionSpec("next_boundary", "Go", "Next phase boundary", (".", "Alt+Right"), "results"),
    ActionSpec("previous_boundary", "Go", "Previous phase boundary", (",", "Alt+Left"), "results"),
    ActionSpec("keyframe", "Go", "Keyframe", ("G",), "results"),
    ActionSpec("next_episode", "Go", "Next episode", ("D", "PgDown"), "dataset"),
    ActionSpec("previous_episode", "Go", "Previous episode", ("A", "PgUp"), "dataset"),
    ActionSpec("next_unreviewed", "Go", "Next unreviewed episode", ("Ctrl+Shift+D",), "dataset"),
    ActionSpec("find_episode", "Go", "Filter the episodes", ("Ctrl+F",), "dataset"),
    ActionSpec("next_subtask", "Go", "Next subtask", ("W",), "results"),
    *_DIGITS,
    ActionSpec("cycle_candidate", "Candidate", "Select the next candidate", ("`",), "candidates"),
    ActionSpec("next_point", "Candidate", "Select the next point of the candidate", ("Z",),
               "tracks"),
    ActionSpec("previous_point", "Candidate", "Select the previous point of the candidate",
               ("Shift+Z",), "tracks"),
    ActionSpec("no_point", "Candidate", "Select no point", ("Ctrl+Shift+A",), "tracks"),
    ActionSpec("choose", "Candidate", "Choose the selected candidate", ("Shift+Return",),
               "candidates"),
    ActionSpec("accept", "Caption", "Accept the caption", ("Return", "Enter"), "caption"),
    ActionSpec("correct", "Caption", "Correct the caption", ("E",), "caption"),
    ActionSpec("critique", "Caption", "Criticise the caption, or refine the critique", ("C",),
               "caption"),
    ActionSpec("critique_again", "Caption", "Criticise the revision anew", ("Shift+C",),
               "caption"),
    ActionSpec("reject", "Caption", "Reject the caption", ("X",), "caption"),
    ActionSpec("skip", "Caption", "Skip the caption", ("S",), "episode"),
    ActionSpec("next_caption", "Caption", "Next caption to review", ("N",), "dataset"),
    ActionSpec("previous_caption", "Caption", "Previous caption to review", ("Shift+N",),
               "dataset"),
    ActionSpec("play_clip", "Caption", "Play the subtask round and round",
               ("Shift+Space", "Ctrl+Space"), "episode"),
    ActionSpec("primitives", "Caption", "Primitives: definitions, rules and tags", ("F2",),
               "episode"),
    ActionSpec("caption_history", "Caption", "History of the caption", ("F3",), "episode"),
    ActionSpec("model_saw", "Caption", "What the model saw", ("F4", "Ctrl+M"), "episode"),
    ActionSpec("model_saw_window", "Caption", "What the model saw, in its own window",
               ("Shift+F4",), "episode"),
    ActionSpec("caption_checks", "Caption", "Checks of the caption", ("F6",), "episode"),
    ActionSpec("caption_words", "Caption", "Words of the caption by probability", ("F7",),
               "episode"),
    ActionSpec("draft_again", "Caption", "Draft again with…", ("F8",), "episode"),
    ActionSpec("go_on", "Caption", "Go on after a verdict", (), "nothing", True),
    ActionSpec("reviewer_role", "Caption", "Review the work of others", ("Ctrl+Alt+R",),
               "nothing", True),
    ActionSpec("training_samples", "Caption", "Training samples and people…", (), "dataset"),
    ActionSpec("your_name", "Caption", "Your name…"),
    ActionSpec("run", "Run", "Run what is stale", ("Ctrl+R", "F5"), "episode"),
    ActionSpec("run_all", "Run", "Run all stages again", ("Ctrl+Shift+R",), "episode"),
    ActionSpec("cancel", "Run", "Cancel", ("Ctrl+.",), "busy"),
    ActionSpec("compare", "Run", "Compare with the run before", ("M",), "before", True),
    ActionSpec("pin_run", "Run", "Keep this run to compare later ones with", ("Shift+M",),
               "results", True),
    ActionSpec("models", "Run", "Models…"),
    ActionSpec("use_models", "Run", "Choose models for all stages"),
    ActionSpec("use_embedded", "Run", "Choose the embedded backends for all stages"),
    ActionSpec("auto_run", "Run", "Run when an episode opens", (), "nothing", True),
    ActionSpec("curation", "Dataset", "Curation…", ("Ctrl+Shift+K",)),
    ActionSpec("spot_check", "Dataset", "Spot check…", ("Ctrl+Shift+J",)),
    ActionSpec("annotate_dataset", "Dataset", "Annotate the dataset…", (), "dataset"),
    ActionSpec("overlays", "View", "Show overlays", ("H",), "nothing", True),
    ActionSpec("all_cameras", "View", "All cameras", ("Shift+V",), "episode", True),
    ActionSpec("next_camera", "View", "Next camera", ("V",), "episode"),
    ActionSpec("isolate", "View", "Only the selected candidate", ("Shift+H",), "results"),
    ActionSpec("put_aside", "View", "Hide the selected candidate", ("Ctrl+H",), "results"),
    ActionSpec("fit", "View", "Fit the picture", ("F",), "episode"),
    ActionSpec("one_to_one", "View", "Picture 1:1", ("Ctrl+1",), "episode"),
    ActionSpec("zoom_in", "View", "Zoom in", ("+", "="), "episode"),
    ActionSpec("zoom_out", "View", "Zoom out", ("-",), "episode"),
    ActionSpec("rerun_native", "View", "Show the 3D view in Rerun’s own window", ("Ctrl+3",),
               "results"),
    ActionSpec("rerun_reload", "View", "Reload the 3D view", ("Shift+F5",), "results"),
    ActionSpec("rerun_layout", "View", "Reset the 3D layout", ("Ctrl+Shift+L",), "dataset"),
    ActionSpec("theme", "View", "Light / dark", ("Ctrl+T",)),
    ActionSpec("reset_layout", "View", "Reset the layout"),
    ActionSpec("full_screen", "View", "Full screen", ("F11",), "nothing", True),
    ActionSpec("shortcuts", "Help", "Keyboard shortcuts", ("?", "F1")),
    ActionSpec("doctor", "Help", "What works on this machine"),
)  # fmt: skip

TIMELINE_GESTURES = (
    ("Go to a frame; drag: scrub", "Click"),
    ("Step through the frames", "Wheel"),
    ("Zoom, move along, show everything", "Ctrl+Wheel, Shift+Wheel, double click"),
    ("Loop over a range", "Shift+Drag"),
    ("Change a threshold; phases follow at once", "Drag its line, Ctrl+Drag for both"),
    ("Move a phase boundary", "Drag it"),
    ("Split, merge and name phases", "Right button on a phase"),
    ("Give a drag up", "Esc"),
)
"""What the mouse does on the timeline; the help lists it too."""

GESTURES = (
    ("Zoom", "Wheel"),
    ("Step through the frames", "Shift+Wheel"),
    ("Pan", "Drag, middle button"),
    ("Select; again for the candidate below", "Click"),
    ("Select a point of the selected candidate", "Click it"),
    ("Resize the selected box at the keyframe", "Drag a handle"),
    ("Move the selected box at the keyframe", "Drag its edge, Ctrl+Drag inside it"),
    ("Move the selected box by 1 px, by 10 px", "Ctrl+Arrows, Ctrl+Shift+Arrows"),
    ("Erase while painting, paint while erasing", "Right button"),
    ("Size of the brush", "Ctrl+Wheel"),
    ("While pointing at the robot: what is not it", "Right button"),
    ("Copy the picture", "Ctrl+C"),
    ("Leave the tool, give up a box or stroke, select no point", "Esc"),
)
"""What mouse and keys do on the picture itself; the help lists it below the actions."""

CAPTION_GESTURES = (
    ("Correct: next part, then the sentence as free text", "Tab"),
    ("Correct: choose a proposal, take it over, use the correction", "Up/Down, Enter"),
    ("Criticise: mark a part as wrong", "1 to 6, V O R D S A, Alt+1 to Alt+6"),
    ("Criticise: to the text", "T, Tab"),
    ("Criticise: send, the drafter revises", "Ctrl+Enter"),
    ("Leave a form; what was typed waits", "Esc"),
    ("Primitives: choose, tag, back to the caption", "Up/Down, Enter, Esc"),
    ("Model saw: go to the frame of a cell", "Click, Arrows"),
    ("Model saw: next picture, previous one", "PgDown, PgUp"),
    ("Model saw: one picture alone, and back", "Enter, double click, Ctrl+Wheel; Esc"),
    ("Model saw, nothing sent: show what would be", "Enter"),
    ("Model saw, checks, words, draft again: back to the caption", "Esc, the same key"),
    ("Checks: see the evidence; go back", "Click, Up, Down; Esc"),
    ("Words: what else might have stood there", "Point at it, Arrows"),
)
"""What mouse and keys do in the forms and views of a caption."""

REASONS: Mapping[str, str] = {
    "dataset": "open a dataset first",
    "episode": "open an episode first",
    "results": "run the pipeline first",
    "phases": "there are no phases yet: run the phases stage first",
    "masks": "there are no masks yet: run the pipeline first",
    "tracks": "there are no tracks yet: run the pipeline first",
    "candidates": "there are no scored candidates yet",
    "caption": "there is no caption yet",
    "busy": "nothing is running",
    "before": "no stage was run with other options or corrections yet",
    "undo": "nothing to undo in this episode",
    "redo": "nothing to redo in this episode",
}


def is_met(need: str, session: Session, *, busy: bool, undo: bool, redo: bool) -> bool:
    """True if what an action needs is there; computed on change, never polled."""
    match need:
        case "dataset":
            return session.dataset is not None
        case "episode":
            return session.demonstration is not None
        case "results":
            return session.result("proposals") is not None
        case "phases":
            return session.result("phases") is not None
        case "masks":
            return session.result("masks") is not None
        case "tracks":
            return session.result("tracks") is not None
        case "candidates":
            scores = session.result("scores")
            return scores is not None and bool(scores.terms)
        case "caption":
            return session.result("captions") is not None
        case "before":
            return session.before is not None
        case "busy":
            return busy
        case "undo":
            return undo
        case "redo":
            return redo
    return True


class ActionTable:
    """The Qt actions made from `ACTIONS`, on one window."""

    def __init__(self, window: QWidget, run: Callable[[str], None]) -> None:
        """Make all actions.

        Args:
            window: Owner; shortcuts work in the whole window except in text fields.
            run: Called with the id of a triggered action.
        """
        self.actions: dict[str, QAction] = {}
        for spec in ACTIONS:
            action = QAction(spec.text, window)
            action.setObjectName(spec.id)
            action.setCheckable(spec.checkable)
            action.setShortcuts([QKeySequence(k) for k in spec.keys])
            action.triggered.connect(_Trigger(run, spec.id, window))
            window.addAction(action)
            self.actions[spec.id] = action

    def refresh(self, session: Session, *, busy: bool, undo: str | None, redo: str | None) -> None:
        """Enable what makes sense; the tool tip of a disabled action says why it is."""
        for spec in ACTIONS:
            action = self.actions[spec.id]
            met = is_met(
                spec.needs, session, busy=busy, undo=undo is not None, redo=redo is not None
            )
            blocked = session.read_only if spec.id in CHANGING else ""
            met = met and not blocked
            action.setEnabled(met)
            keys = ", ".join(spec.keys)
            hint = f" ({keys})" if keys else ""
            text = spec.text + hint
            reason = blocked or REASONS.get(spec.needs, "")
            action.setToolTip(text if met else f"{text}: {reason}")
        self.actions["undo"].setText(f"Undo {undo}" if undo else "Undo")
        self.actions["redo"].setText(f"Redo {redo}" if redo else "Redo")


class _Trigger(QObject):
    """Slot that knows its action's id (a lambda would keep the window alive)."""

    def __init__(self, run: Callable[[str], None], name: str, parent: QObject) -> None:
        super().__init__(parent)
        self._run = run
        self._name = name

    def __call__(self, *_: Any) -> None:
        self._run(self._name)
