"""What a TFDS dataset says about itself: features.json, dataset_info.json, names of its shards."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.model.problem import DataError
from pipeline.sources.assembly import natural
from pipeline.sources.files import read_json

FEATURES, INFO = "features.json", "dataset_info.json"
MOST_EPISODES = 2_000_000
_MOST_FEATURES = 4096
_DEEPEST = 24
_SHARD = re.compile(
    r"(?P<name>.+)-(?P<split>[^-]+)\.(?P<format>\w+)-(?P<number>\d{5,9})-of-(?P<of>\d{5,9})"
)
_SPLIT_ORDER = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}


class Kind(StrEnum):
    """What a feature holds."""

    NUMBERS = "numbers"
    TEXT = "text"
    IMAGE = "image"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Feature:
    """One leaf of features.json.

    Attributes:
        key: Its path, as in the records, e.g. `steps/observation/image_0`.
        kind: What it holds.
        lengths: Sequences that it lies in, outermost first; -1 = of any length.
        shape: Shape of one value, -1 = any.
        dtype: Name of NumPy's type, empty for text.
        encoding: `none`, `bytes` or `zlib` of numbers; `png`, `jpeg` or empty of images.
        class_name: TFDS' class, without its module.
    """

    key: str
    kind: Kind
    lengths: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = ""
    encoding: str = "none"
    class_name: str = ""

    @property
    def step_shape(self) -> tuple[int, ...]:
        """Shape of what belongs to one step: inner sequences and the value."""
        return (*self.lengths[1:], *self.shape)


@dataclass(frozen=True, slots=True)
class Split:
    """A part of the dataset, as dataset_info.json declares it.

    Attributes:
        name: E.g. `train`.
        lengths: Episodes of each shard.
        size: Bytes of all records without their framing, None if it is not said.
    """

    name: str
    lengths: tuple[int, ...]
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a split.

    Attributes:
        path: Where it is or should be.
        split: Name of the split.
        number: From 0.
        length: Episodes in it as declared, None if nobody says so.
        present: False if it is not on disk.
    """

    path: Path
    split: str
    number: int
    length: int | None
    present: bool


@dataclass(frozen=True, slots=True)
class Card:
    """dataset_info.json.

    Attributes:
        name: Dataset name, empty if unknown.
        version: E.g. `1.0.0`.
        file_format: `tfrecord`, `array_record`, `riegeli`, ...
        splits: Declared splits.
    """

    name: str = ""
    version: str = ""
    file_format: str = "tfrecord"
    splits: tuple[Split, ...] = ()


def shard_name(name: str) -> tuple[str, str, str, int, int] | None:
    """Take a shard's file name apart: dataset, split, format, number, count; None if it is none."""
    match = _SHARD.fullmatch(name)
    if match is None:
        return None
    return match["name"], match["split"], match["format"], int(match["number"]), int(match["of"])


def read_features(root: Path) -> tuple[Feature, ...]:
    """Read features.json, in the form of today's TFDS and that of before 2022.

    Raises:
        DataError: `bad_metadata`, one sentence.
    """
    path = root / FEATURES
    features: list[Feature] = []
    try:
        for feature in _leaves(read_json(path), "", (), 0):
            features.append(feature)
            if len(features) > _MOST_FEATURES:
                raise ValueError(f"more than {_MOST_FEATURES} features")
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise DataError("bad_metadata", f"{path}: no features of TFDS ({error})") from error
    return tuple(sorted(features, key=lambda f: natural(f.key)))


