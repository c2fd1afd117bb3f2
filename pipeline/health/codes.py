"""Every finding that the examination of a dataset can make: code, severity, meaning, what to do.

`docs/health.md` lists the same; a test keeps the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.problem import Problem, Severity


@dataclass(frozen=True, slots=True)
class HealthCode:
    """One kind of finding.

    Attributes:
        code: Stable identifier that people filter by.
        severity: How much it matters; `error` means that the episode cannot be used as it is.
        meaning: What was found, one sentence.
        remedy: What to do about it, one sentence.
    """

    code: str
    severity: Severity
    meaning: str
    remedy: str


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

HEALTH_CODES: dict[str, HealthCode] = {
    entry.code: entry
    for entry in (
        # -- time -------------------------------------------------------------------------
        HealthCode(
            "times_off", _W,
            "A picture lies more than a frame from the row of the table it is shown for.",
            "Check how the video was cut and encoded; a constant offset can be corrected there.",
        ),
        HealthCode(
            "times_drift", _W,
            "Pictures and table run at different speeds: the offset grows through the episode.",
            "Encode the video with the recorded times, or correct fps in the metadata.",
        ),
        HealthCode(
            "timestamp_gap", _W,
            "The table's timestamps jump: rows are missing.",
            "Look at the named frame; motion across it is faster than it was.",
        ),
        HealthCode(
            "timestamp_repeat", _W,
            "Neighbouring rows of the table have the same timestamp.",
            "Remove the repeated rows, or write real times.",
        ),
        HealthCode(
            "timestamp_jitter", _I,
            "The table's timestamps are unevenly spaced.",
            "Nothing if the recording was uneven; speeds are computed per frame.",
        ),
        HealthCode(
            "fps_differs", _W,
            "The declared frames per second are not those of the timestamps.",
            "Correct fps in the metadata: durations and speeds are computed with it.",
        ),
        HealthCode(
            "video_shorter", _W,
            "The video has fewer pictures than the table has rows.",
            "Download or encode it again; rows without a picture show the nearest one.",
        ),
        HealthCode(
            "video_longer", _I,
            "The video has more pictures than the table has rows.",
            "Check that both were cut alike; the surplus pictures are never shown.",
        ),
        HealthCode(
            "video_rate_differs", _I,
            "The video has another frame rate than the table.",
            "Nothing if meant; the picture nearest in time is shown for each row.",
        ),
        HealthCode(
            "video_variable_rate", _I,
            "The video's frame rate varies.",
            "Nothing: pictures are found by time. Other readers may count frames instead.",
        ),
        HealthCode(
            "video_truncated", _W,
            "Reading the video's index stopped early: the file is cut off or damaged.",
            "Download or copy the file again.",
        ),
        HealthCode(
            "picture_repeated", _W,
            "Rows inside the episode have no picture of their own and show a neighbour's.",
            "Frames were dropped while recording; look at the named frame.",
        ),
        # -- pictures ---------------------------------------------------------------------
        HealthCode(
            "camera_missing", _I,
            "A camera that the dataset declares was not recorded in this episode.",
            "Leave the episode out where that camera is needed.",
        ),
        HealthCode(
            "video_unreadable", _E,
            "A camera's file cannot be read.",
            "Download or encode the file again.",
        ),
        HealthCode(
            "picture_undecodable", _W,
            "A picture cannot be decoded (only examined with --deep).",
            "Download or encode the file again.",
        ),
        HealthCode(
            "picture_black", _W,
            "Pictures are black throughout (only examined with --deep).",
            "The camera was covered or off; leave this camera out.",
        ),
        HealthCode(
            "picture_frozen", _W,
            "Pictures stand still while the robot moves (only examined with --deep).",
            "The camera hung; leave this camera or the episode out.",
        ),
        # -- state and action -------------------------------------------------------------
        HealthCode(
            "length_differs", _W,
            "The metadata declares another number of frames than the table has.",
            "The table counts; write the metadata again.",
        ),
        HealthCode(
            "nan_in_signal", _W,
            "Values of the state or action are not numbers (NaN or infinite).",
            "Leave these frames out, or fill them where the dataset is made.",
        ),
        HealthCode(
            "signals_missing", _I,
            "The episode has no state and no action.",
            "Phases cannot be told without a gripper signal; set them by hand.",
        ),
        HealthCode(
            "state_constant", _W,
            "No channel of the state ever changes.",
            "The state was not recorded, or the robot was off; leave the episode out.",
        ),
        HealthCode(
            "action_constant", _W,
            "No channel of the action ever changes although the state does.",
            "The commands were not recorded; do not train on them.",
        ),
        HealthCode(
            "arm_constant", _I,
            "No state channel of one arm ever changes while the other arm moves.",
            "Nothing if that arm was not used.",
        ),
        HealthCode(
            "channel_constant", _I,
            "Single channels of the state or action never change.",
            "Nothing for padding and unused joints; else check the recording.",
        ),
        HealthCode(
            "state_jump", _W,
            "A state channel jumps further in one frame than the robot can move.",
            "Look at the named frame: frames are missing, or two recordings were joined.",
        ),
        # -- gripper ----------------------------------------------------------------------
        HealthCode(
            "gripper_idle", _I,
            "No gripper of the episode ever moves.",
            "No phases can be found; check the gripper's channels.",
        ),
        HealthCode(
            "gripper_never_closes", _W,
            "No gripper closes as far as it usually does in this dataset.",
            "The grasp was missed or never tried; look before using the episode.",
        ),
        HealthCode(
            "gripper_spike", _W,
            "The gripper's signal leaves its course for a single frame.",
            "A glitch of the sensor; phases ignore closures that short.",
        ),
        HealthCode(
            "gripper_saturates", _I,
            "The measured gripper is cut off at one end of its range.",
            "Scale the channel so that its whole range is recorded.",
        ),
        HealthCode(
            "gripper_direction_doubtful", _I,
            "Nothing says which end of the gripper's channel is closed (of the whole dataset).",
            "Check it in the channel mapping; it is remembered for the dataset.",
        ),
        HealthCode(
            "gripper_direction_contradicts", _W,
            "The gripper behaves as if its closed end were the other one.",
            "Check it in the channel mapping; if only some episodes do, they were recorded apart.",
        ),
        # -- text and the dataset as a whole ----------------------------------------------
        HealthCode(
            "instruction_empty", _W,
            "The episode has no instruction.",
            "Write one; captions and names of objects come from it.",
        ),
        HealthCode(
            "instruction_not_english", _I,
            "The instruction does not look like English.",
            "The offline language rules read English only; use another language backend.",
        ),
        HealthCode(
            "very_short", _W,
            "The episode is far shorter than the others, or shorter than half a second.",
            "Probably an aborted recording; look before using it.",
        ),
        HealthCode(
            "very_long", _I,
            "The episode is far longer than the others.",
            "Probably a pause or several tries; look before using it.",
        ),
        HealthCode(
            "duplicate_episode", _W,
            "State and action are the same, value for value, as in another episode.",
            "Leave one of the two out; in two splits they leak from training into evaluation.",
        ),
        # -- the scan itself --------------------------------------------------------------
        HealthCode(
            "scan_crashed", _E,
            "Examining the episode ended its process, or met a defect of ours.",
            "The files are probably damaged; if they are not, please report it.",
        ),
        HealthCode(
            "scan_timed_out", _E,
            "Examining the episode took too long and was stopped.",
            "The files are probably damaged, or lie on a slow disk; examine it alone.",
        ),
    )
}  # fmt: skip
"""By code, in the order of the documentation."""


def finding(code: str, message: str, frame: int | None = None) -> Problem:
    """Make a problem with the severity of its code.

    Args:
        code: A key of `HEALTH_CODES`.
        message: What was found here, one sentence without a full stop.
        frame: Frame of the episode that it concerns, if any.
    """
    return Problem(code, message, HEALTH_CODES[code].severity, frame)
