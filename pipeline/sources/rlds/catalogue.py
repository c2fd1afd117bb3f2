"""What RLDS does not store but is known of public datasets: rate, robot, gripper.

The format has no place for them. Rates are those that LeRobot's conversion of Open X-Embodiment
used (`openx/configs.yaml`), grippers those of Octo's `oxe_standardization_transforms.py` and, for
Bridge, checked on its pictures. Whatever is not listed here is guessed and said to be a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.demonstration import ClosedIs

DEFAULT_FPS = 10.0
"""Taken where nothing is known: the most common rate of Open X-Embodiment."""


@dataclass(frozen=True, slots=True)
class KnownGripper:
    """Which state channel is the gripper.

    Attributes:
        key: Feature below `observation`.
        index: Column of the feature.
        closed_is: Which end is closed.
        reason: How that is known, one phrase.
    """

    key: str
    index: int
    closed_is: ClosedIs
    reason: str


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """What is known of one dataset.

    Attributes:
        fps: Steps per second.
        robot: Robot type, may be empty.
        gripper: Its gripper, None if names must do.
        state_names: Names of the columns of `state`, empty if unknown.
    """

    fps: float
    robot: str = ""
    gripper: KnownGripper | None = None
    state_names: tuple[str, ...] = ()


_POSE = ("x", "y", "z", "roll", "pitch", "yaw")
_BRIDGE = KnownDataset(
    5.0,
    "widowx",
    KnownGripper("state", 6, ClosedIs.LOW, "BridgeData V2: 1 open, 0 closed"),
    (*_POSE, "gripper"),
)
_LIBERO = KnownDataset(
    20.0,
    "panda",
    # The two fingers have opposite signs; one of them says all.
    KnownGripper("state", 6, ClosedIs.LOW, "LIBERO: place of a finger, 0.04 m open, 0 closed"),
    (*_POSE, "gripper_0", "gripper_1"),
)
_AUSTIN = KnownDataset(
    20.0,
    "panda",
    KnownGripper("state", 7, ClosedIs.LOW, "7 joints, then the gripper's width in metres"),
)
_DROID = KnownDataset(
    15.0,
    "panda",
    KnownGripper("gripper_position", 0, ClosedIs.HIGH, "DROID: 0 open, 1 closed"),
)

_KNOWN: dict[str, KnownDataset] = {
    "bridge": _BRIDGE,
    "bridge_dataset": _BRIDGE,
    "bridge_data_v2": _BRIDGE,
    "bridge_orig": _BRIDGE,
    "bridge_openx": KnownDataset(5.0, "widowx"),
    "droid": _DROID,
    "droid_100": _DROID,
    "austin_buds_dataset": _AUSTIN,
    "austin_sailor_dataset": _AUSTIN,
    "austin_sirius_dataset": _AUSTIN,
    "utaustin_mutex": _AUSTIN,
    "libero_spatial": _LIBERO,
    "libero_object": _LIBERO,
    "libero_goal": _LIBERO,
    "libero_10": _LIBERO,
    "libero_90": _LIBERO,
}

_RATES: dict[float, str] = {
    1: "robo_net uiuc_d3field",
    2: "ucsd_kitchen_dataset",
    3: "fractal20220817_data nyu_door_opening_surprising_effectiveness nyu_rot_dataset io_ai_tech "
    "nyu_franka_play_dataset ucsd_pick_and_place_dataset spoc berkeley_gnm_recon",
    3.75: "dobbe",
    5: "berkeley_autolab_ur5 robo_set berkeley_mvp dlr_edan_shared_control stanford_robocook "
    "cmu_play_fusion berkeley_gnm_cory_hall",
    10: "kuka jaco_play berkeley_cable_routing roboturk language_table columbia_cairlab_pusht_real "
    "stanford_hydra_dataset furniture_bench_dataset cmu_franka_exploration_dataset bc_z "
    "utokyo_pr2_opening_fridge utokyo_pr2_tabletop_manipulation utokyo_xarm_pick_and_place "
    "utokyo_xarm_bimanual kaist_nonprehensile tokyo_u_lsmo dlr_sara_pour dlr_sara_grid_clamp "
    "imperialcollege_sawyer_wrist_cam berkeley_fanuc_manipulation cmu_playing_with_food "
    "cmu_stretch berkeley_gnm_sac_son fmb usc_cloth_sim",
    12.5: "asu_table_top",
    15: "taco_play",
    20: "viola stanford_kuka_multimodal_dataset maniskill_dataset iamlab_cmu_pickup_insert "
    "plex_robosuite",
    30: "toto berkeley_rpt conq_hose_manipulation",
}


def look_up(name: str) -> KnownDataset | None:
    """Return what is known of a dataset, by its TFDS name; None if nothing is."""
    short = name.lower().removesuffix("_no_noops").removesuffix("_converted_externally_to_rlds")
    if short in _KNOWN:
        return _KNOWN[short]
    for rate, names in _RATES.items():
        if short in names.split():
            return KnownDataset(float(rate))
    return None