def _leaves(
    node: dict[str, Any], key: str, lengths: tuple[int, ...], depth: int
) -> Iterator[Feature]:
    if depth > _DEEPEST:
        raise ValueError(f"nested more than {_DEEPEST} deep")
    class_name = str(node.get("pythonClassName") or node.get("type") or "").rsplit(".", 1)[-1]
    content: Any = {}
    kind = ""
    for kind in ("featuresDict", "sequence", "tensor", "image", "video", "text", "classLabel"):
        if isinstance(node.get(kind), dict):
            content = node[kind]
            break
    else:
        kind = _OLD_KINDS.get(class_name, "")
        content = node.get("content") or node.get("jsonFeature") or {}
        if isinstance(content, dict) and isinstance(content.get("json"), str):
            content = json.loads(content["json"])
        elif isinstance(content, str):
            content = json.loads(content)
    if not isinstance(content, dict):
        content = {}
    if kind == "featuresDict":
        children = content.get("features", content)
        for name in children:
            below = f"{key}/{name}" if key else str(name)
            yield from _leaves(children[name], below, lengths, depth + 1)
    elif kind == "sequence" and "feature" in content:
        length = content.get("length")
        inner = (*lengths, -1 if length is None else int(length))
        yield from _leaves(content["feature"], key, inner, depth + 1)
    else:
        shape = _shape(content.get("shape"))
        dtype = str(content.get("dtype") or "").removeprefix("tf.").removesuffix("_")
        encoding = str(content.get("encoding") or "none").lower()
        what = Kind.OTHER
        if kind == "video" and shape:
            lengths, shape = (*lengths, shape[0]), shape[1:]
        if kind in ("image", "video"):
            what, dtype = Kind.IMAGE, dtype or "uint8"
            encoding = str(content.get("encodingFormat") or content.get("encoding_format") or "")
        elif kind == "text" or dtype in ("string", "object", "str", "bytes"):
            what = Kind.TEXT
        elif kind == "classLabel":
            what, shape, dtype = Kind.NUMBERS, (), "int64"
        elif kind == "tensor" and _is_number(dtype):
            what = Kind.NUMBERS
        yield Feature(key, what, lengths, shape, dtype, encoding, class_name)


_OLD_KINDS = {
    "FeaturesDict": "featuresDict",
    "Dataset": "sequence",
    "Sequence": "sequence",
    "Tensor": "tensor",
    "Scalar": "tensor",
    "Image": "image",
    "Video": "video",
    "Text": "text",
    "ClassLabel": "classLabel",
}


def _is_number(dtype: str) -> bool:
    return re.fullmatch(r"bool|u?int(8|16|32|64)|float(16|32|64)", dtype) is not None


def _shape(value: Any) -> tuple[int, ...]:
    """A shape in any of its spellings; unknown sizes become -1."""
    if isinstance(value, dict):
        value = value.get("dimensions", ())
    shape = tuple(-1 if n is None else int(n) for n in value or ())
    if any(n > 1 << 31 for n in shape) or len(shape) > 8:
        raise ValueError(f"a shape {shape}")
    return shape


def read_card(root: Path) -> Card:
    """Read dataset_info.json; an empty card if there is none.

    Raises:
        DataError: `bad_metadata`, one sentence.
    """
    path = root / INFO
    if not path.is_file():
        return Card()
    info = read_json(path)
    try:
        splits = tuple(
            Split(
                str(split["name"]),
                tuple(int(n) for n in split.get("shardLengths") or ()),
                None if split.get("numBytes") is None else int(split["numBytes"]),
            )
            for split in info.get("splits") or ()
        )
        counts = [n for split in splits for n in split.lengths]
        if min(counts, default=0) < 0 or sum(counts) > MOST_EPISODES:
            raise ValueError(f"it declares {sum(counts)} episodes")
        return Card(
            str(info.get("name") or ""),
            str(info.get("version") or ""),
            str(info.get("fileFormat") or "tfrecord").lower(),
            splits,
        )
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise DataError("bad_metadata", f"{path}: no description by TFDS ({error})") from error


def find_shards(root: Path, card: Card) -> tuple[Shard, ...]:
    """List the shards, those that are declared and those on disk, by split and number.

    Splits come as train, val, test, then by name, so that an episode keeps its number when
    another split is downloaded later.
    """
    on_disk: dict[tuple[str, int], Path] = {}
    counts: dict[str, int] = {}
    with os.scandir(root) as entries:
        for entry in entries:
            parts = shard_name(entry.name)
            if parts is not None and parts[2] == "tfrecord":
                on_disk[parts[1], parts[3]] = Path(entry.path)
                counts[parts[1]] = parts[4]
    declared = {split.name: split.lengths for split in card.splits}
    names = sorted(
        {*declared, *(split for split, _ in on_disk)},
        key=lambda name: (_SPLIT_ORDER.get(name, 3), natural(name)),
    )
    shards = []
    for split in names:
        lengths = declared.get(split, ())
        numbers = {*range(len(lengths)), *(n for s, n in on_disk if s == split)}
        # A count in a file name alone proves nothing: a stranger may say 999999999.
        if not lengths and 0 < counts.get(split, 0) <= 100_000:
            numbers |= {*range(counts[split])}
        of = len(lengths) or counts.get(split, 0)
        for number in sorted(numbers):
            name = f"{card.name or 'shard'}-{split}.tfrecord-{number:05d}-of-{of:05d}"
            path = on_disk.get((split, number))
            length = lengths[number] if number < len(lengths) else None
            shards.append(Shard(path or root / name, split, number, length, path is not None))
    return tuple(shards)
