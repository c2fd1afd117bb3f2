"""Array types of the pipeline and the one check that every parallel-array class uses."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

U8: TypeAlias = NDArray[np.uint8]
F16: TypeAlias = NDArray[np.float16]
F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]
I32: TypeAlias = NDArray[np.int32]
I64: TypeAlias = NDArray[np.int64]
Bool: TypeAlias = NDArray[np.bool_]
Array: TypeAlias = NDArray[Any]


def expect_shape(name: str, array: Array, shape: tuple[int | None, ...]) -> None:
    """Raise ValueError unless `array` has `shape`; None in `shape` matches any length."""
    got = array.shape
    if len(got) != len(shape) or any(
        want is not None and want != have for want, have in zip(shape, got, strict=True)
    ):
        wanted = ", ".join("*" if s is None else str(s) for s in shape)
        raise ValueError(f"{name}: expected shape ({wanted}), got {got}")


def pack_masks(masks: Bool) -> U8:
    """Pack boolean masks (N, H, W) to bits, (N, ceil(H*W/8)) uint8."""
    count, height, width = masks.shape
    return np.packbits(masks.reshape(count, height * width), axis=1)


def unpack_masks(packed: U8, height: int, width: int) -> Bool:
    """Undo `pack_masks`: (N, H, W) bool."""
    flat = np.unpackbits(packed, axis=1, count=height * width)
    return flat.astype(np.bool_).reshape(len(packed), height, width)
