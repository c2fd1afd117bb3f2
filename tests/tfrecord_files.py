"""Small valid RLDS datasets as TFDS writes them; records are written by the `tfrecord` package.

TFDS itself needs TensorFlow. What is imitated here is its layout: features.json and
dataset_info.json (`tensorflow_datasets/core/proto`), flat keys, and ragged fields for sequences
within steps (`core/example_serializer.py`).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tfrecord.writer import TFRecordWriter

from tests.datasets import picture, signals

_FEATURES = "tensorflow_datasets.core.features"


def _shape(shape: Sequence[int]) -> dict[str, Any]:
    return {"dimensions": [str(n) for n in shape]} if shape else {}


def tensor(shape: Sequence[int] = (), dtype: str = "float32", encoding: str = "none") -> dict:
    return {
        "pythonClassName": f"{_FEATURES}.tensor_feature.Tensor",
        "tensor": {"shape": _shape(shape), "dtype": dtype, "encoding": encoding},
    }


def image(shape: Sequence[int] = (48, 64, 3), dtype: str = "uint8", form: str = "jpeg") -> dict:
    return {
        "pythonClassName": f"{_FEATURES}.image_feature.Image",
        "image": {"shape": _shape(shape), "dtype": dtype, "encodingFormat": form},
    }


def text() -> dict:
    return {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}}


def features_dict(features: Mapping[str, Any]) -> dict:
    return {
        "pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict",
        "featuresDict": {"features": dict(features)},
    }


def sequence(feature: dict, length: int = -1, name: str = "sequence_feature.Sequence") -> dict:
    return {
        "pythonClassName": f"{_FEATURES}.{name}",
        "sequence": {"feature": feature, "length": str(length)},
    }


def rlds_features(steps: Mapping[str, Any], **episode: Any) -> dict:
    """features.json of an RLDS dataset."""
    return features_dict(
        {"steps": sequence(features_dict(steps), name="dataset_feature.Dataset"), **episode}
    )


STEPS: dict[str, Any] = {
    "is_first": tensor(dtype="bool"),
    "is_last": tensor(dtype="bool"),
    "is_terminal": tensor(dtype="bool"),
    "reward": tensor(),
    "discount": tensor(),
    "action": tensor((3,)),
    "language_instruction": text(),
    "language_embedding": tensor((512,)),
    "observation": features_dict({"image": image(), "state": tensor((3,))}),
}
"""A plain dataset: one camera, a state of two joints and a gripper."""

Fields = dict[str, tuple[Any, str]]


def jpeg(rgb: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def png(pixels: np.ndarray) -> bytes:
    """PNG of an array in OpenCV's channel order."""
    return cv2.imencode(".png", pixels)[1].tobytes()


def episode_fields(length: int, episode: int = 0, task: str = "Pick up the red cube.") -> Fields:
    """Fields of one episode of `STEPS`."""
    state, action = signals(length)
    flags = np.zeros((2, length), int)
    flags[0, 0] = flags[1, -1] = 1
    return {
        "steps/is_first": (flags[0].tolist(), "int"),
        "steps/is_last": (flags[1].tolist(), "int"),
        "steps/is_terminal": (flags[1].tolist(), "int"),
        "steps/reward": (np.zeros(length).tolist(), "float"),
        "steps/discount": (np.ones(length).tolist(), "float"),
        "steps/action": (action.reshape(-1).tolist(), "float"),
        "steps/language_instruction": ([task.encode()] * length, "byte"),
        "steps/language_embedding": ([0.5] * (512 * length), "float"),
        "steps/observation/image": ([jpeg(picture(f, episode)) for f in range(length)], "byte"),
        "steps/observation/state": (state.reshape(-1).tolist(), "float"),
    }


def write_records(path: Path, records: Sequence[Fields]) -> Path:
    """Write one shard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = TFRecordWriter(str(path))
    for fields in records:
        writer.write(dict(fields))
    writer.close()
    return path


def write_rlds(
    root: Path,
    splits: Mapping[str, Sequence[Sequence[Fields]]],
    *,
    features: Mapping[str, Any] | None = None,
    name: str = "toy_dataset",
    **info: Any,
) -> Path:
    """Write a version folder.

    Args:
        root: The folder.
        splits: Shards of each split, each with its episodes.
        features: features.json; that of `STEPS` by default.
        name: Dataset name.
        info: More for dataset_info.json.
    """
    root.mkdir(parents=True)
    (root / "features.json").write_text(json.dumps(features or rlds_features(STEPS), indent=4))
    described = []
    for split, shards in splits.items():
        size = 0
        for number, records in enumerate(shards):
            shard = f"{name}-{split}.tfrecord-{number:05d}-of-{len(shards):05d}"
            size += write_records(root / shard, records).stat().st_size - 16 * len(records)
        described.append(
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": split,
                "numBytes": str(size),
                "shardLengths": [str(len(records)) for records in shards],
            }
        )
    card = {"fileFormat": "tfrecord", "name": name, "version": "1.0.0", "splits": described, **info}
    (root / "dataset_info.json").write_text(json.dumps(card, indent=2))
    return root


def write_toy(root: Path, lengths: Sequence[int] = (20, 24)) -> Path:
    """A dataset of `STEPS` with one split and one shard."""
    return write_rlds(root, {"train": [[episode_fields(n, i) for i, n in enumerate(lengths)]]})


def zlib_rows(rows: np.ndarray) -> list[bytes]:
    """Steps of a tensor with the encoding zlib."""
    return [zlib.compress(row.tobytes()) for row in rows]
