"""Depth in metres from videos of integer codes, as LeRobot writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.model.arrays import F32, Array
from pipeline.model.problem import DataError
from pipeline.sources.video.clip import VideoClip
from pipeline.sources.video.picture import VideoPicture

U16 = np.ndarray[Any, np.dtype[np.uint16]]


class DepthVideo:
    """DepthStream over a clip of a depth video."""

    def __init__(self, clip: VideoClip, codes: DepthCodes) -> None:
        """Take over the clip.

        Args:
            clip: The open file.
            codes: What its values mean.
        """
        self._clip, self._codes = clip, codes

    def metres(self, index: int) -> F32:
        """Depth (H, W) float32 metres of a frame. Raises DataError."""
        picture = self._clip.picture(index)
        assert isinstance(picture, VideoPicture)  # noqa: S101 - what clips return
        bits, codes = luma(picture)
        wanted = self._codes.bits
        codes = codes * np.uint16(1 << max(0, wanted - bits)) >> np.uint16(max(0, bits - wanted))
        return self._codes.metres(picture.turn.apply(codes[:, :, None])[:, :, 0])

    def close(self) -> None:
        """Release the file."""
        self._clip.close()


def luma(picture: VideoPicture) -> tuple[int, U16]:
    """Bits and values (H, W) uint16 of a frame's first plane, as they were encoded.

    Codes of 12 bits come as gray12, or as the luma of a colour format of 8 to 16 bits. A converter
    would stretch the range of the latter, so the plane is read itself.
    """
    frame = picture.decoded
    form = frame.format
    if not form.name.startswith(("gray", "yuv4", "yuvj4", "nv")) or form.is_big_endian:
        return 16, frame.to_ndarray(format="gray16le").astype(np.uint16, copy=False)
    bits, plane = int(form.components[0].bits), frame.planes[0]
    values = np.frombuffer(memoryview(plane), np.dtype("u1" if bits <= 8 else "<u2"))
    rows = values.reshape(frame.height, -1)[:, : frame.width]
    return bits, rows.astype(np.uint16)


@dataclass(frozen=True, slots=True)
class DepthCodes:
    """How LeRobot turns metres into the integer codes of a depth video.

    Attributes:
        low: Depth of code 0, metres.
        high: Depth of the highest code, metres.
        shift: Added before taking the logarithm, metres.
        logarithmic: Codes are even steps of log(depth + shift); otherwise of depth.
        bits: Bits per code.
    """

    low: float
    high: float
    shift: float
    logarithmic: bool
    bits: int = 12

    @classmethod
    def from_info(cls, info: dict[str, Any]) -> DepthCodes:
        """Read a feature's `info`; LeRobot's defaults where it does not say.

        Raises:
            DataError: `bad_metadata` if the numbers make no sense.
        """
        try:
            codes = cls(
                low=float(info.get("video.depth_min", 0.01)),
                high=float(info.get("video.depth_max", 10.0)),
                shift=float(info.get("video.shift", 3.5)),
                logarithmic=bool(info.get("video.use_log", True)),
            )
        except (TypeError, ValueError) as error:
            raise DataError("bad_metadata", f"info.json: depth encoding: {error}") from error
        if not 0 <= codes.low < codes.high or codes.low + codes.shift <= 0:
            raise DataError(
                "bad_metadata", f"info.json: depth from {codes.low} to {codes.high} m is no range"
            )
        return codes

    def metres(self, codes: Array) -> F32:
        """Turn codes (H, W) into float32 metres."""
        share = codes.astype(np.float32) / float((1 << self.bits) - 1)
        if self.logarithmic:
            first, last = np.log(self.low + self.shift), np.log(self.high + self.shift)
            return np.asarray(np.exp(share * (last - first) + first) - self.shift, np.float32)
        return np.asarray(self.low + share * (self.high - self.low), np.float32)
