"""The present as a short video: MP4 with H.264, in memory."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.captioning.material import CaptionMaterial, Span
from pipeline.backends.captioning.pictures import scaled, shown_frame
from pipeline.model.arrays import U8
from pipeline.model.drafting import PartKind, SentPart
from pipeline.model.problem import DataError
from pipeline.model.recipe import PictureOptions

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

MOST_FRAMES = 600
"""Of longer clips, that many at equal steps, at a lower rate."""
MOST_BYTES = 12 << 20
"""Of the file: servers take 20 MB in one request, and base64 adds a third."""
_ENCODERS = ("libx264", "h264")
_QUALITIES = (23, 28, 34)
"""Constant rate factors of x264; the next one is tried where a file becomes too large."""


def middle(span: Span, share: float) -> Span:
    """The middle share of a span, at least one frame."""
    start, end = span
    size = end - start
    kept = min(size, max(1, round(size * share)))
    first = start + (size - kept) // 2
    return first, first + kept


def clip_frames(span: Span, fps: float, options: PictureOptions) -> tuple[tuple[int, ...], float]:
    """Which frames a clip shows, and at which rate it plays.

    Args:
        span: The present.
        fps: Frames per second of the episode.
        options: Of the recipe.

    Returns:
        Rising frames, and frames per second such that it plays as fast as it happened.
    """
    start, end = middle(span, options.clip_share)
    step = max(fps / min(options.clip_fps, fps), (end - start) / MOST_FRAMES)
    count = min(MOST_FRAMES, max(1, int((end - start - 1) / step) + 1))
    frames = dict.fromkeys(min(end - 1, start + round(k * step)) for k in range(count))
    return tuple(frames), fps / step


def clip_size(picture: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height of the video: its longer side, even numbers, never enlarged."""
    factor = min(1.0, side / max(picture))
    width, height = (max(2, 2 * round(v * factor / 2)) for v in picture)
    return width, height


def clip_part(material: CaptionMaterial, options: PictureOptions, progress: Progress) -> SentPart:
    """Make the clip of the present.

    Args:
        material: Of the subtask.
        options: Of the recipe.
        progress: Called before every frame; may raise Cancelled.

    Raises:
        DataError: The frames cannot be read (`frame_not_decoded`, ...), this installation writes
            no H.264 (`no_encoder`), or the video becomes too large (`clip_too_large`).
    """
    frames, rate = clip_frames(material.spans.present, material.fps, options)
    for quality in _QUALITIES:
        data, size, note = _encoded(material, frames, rate, options.clip_side, quality, progress)
        if len(data) <= MOST_BYTES:
            return SentPart(
                kind=PartKind.VIDEO,
                role="clip",
                text="",
                data=np.frombuffer(data, np.uint8),
                mime="video/mp4",
                width=size[0],
                height=size[1],
                frames=frames,
                note=note,
            )
    raise DataError(
        "clip_too_large",
        f"the clip of {len(frames)} frames is larger than {MOST_BYTES >> 20} MiB: choose a recipe "
        "with a smaller clip_side or clip_share",
    )


def _encoded(
    material: CaptionMaterial,
    frames: tuple[int, ...],
    rate: float,
    side: int,
    quality: int,
    progress: Progress,
) -> tuple[bytes, tuple[int, int], str]:
    """The file, its width and height, and notes on frames."""
    import av

    buffer = io.BytesIO()
    notes: list[str] = []
    size = (0, 0)
    # Bit-exact: no names of libraries and no times of writing, so equal frames give equal bytes.
    options = {"fflags": "+bitexact"}
    with av.open(buffer, "w", format="mp4", options=options) as container:
        stream: VideoStream | None = None
        for number, index in enumerate(frames):
            progress(number / len(frames), f"clip: frame {index}")
            shown = shown_frame(material, index)
            notes.append(shown.note)
            if stream is None:
                size = clip_size((shown.rgb.shape[1], shown.rgb.shape[0]), side)
                stream = _stream(container, rate, size, quality)
            frame = av.VideoFrame.from_ndarray(_even(shown.rgb, size), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
    return buffer.getvalue(), size, " ".join(dict.fromkeys(n for n in notes if n))


def _even(rgb: U8, size: tuple[int, int]) -> U8:
    return np.ascontiguousarray(scaled(rgb, *size))


def _stream(
    container: OutputContainer, rate: float, size: tuple[int, int], quality: int
) -> VideoStream:
    """Add an H.264 stream; the first encoder that this installation has."""
    from av.codec.codec import UnknownCodecError

    fraction = Fraction(rate).limit_denominator(1000)
    for name in _ENCODERS:
        try:
            stream = cast("VideoStream", container.add_stream(name, rate=fraction))
        except UnknownCodecError:
            continue
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = 1 / fraction
        stream.codec_context.thread_count = 1
        if name == "libx264":
            # Each frame is encoded as it comes, so that cancelling never waits for the rest.
            stream.options = {
                "crf": str(quality),
                "preset": "medium",
                "tune": "zerolatency",
                "flags": "+bitexact",
            }
        else:
            stream.bit_rate = int(size[0] * size[1] * rate * (3 - quality / 16))
        return stream
    raise DataError("no_encoder", "this installation of PyAV writes no H.264")
