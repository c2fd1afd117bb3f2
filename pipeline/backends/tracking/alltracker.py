"""AllTracker (Harley et al. 2025), from a clone of its repository: dense tracks of every pixel.

The network compares every frame with the keyframe, sixteen frames at a time, and carries its
estimate from window to window. `Net.forward_sliding` keeps the dense flow of the whole clip in
memory (4 numbers per pixel and frame); the walk here does the same steps with the network's own
parts, but reads pictures when they are needed and keeps only the tracks of the asked points. So
memory does not grow with the clip, and work can be cancelled between windows.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.devices import Placement, loaded, memory_guard, place
from pipeline.backends.tracking.checkout import Repository
from pipeline.backends.tracking.clip import BackwardFrames, inside
from pipeline.backends.tracking.cloned_tracker import ClonedTracker
from pipeline.backends.tracking.precision import automatic_precision
from pipeline.backends.tracking.protocol import TrackingRequest
from pipeline.backends.weights import Weights
from pipeline.model.arrays import F32, I32, U8, Bool

if TYPE_CHECKING:
    import torch

SEQUENCE = 16
"""Frames of a window, as trained."""
ITERATIONS = 4
"""Updates per window (the authors' demonstration)."""
VISIBLE = 0.6
"""Least product of visibility and confidence of a visible point (the authors' evaluation)."""
STRIDE = 64
"""Pictures are padded to a multiple of this, as `InputPadder` does."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class AllTracker(ClonedTracker):
    """Tracks all pixels and reports the asked ones. See `ClonedBackend` for `weights`."""

    name: ClassVar[str] = "alltracker"
    title: ClassVar[str] = "AllTracker"
    licence: ClassVar[str] = "MIT (code and weights)"
    weights: ClassVar[Weights | None] = Weights(
        "aharley/alltracker", ("alltracker.pth",), "MIT", 66
    )
    repository: ClassVar[Repository] = Repository(
        "aharley", "alltracker", "nets/alltracker.py", "alltracker.pth"
    )
    packages_of_code: ClassVar[tuple[str, ...]] = ("einops", "torchvision")
    code_folders: ClassVar[tuple[str, ...]] = ("nets",)

    def load(self) -> None:
        """Load code and weights as for use. Raises DataError."""
        self._net()

    def _follow(
        self,
        request: TrackingRequest,
        rows: I32,
        keyframe: int,
        points: F32,
        visible: Bool,
        progress: Progress,
    ) -> None:
        net = self._net()
        share = 0.0

        def reading(_: float, what: str) -> None:
            progress(share, what)

        back = BackwardFrames(request.frame_at, rows[: keyframe + 1].tolist(), reading)
        done, total = 0, max(1, len(rows) - 1)
        for order, fetch in (
            (np.arange(keyframe, len(rows)), request.frame_at),
            (np.arange(keyframe, -1, -1), back),
        ):
            if len(order) < 2:
                continue

            def report(x: float, what: str, done: int = done, steps: int = len(order) - 1) -> None:
                nonlocal share
                share = (done + x * steps) / total
                progress(share, what)

            moved, seen = self._walk(net, rows[order].tolist(), fetch, request.points, report)
            points[order[1:]], visible[order[1:]] = moved, seen
            done += len(order) - 1

    def _net(self) -> Any:
        return loaded(self, "alltracker", self._build)

    def _build(self, placement: Placement) -> Any:
        import torch

        state = torch.load(self.weights_path(), map_location="cpu", weights_only=True)
        state = state.get("model", state)
        # The small variant has another encoder (as the authors' demonstration chooses it).
        tiny = any(name.startswith("fnet.") for name in state)
        kind = {"use_basicencoder": True, "no_split": True} if tiny else {}
        with self.importing("nets", "utils"):
            module = importlib.import_module("nets.alltracker")
            net = module.Net(SEQUENCE, init_weights=False, **kind)
        net.load_state_dict(state)
        return net.to(placement.device).eval()

    def _walk(
        self,
        net: Any,
        frames: list[int],
        fetch: Callable[[int], U8],
        points: F32,
        report: Progress,
    ) -> tuple[F32, Bool]:
        """Follow points of the first frame through the others, in the order given.

        Returns:
            (T - 1, N, 2) float32 pixels and (T - 1, N) bool.
        """
        import torch

        placement = place(self.settings)
        device = placement.device
        height, width = fetch(frames[0]).shape[:2]
        left, right, above, below = _padding(width, height)
        mean = torch.tensor(MEAN).reshape(1, 3, 1, 1)
        deviation = torch.tensor(DEVIATION).reshape(1, 3, 1, 1)
        spots = torch.from_numpy(points + np.array([left, above], np.float32)).to(device)

        def features(some: list[int]) -> torch.Tensor:
            pictures = {f: fetch(f) for f in dict.fromkeys(some)}  # the last one is repeated
            rgb = np.stack([pictures[f] for f in some])
            images = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255.0
            images = (images - mean) / deviation
            images = torch.nn.functional.pad(
                images, (left, right, above, below), mode="replicate"
            ).to(device)
            maps = net.get_fmaps(images, 1, len(some), None, False)
            return maps.reshape(1, len(some), *maps.shape[-3:])

        moved = np.empty((len(frames), len(points), 2), np.float32)
        seen = np.zeros((len(frames), len(points)), np.bool_)
        what = f"tracking {len(points)} points, {width}x{height}"
        with (
            memory_guard(what, "the crop's margin, track fps"),
            torch.inference_mode(),
            cuda_means(device),
            automatic_precision(device, placement.dtype),
        ):
            windows = _Windows(net, features, frames, lambda i: report(i / len(frames), what))
            for rows, flow, certainty in windows:
                path = spots + _sampled(flow, spots)
                both = _sampled(torch.sigmoid(certainty), spots)
                moved[rows] = path.cpu().numpy() - np.array([left, above], np.float32)
                seen[rows] = (both[..., 0] * both[..., 1] > VISIBLE).cpu().numpy()
        seen &= inside(moved, width, height)
        return moved[1:], seen[1:]


class _Windows:
    """The steps of `Net.forward_sliding`, one window at a time.

    Yields the rows that are new, and for them flow from the first frame and the logits of
    visibility and confidence, both (R, 2, H, W) on the device, in the padded picture.
    """

    def __init__(
        self,
        net: Any,
        features: Callable[[list[int]], torch.Tensor],
        frames: list[int],
        tick: Callable[[int], None],
    ) -> None:
        self._net, self._features, self._frames, self._tick = net, features, frames, tick

    def __iter__(self) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
        import torch

        count = len(self._frames)
        self._tick(0)
        anchor = self._features(self._frames[:1])
        if count == 2:
            maps = self._features(self._frames[1:])
            flow8 = torch.zeros((1, 2, *maps.shape[-2:]), device=maps.device)
            flow, certainty, *_ = self._estimate(anchor, maps, torch.zeros_like(flow8), flow8)
            yield slice(1, 2), flow, certainty
            return
        size, half = SEQUENCE, SEQUENCE // 2
        padded = self._frames + self._frames[-1:] * size
        start = visited = 0
        maps = flow8 = certainty8 = anchor  # set by the first window
        while True:
            self._tick(start)
            if start == 0:
                maps = self._features(padded[:size])
                flow8 = torch.zeros((size, 2, *maps.shape[-2:]), device=maps.device)
                certainty8 = torch.zeros_like(flow8)
            else:
                # The first half was the last one's second half; the new frames start from its end.
                new = self._features(padded[start + half : start + size])
                maps = torch.cat([maps[:, half:], new], dim=1)
                flow8 = torch.cat([flow8[half:], flow8[-1:].expand(half, -1, -1, -1)])
                certainty8 = torch.cat(
                    [certainty8[half:], certainty8[-1:].expand(half, -1, -1, -1)]
                )
            flow, certainty, flow8, certainty8 = self._estimate(anchor, maps, certainty8, flow8)
            end = min(start + size, count)
            yield (
                slice(visited, end),
                flow[visited - start : end - start],
                certainty[visited - start : end - start],
            )
            visited = end
            if start + size >= count:
                return
            start += half

    def _estimate(
        self,
        anchor: torch.Tensor,
        maps: torch.Tensor,
        certainty8: torch.Tensor,
        flow8: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        flows, certainties, flow8, certainty8, _ = self._net.forward_window(
            anchor[:, 0],
            maps,
            certainty8,
            iters=ITERATIONS,
            flowfeat=None,
            flows8=flow8,
            is_training=False,
        )
        return flows[-1].float(), certainties[-1].float(), flow8, certainty8


def _padding(width: int, height: int) -> tuple[int, int, int, int]:
    """Left, right, above, below, so that both sides are multiples of `STRIDE`."""
    x, y = -width % STRIDE, -height % STRIDE
    return x // 2, x - x // 2, y // 2, y - y // 2


def _sampled(dense: torch.Tensor, spots: torch.Tensor) -> torch.Tensor:
    """Bilinear values of maps (T, 2, H, W) at points (N, 2): (T, N, 2)."""
    import torch

    height, width = dense.shape[-2:]
    size = torch.tensor([max(width - 1, 1), max(height - 1, 1)], device=spots.device)
    grid = (2.0 * spots / size - 1.0)[None, None].expand(len(dense), 1, -1, -1)
    values = torch.nn.functional.grid_sample(dense, grid, align_corners=True, padding_mode="border")
    return values[:, :, 0].permute(0, 2, 1)


@contextmanager
def cuda_means(device: torch.device) -> Iterator[None]:
    """Let `Tensor.cuda()` go to `device`: the network calls it whatever it runs on.

    Only calls of this thread inside the block are redirected; torch itself stays as it is.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Redirect(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func is torch.Tensor.cuda:
                return args[0].to(device)
            return func(*args, **(kwargs or {}))

    with Redirect():
        yield
