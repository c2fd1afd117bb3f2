"""CoTracker3 (Karaev et al. 2025), offline variant, from a clone of its repository.

Its licence allows non-commercial use only, so neither code nor weights come with Demoscope: the
user clones the repository (or has it in the cache of torch.hub) and accepts the licence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.devices import Placement, loaded, memory_guard, place
from pipeline.backends.tracking.checkout import Repository
from pipeline.backends.tracking.clip import inside
from pipeline.backends.tracking.cloned_tracker import ClonedTracker
from pipeline.backends.tracking.precision import automatic_precision
from pipeline.backends.tracking.protocol import TrackingRequest
from pipeline.backends.weights import Weights
from pipeline.model.arrays import F32, I32, Bool

if TYPE_CHECKING:
    import torch

FRAMES_PER_PASS = 160
"""Frames of one pass; longer clips are chained (our choice: 27 s at 6 fps, 0.4 GB of pictures)."""
OVERLAP = 16
"""Frames that two chained passes share, in which points are handed over."""
POINT_FRAMES = 100_000
"""Points times frames of one pass. Each costs about 20 KiB (four correlation volumes of 49 x 49
floats, one alive at a time, and their embeddings), so a pass needs about 2 GB (our choice)."""
FEWEST_POINTS = 64
"""Points of one pass at least: they are tracked together and help each other."""


@dataclass(frozen=True, slots=True)
class Span:
    """A pass over some frames.

    Attributes:
        start: First row of the clip.
        stop: One past the last row.
        new: Its rows that no pass before has covered.
        towards: 0 for the pass around the keyframe, 1 for later, -1 for earlier frames.
    """

    start: int
    stop: int
    new: range
    towards: int


def passes(count: int, keyframe: int, size: int, overlap: int) -> Iterator[Span]:
    """Cover `count` rows with passes of `size`, first the one around the keyframe's row."""
    first = min(max(keyframe - size // 2, 0), max(count - size, 0))
    last = min(count, first + size)
    yield Span(first, last, range(first, last), 0)
    while last < count:
        start, stop = last - overlap, min(count, last - overlap + size)
        yield Span(start, stop, range(last, stop), 1)
        last = stop
    while first > 0:
        start, stop = max(0, first + overlap - size), first + overlap
        yield Span(start, stop, range(start, first), -1)
        first = start


class CoTracker(ClonedTracker):
    """Tracks sparse points, all of a pass together. See `ClonedBackend` for `weights`."""

    name: ClassVar[str] = "cotracker"
    title: ClassVar[str] = "CoTracker3 (offline)"
    licence: ClassVar[str] = "CC-BY-NC-4.0 (code and weights)"
    notice: ClassVar[str] = (
        "CoTracker3 is licensed CC-BY-NC-4.0: neither its code nor its weights, nor what is made "
        "with them, may be used commercially."
    )
    weights: ClassVar[Weights | None] = Weights(
        "facebook/cotracker3", ("scaled_offline.pth",), "CC-BY-NC-4.0", 102
    )
    repository: ClassVar[Repository] = Repository(
        "facebookresearch", "co-tracker", "hubconf.py", "scaled_offline.pth"
    )

    def load(self) -> None:
        """Load code and weights as for use. Raises DataError."""
        self._predictor()

    def _follow(
        self,
        request: TrackingRequest,
        rows: I32,
        keyframe: int,
        points: F32,
        visible: Bool,
        progress: Progress,
    ) -> None:
        predictor = self._predictor()
        spans = list(passes(len(rows), keyframe, FRAMES_PER_PASS, OVERLAP))
        for number, span in enumerate(spans):
            share, part = number / len(spans), 1.0 / len(spans)

            def report(x: float, what: str, share: float = share, part: float = part) -> None:
                progress(share + part * x, what)

            self._pass(predictor, request, rows, span, points, visible, report)

    def _predictor(self) -> Any:
        return loaded(self, "cotracker3_offline", self._build)

    def _build(self, placement: Placement) -> Any:
        import torch

        with self.importing("cotracker") as code:
            predictor = torch.hub.load(
                str(code), "cotracker3_offline", source="local", pretrained=False
            )
        state = torch.load(self.weights_path(), map_location="cpu", weights_only=True)
        predictor.model.load_state_dict(state.get("model", state))
        return predictor.to(placement.device).eval()

    def _pass(
        self,
        predictor: Any,
        request: TrackingRequest,
        rows: I32,
        span: Span,
        points: F32,
        visible: Bool,
        report: Progress,
    ) -> None:
        """Track one span and write what is new of it into `points` and `visible`."""
        import torch

        where = np.arange(span.start, span.stop)
        queried, at = _queries(span, visible)
        if len(queried) == 0:
            return
        fresh = np.array(span.new) - span.start
        device = place(self.settings).device
        what = f"tracking {len(queried)} points over {len(where)} frames"
        with memory_guard(what, "max points, track fps"), torch.inference_mode():
            video, scale, size = _video(predictor, request, rows[where], report)
            video = video.to(device)
            most = max(FEWEST_POINTS, POINT_FRAMES // len(where))
            for first in range(0, len(queried), most):
                report(0.3 + 0.7 * first / len(queried), what)
                some = queried[first : first + most]
                start = at[first : first + most]
                query = np.concatenate(
                    [(start - span.start)[:, None], points[start, some] * scale], axis=1
                )
                with automatic_precision(device, place(self.settings).dtype):
                    tracks, seen = predictor(
                        video,
                        queries=torch.from_numpy(query.astype(np.float32))[None].to(device),
                        backward_tracking=bool((start > span.start).any() and span.towards <= 0),
                    )
                new = tracks[0].float().cpu().numpy()[fresh] / scale
                into = np.ix_(where[fresh], some)
                points[into] = new
                visible[into] = seen[0].cpu().numpy()[fresh] & inside(new, *size)


def _queries(span: Span, visible: Bool) -> tuple[I32, I32]:
    """Points that a pass can start from, and the row where each is seen.

    Args:
        span: The pass.
        visible: (T, N) bool, of the passes before.

    Returns:
        Indices of points and their rows: the seen one nearest to what is new. Points that were
        not seen in the overlap are given up: on whatever hides them they would only be wrong.
    """
    part = visible[span.start : span.stop]
    found = np.flatnonzero(part.any(axis=0)).astype(np.int32)
    nearest = part[:, found]
    if span.towards > 0:
        at = len(part) - 1 - nearest[::-1].argmax(axis=0)
    else:
        at = nearest.argmax(axis=0)
    return found, (at + span.start).astype(np.int32)


def _video(
    predictor: Any, request: TrackingRequest, frames: I32, report: Progress
) -> tuple[torch.Tensor, F32, tuple[int, int]]:
    """Read pictures at the size that the model works in.

    The predictor would scale the whole clip itself; one picture at a time gives the same numbers
    and spares the memory of the clip in full size.

    Returns:
        (1, T, 3, h, w) float32 0..255, the factors (x, y) from pixels to it, and the size
        (width, height) of the pictures.
    """
    import torch

    video: torch.Tensor | None = None
    scale, size = np.ones(2, np.float32), (1, 1)
    for i, frame in enumerate(frames):
        report(0.3 * i / len(frames), f"reading frame {frame}")
        picture = torch.from_numpy(request.frame_at(int(frame))).permute(2, 0, 1)[None].float()
        height, width = picture.shape[-2:]
        h, w = (int(v) for v in getattr(predictor, "interp_shape", (height, width)))
        if video is None:
            video = torch.empty((1, len(frames), 3, h, w))
            size = (int(width), int(height))
            scale = np.array(
                [(w - 1) / max(width - 1, 1), (h - 1) / max(height - 1, 1)], np.float32
            )
        video[0, i] = torch.nn.functional.interpolate(
            picture, (h, w), mode="bilinear", align_corners=True
        )[0]
    return video, scale, size
