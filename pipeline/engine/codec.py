"""Stage results as bytes and back: JSON for values, raw arrays beside it, no pickle.

The layout is an .npz archive: `json` holds the tree as UTF-8, arrays are referred to from it by
number. Decoding follows the type hints of the result class, so a file can only become that class.
"""

from __future__ import annotations

import dataclasses
import io
import json
import types
import typing
import zipfile
from enum import Enum
from functools import cache
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
_ARRAY = "$array"


class CodecError(ValueError):
    """Bytes that are not a result of the wanted type."""


def encode(value: Any) -> bytes:
    """Encode a dataclass of plain values, tuples, dicts, enums, dataclasses and arrays."""
    arrays: list[Any] = []

    def walk(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            arrays.append(item)
            return {_ARRAY: len(arrays) - 1}
        if isinstance(item, Enum):
            return item.value
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return {f.name: walk(getattr(item, f.name)) for f in dataclasses.fields(item)}
        if isinstance(item, tuple | list):
            return [walk(v) for v in item]
        if isinstance(item, dict):
            return {str(k): walk(v) for k, v in item.items()}
        if isinstance(item, np.generic):
            return item.item()
        return item

    text = json.dumps(walk(value), separators=(",", ":")).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("json", text)
        for number, array in enumerate(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(f"{number}.npy", member.getvalue())
    return buffer.getvalue()


def decode(data: bytes, cls: type[T], limit: int = 2 << 30) -> T:
    """Decode what `encode` wrote.

    Args:
        data: Bytes.
        cls: The dataclass to make.
        limit: Refuse archives that unpack to more bytes than this.

    Raises:
        CodecError: If the bytes are no such result.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(i.file_size for i in archive.infolist()) > limit:
                raise CodecError("result larger than the limit")
            tree = json.loads(archive.read("json"))
            count = len(archive.namelist()) - 1
            arrays = [
                np.lib.format.read_array(io.BytesIO(archive.read(f"{n}.npy")), allow_pickle=False)
                for n in range(count)
            ]
        result = _build(tree, cls, arrays)
    except CodecError:
        raise
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, OSError) as error:
        raise CodecError(f"no {cls.__name__}: {error}") from error
    return typing.cast(T, result)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _build(item: Any, hint: Any, arrays: list[Any]) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any:
        return item
    if origin in (typing.Union, types.UnionType):
        if item is None:
            return None
        (inner,) = [a for a in typing.get_args(hint) if a is not type(None)]
        return _build(item, inner, arrays)
    if origin is np.ndarray:
        return arrays[item[_ARRAY]]
    if origin is tuple:
        args = typing.get_args(hint)
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_build(v, args[0], arrays) for v in item)
        return tuple(_build(v, a, arrays) for v, a in zip(item, args, strict=True))
    if origin is dict:
        _, inner = typing.get_args(hint)
        return {k: _build(v, inner, arrays) for k, v in item.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = _hints(hint)
        return hint(**{k: _build(v, hints[k], arrays) for k, v in item.items()})
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(item)
    if hint is float and isinstance(item, int):
        return float(item)
    if isinstance(hint, type) and not isinstance(item, hint):
        raise CodecError(f"expected {hint.__name__}, got {type(item).__name__}")
    return item
