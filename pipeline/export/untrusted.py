"""Decoding results that somebody else wrote: bounded, of the declared types, or not at all.

`pipeline.engine.codec` reads our own cache. Here the same bytes may come from anywhere: what they
unpack to is known before memory is taken for it, arrays have the types that their fields declare,
and whatever is wrong is one exception.
"""

from __future__ import annotations

import dataclasses
import io
import math
import tokenize
import types
import typing
import zipfile
import zlib
from typing import Any, TypeVar

import numpy as np

from pipeline.engine.codec import CodecError, decode

T = TypeVar("T")
MOST_MEMBERS = 4096
"""Arrays in one archive; our results have below a hundred."""
LARGEST_TREE = 32 << 20
"""Bytes of JSON in one archive."""
_PLAIN = "biuf"
"""Kinds of arrays: booleans, integers and floats; no objects, texts or structures."""


def decode_untrusted(data: bytes, cls: type[T], limit: int) -> T:
    """Decode what `codec.encode` wrote.

    Args:
        data: Bytes, not trusted.
        cls: The dataclass to make.
        limit: Refuse archives that unpack to more bytes than this.

    Raises:
        CodecError: One phrase on what is wrong.
    """
    try:
        _examine(data, limit)
        result = decode(data, cls, limit)
        _expect_types(result, cls)
    except CodecError:
        raise
    except MemoryError as error:
        raise CodecError("it needs more memory than there is") from error
    except RecursionError as error:
        raise CodecError("it is nested too deeply") from error
    except (
        *(zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError),
        *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
        *(SyntaxError, tokenize.TokenError),  # NumPy, of headers it takes for those of Python 2
    ) as error:
        raise CodecError(f"no {cls.__name__}: {error}") from error
    return result


def unpacked_size(data: bytes) -> int:
    """Bytes that an archive unpacks to. Of one only that `decode_untrusted` has accepted."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(member.file_size for member in archive.infolist())


def _examine(data: bytes, limit: int) -> None:
    """Look at the directory and at the headers of all arrays before anything is unpacked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise CodecError(f"it has {len(members)} parts")
        names = {"json", *(f"{n}.npy" for n in range(len(members) - 1))}
        if len(members) != len(names) or {m.filename for m in members} != names:
            raise CodecError("its parts have other names than ours")
        if sum(m.file_size for m in members) > limit:
            raise CodecError(f"it unpacks to more than {limit >> 20} MiB")
        for member in members:
            if member.filename == "json":
                if member.file_size > LARGEST_TREE:
                    raise CodecError("its values are too many")
                continue
            with archive.open(member) as file:
                _examine_array(file, member.file_size)


def _examine_array(file: typing.IO[bytes], size: int) -> None:
    """Compare what an array's header promises with what is there."""
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise CodecError("an array of an unknown version")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=4096)
    if dtype.kind not in _PLAIN or dtype.subdtype is not None:
        raise CodecError(f"an array of {dtype}")
    if any(n < 0 for n in shape) or len(shape) > 8:
        raise CodecError(f"an array of shape {shape}")
    if math.prod(shape) * dtype.itemsize != size - file.tell():
        raise CodecError(f"an array of shape {shape} that has other bytes")


def _expect_types(value: Any, hint: Any) -> None:
    """Arrays must have the type of their field; the codec checked everything else."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is not None:
            (inner,) = [a for a in typing.get_args(hint) if a is not type(None)]
            _expect_types(value, inner)
    elif origin is np.ndarray:
        wanted = np.dtype(typing.get_args(typing.get_args(hint)[1])[0])
        if value.dtype != wanted:
            raise CodecError(f"an array of {value.dtype} instead of {wanted}")
    elif origin is tuple:
        args = typing.get_args(hint)
        endless = len(args) == 2 and args[1] is Ellipsis
        for number, item in enumerate(value):
            _expect_types(item, args[0] if endless else args[number])
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        for each in dataclasses.fields(hint):
            _expect_types(getattr(value, each.name), hints[each.name])
