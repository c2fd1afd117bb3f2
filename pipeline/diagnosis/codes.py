"""Every problem code that the pipeline can give, with the stage that it speaks of.

From codes alone nobody knows whether an annotation is wrong: the stage that they point at is a
suspect, never a fault (`pipeline.diagnosis.substitution` finds faults). `docs/diagnosis.md` lists
the same codes; a test keeps page, table and code base together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.health.codes import HEALTH_CODES
from pipeline.model.problem import Severity

DATA, RUN = "data", "run"
"""What is not a stage: the recording itself, and the machine, its models and files."""

STAGE_ORDER = (
    DATA,
    "phases",
    "subtasks",
    "proposals",
    "masks",
    "tracks",
    "lifting",
    "robot",
    "scores",
    "target",
    "captions",
    "checks",
    RUN,
)
"""In the order in which data passes; what comes first is suspected first."""


@dataclass(frozen=True, slots=True)
class Code:
    """What one code says about the choice of the object.

    Attributes:
        code: Stable identifier that people filter by.
        stage: Where what it speaks of came about, one of `STAGE_ORDER`; where several stages give
            it, the earliest of them.
        severity: How much it matters for the choice. Not always that of the finding: what is
            harmless in general may be what misled the score.
        explains: True if it can be why a wrong object won.
        meaning: What was found, a phrase.
    """

    code: str
    stage: str
    severity: Severity
    explains: bool
    meaning: str

    @property
    def is_grave(self) -> bool:
        """True if its stage is suspected because of it."""
        return self.explains and self.severity is not Severity.INFO


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_YES, _NO = True, False

_OWN: tuple[tuple[str, Severity, bool, str, str], ...] = (
    # -- the recording ----------------------------------------------------------------------
    (DATA, _E, _YES, "bad_table", "the episode's table cannot be read"),
    (DATA, _E, _YES, "bad_column", "a column of the table cannot be used"),
    (DATA, _E, _YES, "missing_column", "the table lacks a column"),
    (DATA, _E, _YES, "bad_feature", "a feature of the record cannot be used"),
    (DATA, _E, _YES, "bad_hdf5", "the HDF5 file is damaged or not understood"),
    (DATA, _E, _YES, "bad_metadata", "the dataset's metadata cannot be used"),
    (DATA, _E, _YES, "missing_metadata", "metadata is missing"),
    (DATA, _E, _YES, "bad_record", "a record cannot be read"),
    (DATA, _E, _YES, "bad_template", "a path template of the metadata cannot be used"),
    (DATA, _E, _YES, "bad_video", "the video cannot be read"),
    (DATA, _E, _YES, "frame_not_decoded", "a picture cannot be decoded"),
    (DATA, _E, _YES, "missing_data", "the episode's data is not on disk"),
    (DATA, _E, _YES, "missing_video", "a video is not on disk"),
    (DATA, _E, _YES, "missing_pictures", "pictures are not on disk"),
    (DATA, _E, _YES, "lfs_pointer", "a file is a Git-LFS pointer"),
    (DATA, _E, _YES, "external_link", "data lies in a file outside of the dataset"),
    (DATA, _E, _YES, "path_escape", "a path leads out of the dataset"),
    (DATA, _E, _YES, "too_long", "the episode is longer than can be read"),
    (DATA, _E, _YES, "incomplete", "the recording is incomplete"),
    (DATA, _E, _YES, "no_pictures", "the episode has no pictures"),
    (DATA, _E, _YES, "no_camera", "no camera can be used"),
    (DATA, _E, _YES, "no_such_camera", "a camera is not in the recording"),
    (DATA, _E, _NO, "no_such_episode", "the episode is not in the dataset"),
    (DATA, _E, _NO, "no_such_dataset", "the dataset does not exist"),
    (DATA, _E, _NO, "no_episodes", "the dataset has no episode"),
    (DATA, _E, _NO, "not_a_dataset", "nothing that is a dataset"),
    (DATA, _E, _NO, "not_rlds", "not an RLDS dataset"),
    (DATA, _E, _NO, "not_found", "a file is missing"),
    (DATA, _E, _NO, "unsupported_file_format", "a file format that is not read"),
    (DATA, _W, _YES, "bad_timestamps", "timestamps cannot be used; frames were spread evenly"),
    (DATA, _W, _YES, "rows_differ", "tables of one episode differ in length"),
    (DATA, _W, _YES, "columns_differ", "arrays differ in length from the episode"),
    (DATA, _W, _YES, "episode_cut", "the record marks an end or a start inside the episode"),
    (DATA, _W, _YES, "rate_assumed", "frames per second are assumed"),
    (DATA, _W, _YES, "camera_serial_differs", "camera files do not fit the metadata"),
    (DATA, _W, _YES, "instruction_changes", "the instruction changes within the episode"),
    (DATA, _E, _YES, "no_signal", "the signal file has no numbers"),
    (DATA, _W, _YES, "signal_spread", "the signal was spread evenly over the video"),
    (DATA, _W, _YES, "signal_span_differs", "signal and video cover different spans of time"),
    (DATA, _W, _YES, "signal_gaps", "the signal has gaps"),
    (DATA, _W, _YES, "bad_rows", "lines of the signal file were left out"),
    (DATA, _W, _YES, "bad_cells", "cells of the signal file are no numbers"),
    (DATA, _I, _YES, "clock_shifted", "signal and video do not begin at the same time"),
    (DATA, _I, _NO, "frames_from_one", "the signal counts frames from 1"),
    (DATA, _I, _NO, "no_header", "the signal's columns have no names"),
    (DATA, _I, _YES, "no_actions", "there are no commands"),
    (DATA, _I, _YES, "paused_rows", "rows of pauses were left out"),
    (DATA, _I, _YES, "rates_differ", "streams have different rates"),
    (DATA, _I, _YES, "timestamps_shifted", "timestamps do not begin at 0"),
    (DATA, _I, _YES, "instruction_from_name", "the instruction was taken from a file name"),
    (DATA, _I, _YES, "bad_calibration", "the camera's calibration cannot be used"),
    (DATA, _I, _NO, "no_camera_pose", "the camera's pose is unknown"),
    (DATA, _I, _NO, "sparse_commands", "commands are sparser than the states"),
    (DATA, _I, _YES, "marked_failure", "the recording says that the task failed"),
    (DATA, _I, _NO, "list_cut", "the list of episodes was cut"),
    (DATA, _I, _NO, "episode_count_differs", "metadata declares another number of episodes"),
    (DATA, _I, _NO, "partial_dataset", "some episodes are not on disk"),
    # -- phases -----------------------------------------------------------------------------
    ("phases", _W, _YES, "no_gripper", "no gripper signal: the whole episode is one phase"),
    ("phases", _W, _YES, "flat_gripper", "the gripper hardly moves: one coarse phase"),
    ("phases", _W, _YES, "no_closure", "the gripper never closes long enough"),
    ("phases", _W, _YES, "no_interaction", "no closure, or no tracked frame, is an interaction"),
    ("phases", _W, _YES, "closed_at_start", "the gripper is closed from the first frame on"),
    ("phases", _W, _YES, "phases_disagree", "two rules find different closures"),
    ("phases", _I, _YES, "grasp_failure", "a closure counts as a failed grasp"),
    # -- subtasks ---------------------------------------------------------------------------
    ("subtasks", _W, _YES, "instruction_not_understood", "the instruction was not understood"),
    ("subtasks", _W, _YES, "instruction_partly_understood", "a part of it was not understood"),
    ("subtasks", _W, _YES, "object_unnamed", "the instruction does not name the object"),
    ("subtasks", _W, _YES, "subtask_count", "instruction and grasps differ in number"),
    ("subtasks", _W, _YES, "answer_phases", "a model's answer does not fit the phases"),
    ("subtasks", _E, _YES, "bad_answer", "a language model's answer cannot be used"),
    ("subtasks", _I, _NO, "option_dropped", "a server did not accept an option"),
    # -- proposals --------------------------------------------------------------------------
    ("proposals", _E, _YES, "no_candidates", "no region stands out"),
    ("proposals", _W, _YES, "one_candidate", "there is one candidate to choose from"),
    ("proposals", _W, _YES, "generic_phrase", "the detector was asked for any object"),
    ("proposals", _E, _YES, "bad_output", "the detector's output cannot be used"),
    ("proposals", _I, _YES, "below_threshold", "boxes are under the detector's threshold"),
    # -- masks, tracks, lifting, robot --------------------------------------------------------
    ("masks", _I, _YES, "mask_fallback", "a mask is only the ellipse in its box"),
    ("tracks", _W, _YES, "identity_switch", "tracks of two look-alikes may have swapped"),
    ("tracks", _W, _YES, "short_clip", "too few frames to compare motion"),
    ("tracks", _W, _YES, "left_crop", "a candidate leaves the part that is tracked"),
    ("tracks", _W, _YES, "trackers_disagree", "two trackers see a candidate apart"),
    ("tracks", _I, _YES, "no_points", "candidates without usable tracks"),
    ("tracks", _I, _NO, "tracks_rechecked", "tracks were checked by a second tracker"),
    ("lifting", _W, _YES, "depth_gaps", "depth is missing in some frames"),
    ("lifting", _W, _YES, "assumed_intrinsics", "camera intrinsics are assumed"),
    ("lifting", _I, _YES, "no_geometry", "no 3D: proximity is a circle in the picture"),
    ("lifting", _I, _YES, "depth_dropped", "depth pixels were dropped"),
    ("lifting", _I, _YES, "depth_edges", "most points of a candidate lie on depth edges"),
    ("lifting", _I, _NO, "scale_drifts", "estimated metres differ between frames"),
    ("robot", _W, _YES, "no_robot", "the robot was not found"),
    ("robot", _W, _YES, "no_reference", "the gripper was found in no frame"),
    ("robot", _W, _YES, "no_proprioception", "no joint signal of the active arm"),
    ("robot", _W, _YES, "camera_moves", "the camera may move"),
    ("robot", _W, _YES, "arm_guessed", "which arm is which was guessed"),
    ("robot", _E, _YES, "bad_mask", "an imported robot mask cannot be used"),
    ("robot", _I, _YES, "robot_grown", "robot masks were grown from few frames"),
    ("robot", _I, _NO, "painted_between", "a painted frame is not tracked"),
    # -- scores, target, captions -------------------------------------------------------------
    ("scores", _W, _YES, "no_motion", "nothing moves during the interaction"),
    ("scores", _W, _YES, "near_tie", "the two best are nearly equal"),
    ("scores", _W, _YES, "robot_won", "the winner lies on the robot"),
    ("scores", _I, _YES, "no_spread", "a cue is equal for all candidates"),
    ("target", _W, _NO, "no_target", "no target was found"),
    ("target", _W, _NO, "target_unsupported", "the object ends in no target box"),
    ("target", _I, _NO, "target_from_object", "the object's last place is the target"),
    ("target", _I, _NO, "target_acted_on", "what the tool acts on is the target"),
    ("captions", _W, _NO, "caption_color_differs", "caption and picture differ in colour"),
    ("captions", _I, _NO, "caption_draft_changed", "the caption was judged on another draft"),
    ("captions", _W, _NO, "caption_outside_vocabulary", "a model's verb is not of the vocabulary"),
    ("captions", _W, _NO, "critique_not_understood", "a critique was not understood offline"),
    ("captions", _I, _NO, "critique_of_other_text", "a critique is about another text"),
    ("captions", _I, _NO, "revision_unsaid", "the sentence has no place for a correction"),
    ("captions", _I, _NO, "crop_fallback", "close-ups do not follow the gripper"),
    ("captions", _E, _NO, "empty_subtask", "a subtask covers no frame"),
    ("captions", _E, _NO, "no_recipe", "there is no recipe of that name"),
    ("captions", _W, _NO, "bad_recipe", "a recipe cannot be used"),
    ("captions", _I, _NO, "recipe_replaced", "a recipe of the user stands for a built-in one"),
    ("captions", _E, _NO, "picture_not_encoded", "a picture for a model could not be made"),
    ("captions", _E, _NO, "clip_too_large", "a video for a model is too large"),
    ("captions", _E, _NO, "no_encoder", "no encoder for videos is there"),
    ("checks", _W, _NO, "caption_contradicted", "the evidence contradicts the caption"),
    ("checks", _W, _NO, "caption_not_understood", "the caption could not be read, or checked"),
    ("checks", _W, _NO, "caption_many_actions", "the caption has several actions"),
    ("checks", _I, _NO, "caption_partly_understood", "a part of the caption was not read"),
    ("checks", _I, _NO, "caption_other_noun", "the caption's noun is not the subtask's"),
    # -- machine, models and files --------------------------------------------------------------
    (RUN, _W, _YES, "backend_fallback", "a weaker backend stood in for the chosen one"),
    (RUN, _W, _YES, "edit_not_applicable", "a correction has nothing to apply to any more"),
    (RUN, _E, _NO, "backend_failed", "a backend failed"),
    (RUN, _E, _NO, "no_backend", "a backend is not there"),
    (RUN, _E, _NO, "bad_options", "an option cannot be used"),
    (RUN, _E, _NO, "internal", "a defect of a stage"),
    (RUN, _E, _NO, "out_of_memory", "memory ran out"),
    (RUN, _E, _NO, "no_device", "a device is not there"),
    (RUN, _E, _NO, "no_space", "the disk is full"),
    (RUN, _E, _NO, "no_weights", "a model's weights are not there"),
    (RUN, _E, _NO, "bad_weights", "a model's weights cannot be used"),
    (RUN, _E, _NO, "bad_checksum", "downloaded weights are damaged"),
    (RUN, _E, _NO, "no_code", "a model's code is not there"),
    (RUN, _E, _NO, "bad_code", "a model's code cannot be used"),
    (RUN, _E, _NO, "no_consent", "a licence was not agreed to"),
    (RUN, _E, _NO, "not_saved", "a consent could not be saved"),
    (RUN, _E, _NO, "no_such_model", "the Hub has no such model"),
    (RUN, _E, _NO, "no_such_file", "the Hub has no such file"),
    (RUN, _E, _NO, "hub_failed", "the Hub could not be read"),
    (RUN, _E, _NO, "no_hub", "the Hub's client is not installed"),
    (RUN, _E, _NO, "no_access", "the Hub refuses access"),
    (RUN, _E, _NO, "offline", "the network cannot be reached"),
    (RUN, _E, _NO, "too_large", "a download is larger than allowed"),
    (RUN, _E, _NO, "bad_preset", "a robot preset cannot be used"),
    (RUN, _E, _NO, "no_address", "a server's address is missing"),
    (RUN, _E, _NO, "bad_address", "a server's address cannot be used"),
    (RUN, _E, _NO, "no_connection", "a server cannot be reached"),
    (RUN, _E, _NO, "no_key", "a server's key is missing"),
    (RUN, _E, _NO, "no_model", "a server does not have the model"),
    (RUN, _E, _NO, "no_pictures", "a model does not take pictures"),
    (RUN, _E, _NO, "no_video", "a model does not take a video"),
    (RUN, _E, _NO, "server_busy", "a server is busy"),
    (RUN, _E, _NO, "server_refused", "a server refused the request"),
    (RUN, _E, _NO, "timeout", "a server did not answer in time"),
    (RUN, _E, _NO, "bad_options_file", "a file of options cannot be used"),
    (RUN, _E, _NO, "scan_failed", "the examination of the dataset failed"),
    (RUN, _I, _NO, "cache_not_written", "a result could not be kept"),
)

_OF_CHOICE = frozenset(
    {
        "times_off",
        "times_drift",
        "timestamp_gap",
        "fps_differs",
        "video_shorter",
        "video_truncated",
        "picture_repeated",
        "video_unreadable",
        "picture_undecodable",
        "picture_black",
        "picture_frozen",
        "nan_in_signal",
        "signals_missing",
        "state_constant",
        "state_jump",
        "gripper_idle",
        "gripper_never_closes",
        "gripper_direction_contradicts",
        "gripper_direction_doubtful",
        "instruction_empty",
        "instruction_not_english",
        "very_short",
        "length_differs",
    }
)
"""Findings of the examination (`pipeline.health`) that can be why a wrong object won."""


def _phrase(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


CODES: dict[str, Code] = {
    **{
        h.code: Code(h.code, DATA, h.severity, h.code in _OF_CHOICE, _phrase(h.meaning))
        for h in HEALTH_CODES.values()
    },
    **{code: Code(code, stage, how, why, text) for stage, how, why, code, text in _OWN},
}
"""By code: the recording's first, then by stage."""


