"""`tf.train.Example` without TensorFlow: the three messages as a descriptor, read by protobuf."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from pipeline.model.arrays import Array
from pipeline.model.problem import DataError


class Example:
    """One record: named flat lists of bytes, floats or integers."""

    def __init__(self, content: bytes, where: str) -> None:
        """Read a serialised example.

        Args:
            content: The record.
            where: What it is, for the sentence.

        Raises:
            DataError: `bad_record` if it is no example.
        """
        from google.protobuf.message import DecodeError

        try:
            message = _example_class().FromString(content)
        except (DecodeError, RecursionError) as error:
            raise DataError("bad_record", f"{where} is no tf.train.Example ({error})") from error
        self._where = where
        self._fields: Any = message.features.feature

    @property
    def keys(self) -> frozenset[str]:
        """Names of the lists."""
        return frozenset(self._fields)

    def count(self, key: str) -> int:
        """Values of a list, 0 if there is none."""
        return len(self._values(key)[1])

    def numbers(self, key: str, start: int = 0, stop: int | None = None) -> Array | None:
        """Values `start` to `stop` of a list of numbers.

        Returns:
            (n,) float32 or int64, or None if there is no such list or it holds bytes.
        """
        kind, values = self._values(key)
        if kind not in ("float_list", "int64_list"):
            return None
        part = values if (start, stop) == (0, None) else values[start:stop]
        return np.fromiter(part, np.float32 if kind == "float_list" else np.int64, len(part))

    def texts(self, key: str) -> Sequence[bytes]:
        """A list of bytes, empty if there is none; not copied."""
        kind, values = self._values(key)
        return values if kind == "bytes_list" else ()

    def _values(self, key: str) -> tuple[str, Any]:
        # Asking a protobuf map for a missing key would add it.
        if key not in self._fields:
            return "", ()
        field = self._fields[key]
        kind = field.WhichOneof("kind")
        return (kind, getattr(field, kind).value) if kind else ("", ())


@cache
def _example_class() -> Any:
    """Build the class of `tf.train.Example` (TensorFlow `example.proto`, `feature.proto`)."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="demoscope/example.proto", package="demoscope", syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(name: str) -> Any:
        added = file.message_type.add()
        added.name = name
        return added

    def field(owner: Any, name: str, number: int, kind: int, **more: Any) -> None:
        more.setdefault("label", kinds.LABEL_OPTIONAL)
        owner.field.add(name=name, number=number, type=kind, **more)

    repeated: Any = {"label": kinds.LABEL_REPEATED}
    feature = None
    for name, kind in (
        ("BytesList", kinds.TYPE_BYTES),
        ("FloatList", kinds.TYPE_FLOAT),
        ("Int64List", kinds.TYPE_INT64),
    ):
        field(message(name), "value", 1, kind, **repeated)
    feature = message("Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate(
        (("bytes_list", "BytesList"), ("float_list", "FloatList"), ("int64_list", "Int64List")), 1
    ):
        more = {"type_name": f".demoscope.{kind}", "oneof_index": 0}
        field(feature, name, number, kinds.TYPE_MESSAGE, **more)
    features = message("Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    field(entry, "key", 1, kinds.TYPE_STRING)
    field(entry, "value", 2, kinds.TYPE_MESSAGE, type_name=".demoscope.Feature")
    field(
        features,
        "feature",
        1,
        kinds.TYPE_MESSAGE,
        type_name=".demoscope.Features.FeatureEntry",
        **repeated,
    )
    example = message("Example")
    field(example, "features", 1, kinds.TYPE_MESSAGE, type_name=".demoscope.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("demoscope.Example"))
