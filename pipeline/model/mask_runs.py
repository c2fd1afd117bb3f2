"""A mask as run lengths: COCO's uncompressed RLE, short, readable by others, exact."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import Bool


def runs_of(mask: Bool) -> tuple[int, ...]:
    """Encode a mask (H, W) bool.

    Returns:
        Lengths of runs in column-major order, unset pixels first (0 where the first pixel is
        set), as `counts` in COCO's annotations; they add up to H * W.
    """
    flat = np.ravel(mask, order="F").astype(np.bool_, copy=False)
    if flat.size == 0:
        return ()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return tuple([0, *runs] if flat[0] else runs)


def mask_of(runs: tuple[int, ...], height: int, width: int) -> Bool:
    """Decode what `runs_of` made: (height, width) bool.

    Raises:
        ValueError: If the runs do not add up to the size of the picture.
    """
    if sum(runs) != height * width:
        raise ValueError(
            f"runs: expected {height * width} pixels ({width}x{height}), got {sum(runs)}"
        )
    is_set = np.arange(len(runs)) % 2 == 1
    flat = np.repeat(is_set, np.array(runs, np.int64))
    return np.ascontiguousarray(flat.reshape(width, height).T)