def _suspicion(code: Code) -> tuple[int, bool]:
    """Earlier stages first, errors before warnings; `sorted` keeps the order of the table."""
    return STAGE_ORDER.index(code.stage), code.severity is not _E


SUSPECTS = tuple(c.code for c in sorted(CODES.values(), key=_suspicion) if c.is_grave)
"""Grave codes in the order of suspicion."""
NO_SUSPECT = len(SUSPECTS)
"""`rank_of` of codes that point at nothing."""
_RANKS = {code: rank for rank, code in enumerate(SUSPECTS)}


def rank_of(code: str) -> int:
    """Place of a code in the order of suspicion.

    A code that cannot explain a wrong object, or that is unknown (a plug-in's), has the last place,
    `NO_SUSPECT`.
    """
    return _RANKS.get(code, NO_SUSPECT)


@dataclass(frozen=True, slots=True)
class Suspect:
    """The stage that the codes of an annotation point at. Nobody knows whether it is at fault.

    Attributes:
        stage: One of `STAGE_ORDER`.
        code: The code that points there.
    """

    stage: str
    code: str


def suspect_of(warnings: Iterable[str]) -> Suspect | None:
    """The earliest stage with a grave code; None if no code is grave.

    Args:
        warnings: Codes of an annotation, in any order.
    """
    code = min(warnings, key=rank_of, default="")
    return Suspect(CODES[code].stage, code) if rank_of(code) < NO_SUSPECT else None


def code_at(stage: str, warnings: Iterable[str]) -> str:
    """The gravest code that a stage gave, empty if it gave none that explains a wrong object."""
    order = (_E, _W, _I)
    own = [c for w in warnings if (c := CODES.get(w)) and c.stage == stage and c.explains]
    return min(own, key=lambda c: order.index(c.severity)).code if own else ""
