"""Opening video files of strangers: known containers only, nothing that declares absurd sizes.

libavformat believes headers: a file of one kilobyte can make it allocate gigabytes, and a playlist
called `video.mp4` can make it open other files. Both are refused before it looks.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

MOST_PIXELS = 36_000_000
"""Larger pictures are refused (8K has 33 million): a decoder holds up to 17 of them."""
_MOST_FRAMES = 1 << 23
"""Longer indexes are refused (77 h at 30 Hz): 80 million declared frames cost 2.8 GB and 8 s."""
_MOST_BOXES = 20_000
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf,ivf,obu,av1,h264,hevc,"
    "m4v,mpegvideo,mxf,nut,gif,mjpeg"
)
"""Formats that hold pictures themselves; playlists (hls, concat, dash) name other files."""
_FOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}


@dataclass(frozen=True, slots=True)
class VideoFile:
    """An open file and the stream that is shown.

    Attributes:
        container: Whoever opened it closes it.
        stream: Its first video stream that is no cover picture.
    """

    container: InputContainer
    stream: VideoStream


def file_identity(path: Path) -> tuple[str, int, int]:
    """Absolute path, bytes and time of change, so that what was read once is known again.

    Raises:
        DataError: `bad_video` if it is no regular file (opening a pipe would wait for ever).
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError("bad_video", f"{path}: cannot be opened ({reason})") from error
    if not stat.S_ISREG(found.st_mode):
        raise DataError("bad_video", f"{path}: is no file")
    return os.path.abspath(path), found.st_size, found.st_mtime_ns


def open_video(path: Path) -> VideoFile:
    """Open a file for reading; decoding is set up for seeking, one frame at a time.

    Raises:
        DataError: `bad_video`, one sentence, if it is no video that can be shown.
    """
    import av

    name, size, _ = file_identity(path)
    _refuse_absurd_counts(path, size)
    options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
    container = None
    try:
        # With the protocol spelt out no name can be taken for a URL.
        container = av.open(f"file:{name}", "r", options=options, metadata_errors="ignore")
        stream = _pictures(container)
        if stream is None:
            raise DataError("bad_video", f"{path}: holds no video")
        _prepare(path, stream)
    except (av.FFmpegError, OSError, ValueError) as error:
        if container is not None:
            container.close()
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            "bad_video", f"{path}: is no video that can be opened ({reason})"
        ) from error
    except DataError:
        if container is not None:
            container.close()
        raise
    return VideoFile(container, stream)


def _pictures(container: InputContainer) -> VideoStream | None:
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def _prepare(path: Path, stream: VideoStream) -> None:
    codec: Any = stream.codec_context
    if codec is None:  # The header names a codec that nobody knows.
        raise DataError("bad_video", f"{path}: is encoded in a way that cannot be decoded")
    if not stream.time_base:
        raise DataError("bad_video", f"{path}: its pictures carry no times")
    if codec.width * codec.height > MOST_PIXELS:
        raise DataError(
            "bad_video",
            f"{path}: {codec.width} x {codec.height} pixels, more than can be shown",
        )
    # Also for sizes that only the stream tells; libavcodec refuses to allocate them.
    codec.options = {"max_pixels": str(MOST_PIXELS)}
    # Threads over frames delay the first frame after a seek (measured 1.1 to 2 times); threads
    # over the slices of one frame do not, and files written through PyAV have slices.
    # dav1d has threads over frames only: with two of them a seek costs the same (0.95 to 1.06
    # times) and decoding in a row 0.85 times.
    codec.thread_type = "SLICE"
    codec.thread_count = min(2 if codec.name == "libdav1d" else 4, os.cpu_count() or 1)


def _refuse_absurd_counts(path: Path, size: int) -> None:
    """Walk an MP4's boxes and refuse counts of frames that cannot be true."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            if head[4:] in {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof"}:
                most = min(size, _MOST_FRAMES)  # A frame takes a byte at least.
                count = _largest_count(file, size)
                if count > most:
                    raise DataError(
                        "bad_video",
                        f"{path}: declares {count} frames, which {size} bytes cannot hold",
                    )
    except OSError as error:
        raise DataError("bad_video", f"{path}: cannot be read ({error.strerror})") from error


def _largest_count(file: BinaryIO, size: int) -> int:
    """Largest number of frames that a sample table or fragment declares."""
    ends = [size]
    place, largest = 0, 0
    for _ in range(_MOST_BOXES):
        while ends and place + 8 > ends[-1]:
            place = max(place, ends.pop())
        if not ends:
            break
        file.seek(place)
        head = file.read(32)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        start = 8
        if length == 1:
            length, start = int.from_bytes(head[8:16], "big"), 16
        if length == 0:  # Up to the end.
            length = ends[-1] - place
        if length < start:
            break
        fields = head[start:]
        if kind == b"stsz" and len(fields) >= 12:
            largest = max(largest, struct.unpack_from(">I", fields, 8)[0])
        elif kind in {b"trun", b"stz2"} and len(fields) >= 12:
            largest = max(largest, struct.unpack_from(">I", fields, 4 if kind == b"trun" else 8)[0])
        if kind in _FOLDERS:
            ends.append(min(ends[-1], place + length))
            place += start
        else:
            place += length
    return largest
