"""Pictures of image datasets: bytes in a table column, or files in folders; colour and depth."""

from __future__ import annotations

import logging
import os
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.model.arrays import F32
from pipeline.model.problem import DataError
from pipeline.sources.files import fill_template
from pipeline.sources.images import unpack
from pipeline.sources.lerobot.tables import TablePart, parquet

log = logging.getLogger(__name__)

_BLOCK_BYTES = 8 << 20
_HELD_BYTES = 32 << 20
"""Encoded pictures of one camera that are held; a 640 x 480 JPEG is 30 to 60 KiB."""
_MOST_FILE_BYTES = 256 << 20
_LAST_NUMBER = re.compile(r"(\d{1,15})(?!.*\d)")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_METRES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "mm": 0.001, "cm": 0.01}


class EncodedPictures(Protocol):
    """PNG, JPEG or TIFF bytes of an episode's frames."""

    def __len__(self) -> int:
        """Frames."""
        ...

    def data(self, index: int) -> bytes:
        """Bytes of a frame. Raises DataError."""
        ...

    def place(self, index: int) -> str:
        """What a frame is, for sentences."""
        ...


@dataclass(slots=True)
class _Block:
    """Consecutive rows of one row group, as Python values."""

    first: int
    values: list[Any]
    size: int


class _RowGroupReader:
    """Reads one row group forward, a batch at a time."""

    def __init__(self, path: Path, group: int, key: str, length: int) -> None:
        import pyarrow.parquet as pq

        self.path, self.group, self.next = path, group, 0
        # Without a buffer pyarrow would read the whole column of the row group at once.
        self._file = pq.ParquetFile(path, buffer_size=_BLOCK_BYTES // 4)
        self._batches = self._file.iter_batches(
            batch_size=length, row_groups=[group], columns=[key], use_threads=False
        )
        self._key = key

    def read(self) -> _Block:
        """The next batch; an empty one at the end."""
        batch = next(self._batches, None)
        if batch is None:
            return _Block(self.next, [], 0)
        block = _Block(self.next, batch.column(self._key).to_pylist(), int(batch.nbytes))
        self.next += batch.num_rows
        return block

    def close(self) -> None:
        """Release the file."""
        self._batches.close()
        self._file.close()


class TablePictures:
    """Pictures in a table column: `struct{bytes, path}`, bytes, or a path of a file.

    Only a few blocks of rows are in memory, so that long episodes stay within bounds; within a row
    group rows are read forward, and going back starts the row group again.
    """

    def __init__(self, root: Path, key: str, parts: Sequence[TablePart]) -> None:
        """Read no picture yet.

        Args:
            root: Dataset folder; paths in the table lead nowhere else.
            key: Column.
            parts: The episode's rows.

        Raises:
            DataError: `bad_table` if a table has no such column.
        """
        self._root, self._key = root, key
        self._rows: list[tuple[TablePart, int, int]] = []  # part, row group, row within it
        self._sizes: dict[tuple[Path, int], int] = {}
        for part in parts:
            self._add(part)
        self._blocks: OrderedDict[tuple[Path, int, int], _Block] = OrderedDict()
        self._reader: _RowGroupReader | None = None

    def _add(self, part: TablePart) -> None:
        with parquet(part.path) as file:
            names = file.schema_arrow.names
            if self._key not in names:
                raise DataError("bad_table", f"{part.path}: has no column {self._key}")
            sizes = [file.metadata.row_group(g).num_rows for g in part.groups]
            for group, rows in zip(part.groups, sizes, strict=True):
                known = file.metadata.row_group(group)
                used = [known.column(i) for i in range(known.num_columns)]
                total = sum(
                    c.total_uncompressed_size
                    for c in used
                    if c.path_in_schema == self._key or c.path_in_schema.startswith(f"{self._key}.")
                )
                self._sizes[(part.path, group)] = max(1, total // max(1, rows))
        ends = np.cumsum(sizes)
        owner = np.searchsorted(ends, part.rows, side="right")
        starts = ends - np.array(sizes)
        for row, at in zip(part.rows.tolist(), owner.tolist(), strict=True):
            self._rows.append((part, part.groups[at], row - int(starts[at])))

    def __len__(self) -> int:
        return len(self._rows)

    def place(self, index: int) -> str:
        """See `EncodedPictures`."""
        return f"{self._rows[index][0].path}: picture {index} of {self._key}"

    def data(self, index: int) -> bytes:
        """See `EncodedPictures`."""
        part, group, row = self._rows[index]
        for block_of, block in reversed(self._blocks.items()):
            if block_of[:2] == (part.path, group) and 0 <= row - block.first < len(block.values):
                self._blocks.move_to_end(block_of)
                return self._bytes(block.values[row - block.first], index)
        block = self._read_on(part.path, group, row)
        return self._bytes(block.values[row - block.first], index)

    def _read_on(self, path: Path, group: int, row: int) -> _Block:
        """Read forward to a row, from the start of its row group if it was passed."""
        import pyarrow as pa

        reader = self._reader
        try:
            if reader is None or (reader.path, reader.group) != (path, group) or row < reader.next:
                self.close()
                length = max(1, min(1024, _BLOCK_BYTES // self._sizes[(path, group)]))
                self._reader = reader = _RowGroupReader(path, group, self._key, length)
            while True:
                block = reader.read()
                if not block.values:
                    break
                self._keep((path, group, block.first), block)
                if row < block.first + len(block.values):
                    return block
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            self.close()
            text = f"{path}: pictures of {self._key} cannot be read ({error})"
            raise DataError("bad_table", text) from error
        raise DataError("bad_table", f"{path}: row group {group} ends early")

    def _keep(self, key: tuple[Path, int, int], block: _Block) -> None:
        self._blocks[key] = block
        while len(self._blocks) > 1 and sum(b.size for b in self._blocks.values()) > _HELD_BYTES:
            self._blocks.popitem(last=False)

    def close(self) -> None:
        """Release the file; the next picture opens it again."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _bytes(self, value: Any, index: int) -> bytes:
        name = value
        if isinstance(value, Mapping):
            if isinstance(value.get("bytes"), bytes) and value["bytes"]:
                return bytes(value["bytes"])
            name = value.get("path")
        if isinstance(value, bytes):
            return value
        if isinstance(name, str) and name:
            return read_file(picture_path(self._root, name), self.place(index))
        raise DataError("frame_not_decoded", f"{self.place(index)}: there is no picture")


class FolderPictures:
    """Pictures that are files of one folder, a frame each."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Take over the files, in the order of the frames."""
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def place(self, index: int) -> str:
        """See `EncodedPictures`."""
        return str(self._files[index])

    def data(self, index: int) -> bytes:
        """See `EncodedPictures`."""
        return read_file(self._files[index], self.place(index))


def picture_path(root: Path, name: str) -> Path:
    """Path of a picture that a table names; of another machine's path the end from `images/` on.

    Raises:
        DataError: `path_escape` if it leads outside the dataset.
    """
    text = name.replace("\\", "/")
    if "\0" in text:
        raise DataError("path_escape", f"“{name[:80]!r}” is no path of a picture")
    if not (root / text).is_file() and "images/" in text:
        text = text[text.rindex("images/") :]
    path = Path(os.path.normpath(root / text))
    if not path.is_relative_to(root):
        raise DataError("path_escape", f"the picture “{name[:80]}” lies outside the dataset")
    return path


def read_file(path: Path, where: str) -> bytes:
    """Read a picture's file. Raises DataError."""
    try:
        if path.stat().st_size > _MOST_FILE_BYTES:
            raise DataError("frame_not_decoded", f"{where}: the file is too large for a picture")
        return path.read_bytes()
    except OSError as error:
        text = f"{where}: {path} cannot be read ({error.strerror})"
        raise DataError("frame_not_decoded", text) from error


def picture_folder(root: Path, template: str | None, key: str, episode: int) -> list[Path]:
    """Files of an episode's pictures, in the order of their numbers; empty if there are none.

    LeRobot wrote `images/<key>/episode_000000/frame_000000.png`, since v3 with hyphens.

    Args:
        root: Dataset folder.
        template: `image_path` of info.json, if it has one.
        key: Image feature.
        episode: Episode index.
    """
    names = [f"images/{key}/episode-{episode:06d}", f"images/{key}/episode_{episode:06d}"]
    if template and "frame_index" in template:
        values = {"image_key": key, "video_key": key, "episode_index": episode, "frame_index": 0}
        try:
            path = fill_template(root, template, values | {"episode_chunk": 0, "chunk_index": 0})
            names.insert(0, path.parent.relative_to(root).as_posix())
        except DataError as error:
            log.info("image_path is not used: %s", error)
    for name in names:
        folder = Path(os.path.normpath(root / name))
        if folder.is_relative_to(root) and folder != root and folder.is_dir():
            files = [p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES]
            if files:
                return sorted(files, key=_frame_number)
    return []


def _frame_number(path: Path) -> tuple[int, str]:
    match = _LAST_NUMBER.search(path.stem)
    return (int(match[1]) if match else -1, path.name)


class DepthPictures:
    """DepthStream over encoded pictures: 16-bit PNG or TIFF in millimetres, float TIFF in metres,
    unless info.json gives a unit (LeRobot's own rule: `depth_utils.infer_depth_unit`).
    """

    def __init__(self, pictures: EncodedPictures, said: Mapping[str, Any]) -> None:
        """Take over the pictures.

        Args:
            pictures: One per frame.
            said: The feature's `info`.
        """
        self._pictures = pictures
        self._scale = depth_scale(said)

    def metres(self, index: int) -> F32:
        """Depth (H, W) float32 metres, 0 = unknown. Raises DataError."""
        index = min(max(index, 0), len(self._pictures) - 1)
        return decode_depth(self._pictures.data(index), self._pictures.place(index), self._scale)

    def close(self) -> None:
        """Nothing is held."""


def depth_scale(said: Mapping[str, Any]) -> float | None:
    """Metres per unit as a feature's `info` declares it, None if it does not."""
    for name in ("depth_scale", "video.depth_scale"):
        value = said.get(name)
        if isinstance(value, int | float) and 0 < value < 1e6:
            # Cameras give either metres per unit (0.001) or units per metre (1000).
            return float(value) if value < 1 else 1.0 / float(value)
    for name in ("depth_unit", "video.depth_unit", "unit"):
        scale = _METRES.get(str(said.get(name, "")).lower().rstrip("s"))
        if scale is not None:
            return scale
    return None


def decode_depth(data: bytes, where: str, scale: float | None) -> F32:
    """Decode a depth picture.

    Args:
        data: PNG or TIFF bytes.
        where: What it is, for the sentence.
        scale: Metres per unit; None takes millimetres for whole numbers and metres for others.

    Returns:
        (H, W) float32 metres, 0 where it is unknown.

    Raises:
        DataError: `frame_not_decoded`.
    """
    values = unpack(data, where)
    if values.ndim != 2 or values.dtype == np.uint8:
        raise DataError(
            "frame_not_decoded", f"{where}: {values.dtype} {values.shape} holds no depth in mm or m"
        )
    whole = values.dtype.kind in "iu"
    factor = scale if scale is not None else (0.001 if whole else 1.0)
    metres = values.astype(np.float32) * np.float32(factor)
    return np.asarray(np.where(np.isfinite(metres) & (metres > 0), metres, 0.0), np.float32)
