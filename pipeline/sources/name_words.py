"""Words from file and folder names, where a format has no place for an instruction."""

from __future__ import annotations

import re

_SCENE = re.compile(r"^[A-Z][A-Z_]*_?SCENE\d+_")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[_\-.\s]+")
# fmt: off
_SAYS_NOTHING = frozenset(
    {"act", "aloha", "aloha2", "bimanual", "compressed", "data", "dataset", "datasets", "demo",
     "demos", "demonstration", "demonstrations", "depth", "episode", "episodes", "h5", "hdf5",
     "human", "image", "images", "img", "low", "dim", "mg", "mh", "mobile", "ph", "processed",
     "raw", "real", "robomimic", "robosuite", "scripted", "sim", "static", "teleop", "test",
     "tmp", "train", "val"}
)
# fmt: on
_VERSION = re.compile(r"^v?\d+$")
_SUFFIXES = (".hdf5", ".h5", ".hdf")


def words_of_name(name: str) -> str:
    """Turn a file, folder or environment name into an instruction.

    `KITCHEN_SCENE3_turn_on_the_stove_demo.hdf5` gives `turn on the stove`,
    `sim_transfer_cube_scripted` gives `transfer cube`, `PickPlaceCan` gives `pick place can`.
    Words that say how data was recorded are left out.

    Returns:
        Lower-case words, empty if the name says nothing about a task.
    """
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    name = _CAMEL.sub("_", _SCENE.sub("", name))
    words = [w.lower() for w in _SEPARATORS.split(name) if w]
    telling = [w for w in words if w not in _SAYS_NOTHING and not _VERSION.match(w)]
    return " ".join(telling) if any(len(w) > 2 and w.isalpha() for w in telling) else ""
