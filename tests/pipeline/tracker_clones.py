"""Stand-ins for repositories that cannot be installed, with their entry points and file layout.

The networks are tiny, but they are real modules with weights in a checkpoint of the real format,
found and loaded by the real loading code. What they predict is planted: the picture of a frame
carries its number in its blue channel, and everything moves by `shift` pixels per frame, which is a
weight of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import torch

from pipeline.backends.tracking.protocol import TrackingRequest
from pipeline.model.arrays import U8, pack_masks
from pipeline.model.candidate import MasksResult, Proposal, ProposalsResult
from tests.pipeline.rendered_scene import HEIGHT, KEY, WIDTH, Scene

LEVEL = 4
"""Blue rises by so much with each frame."""


def write_cotracker(folder: Path, shift: tuple[float, float] = (2.0, 1.0)) -> Path:
    """A clone of co-tracker with its checkpoint: hubconf.py and the package `cotracker`.

    The stand-in predictor has the call of the real one, works at 24 x 32 and returns where the
    query went, in the pixels of what it was given; it counts calls and shapes.
    """
    (folder / "cotracker").mkdir(parents=True)
    (folder / "cotracker" / "__init__.py").write_text("")
    (folder / "hubconf.py").write_text(
        dedent(
            """
            import torch


            def cotracker3_offline(*, pretrained=True, **kwargs):
                from cotracker.predictor import CoTrackerPredictor

                assert not pretrained, "the network is never touched"
                return CoTrackerPredictor(checkpoint=None, window_len=60, v2=False)
            """
        )
    )
    (folder / "cotracker" / "helpers.py").write_text(f"LEVEL = {LEVEL}\n")
    (folder / "cotracker" / "predictor.py").write_text(
        dedent(
            """
            import torch

            torch.manual_seed(0)  # as the real code does on import

            from cotracker.helpers import LEVEL


            class CoTrackerPredictor(torch.nn.Module):
                def __init__(self, checkpoint, window_len, v2):
                    super().__init__()
                    self.interp_shape = (24, 32)
                    self.model = torch.nn.Module()
                    self.model.shift = torch.nn.Parameter(torch.zeros(2))
                    self.model.full = torch.nn.Parameter(torch.zeros(2))
                    self.calls = []

                def forward(self, video, queries=None, backward_tracking=False):
                    _, t, _, h, w = video.shape
                    assert (h, w) == self.interp_shape
                    self.calls.append((t, queries.shape[1], backward_tracking))
                    number = video[0, :, 2].mean(dim=(1, 2)) / LEVEL
                    steps = number[:, None] - number[queries[0, :, 0].long()]
                    scale = torch.tensor([w - 1.0, h - 1.0]) / (self.model.full - 1.0)
                    tracks = queries[0, :, 1:] + steps[..., None] * self.model.shift * scale
                    if not backward_tracking:
                        early = torch.arange(t)[:, None] < queries[0, :, 0]
                        tracks[early] = -1000.0
                    # Red hides.
                    seen = (video[0, :, 0].mean(dim=(1, 2)) < 128)[:, None].expand(tracks.shape[:2])
                    return tracks[None], seen[None]
            """
        )
    )
    save_cotracker(folder / "scaled_offline.pth", shift)
    return folder


def save_cotracker(
    path: Path, shift: tuple[float, float], size: tuple[int, int] = (96, 72)
) -> None:
    """The checkpoint: shift per frame in pixels of a picture of `size` (width, height)."""
    state = {"shift": torch.tensor(shift), "full": torch.tensor([float(v) for v in size])}
    torch.save(state, path)


def write_alltracker(folder: Path, shift: tuple[float, float] = (2.0, 1.0)) -> Path:
    """A clone of alltracker with its checkpoint: the namespace packages `nets` and `utils`.

    Like the real network it calls `.cuda()` on its pictures, works on maps of an eighth, and is
    asked window by window.
    """
    (folder / "nets").mkdir(parents=True)
    (folder / "utils").mkdir()
    (folder / "utils" / "misc.py").write_text(f"LEVEL = {LEVEL}\n")
    (folder / "nets" / "alltracker.py").write_text(
        dedent(
            """
            import torch
            import torch.nn.functional as F
            import utils.misc


            class Net(torch.nn.Module):
                def __init__(self, seqlen, init_weights=True):
                    super().__init__()
                    assert not init_weights, "the network is never touched"
                    self.seqlen = seqlen
                    self.shift = torch.nn.Parameter(torch.zeros(2))
                    self.windows = []

                def get_fmaps(self, images_, B, T, sw, is_training):
                    images_ = images_.cuda()
                    assert images_.shape[-1] % 64 == 0 and images_.shape[-2] % 64 == 0
                    return F.avg_pool2d(images_, 8)

                def forward_window(self, fmap1_single, fmaps2, visconfs8, iters=None,
                                   flowfeat=None, flows8=None, sw=None, is_training=False):
                    B, S, C, H, W = fmaps2.shape
                    self.windows.append(S)
                    assert fmap1_single.shape == (B, C, H, W)
                    def number(x):
                        return (x * 0.225 + 0.406) * 255.0 / utils.misc.LEVEL
                    steps = number(fmaps2[0, :, 2]) - number(fmap1_single[:, 2])
                    flow = steps.mean(dim=(1, 2))[:, None] * self.shift
                    # What came in was carried over from the window before.
                    flows8 = flow[:, :, None, None].expand(S, 2, H, W) / 8 + 0 * flows8
                    red = (fmaps2[0, :, :1] * 0.229 + 0.485) > 0.5
                    sure = torch.where(red, -9.0, 9.0).expand(S, 2, H, W)
                    up = torch.ones(1, 1, 8, 8)
                    big = torch.kron(flows8 * 8, up)
                    return [big * 0, big], [big * 0, torch.kron(sure, up)], flows8, sure, None
            """
        )
    )
    torch.save({"model": {"shift": torch.tensor(shift)}}, folder / "alltracker.pth")
    return folder


def numbered(size: tuple[int, int], hidden: tuple[int, ...] = ()) -> Callable[[int], U8]:
    """Pictures (width, height) that carry their number; `hidden` ones are red."""

    def frame_at(index: int) -> U8:
        rgb = np.zeros((size[1], size[0], 3), np.uint8)
        rgb[..., 2] = LEVEL * index
        if index in hidden:
            rgb[..., 0] = 255
        return rgb

    return frame_at


def request_of(
    frame_at: Callable[[int], U8],
    frames: list[int],
    keyframe: int,
    points: list[tuple[float, float]],
    size: tuple[int, int],
) -> TrackingRequest:
    """One candidate whose mask is the box around its points."""
    xy = np.array(points, np.float32).reshape(-1, 2)
    masks = np.zeros((1, size[1], size[0]), np.bool_)
    if len(xy):
        (x0, y0), (x1, y1) = xy.min(axis=0).astype(int), xy.max(axis=0).astype(int)
        masks[0, y0 : y1 + 1, x0 : x1 + 1] = True
    numbers = np.array(frames, np.int32)
    return TrackingRequest(
        frame_at=frame_at,
        frames=numbers,
        steps=np.union1d(numbers, [keyframe]).astype(np.int32),
        keyframe=keyframe,
        points=xy,
        candidate=np.zeros(len(xy), np.int32),
        masks=masks,
        interaction=np.zeros(len(numbers), np.bool_),
    )


def square_results(scene: Scene, keyframe: int, target: bool = False) -> dict[str, Any]:
    """Results before the tracks: the red square of a rendered scene, and perhaps the plate."""
    box = scene.object_box(keyframe)
    x0, y0, x1, y1 = (round(v) for v in box)
    mask = np.zeros((1, HEIGHT, WIDTH), np.bool_)
    mask[0, y0:y1, x0:x1] = True
    square = Proposal(0, box, keyframe, 0.9, "red block", "region")
    plate = Proposal(0, (200.0, 130.0, 270.0, 204.0), keyframe, 0.9, "plate", "region")
    return {
        "subtasks": scene.subtasks(),
        "proposals": ProposalsResult(KEY, keyframe, (square,), (plate,) if target else (), "none"),
        "masks": MasksResult(
            keyframe, HEIGHT, WIDTH, pack_masks(mask), np.zeros((1, 3), np.float32), "none"
        ),
    }
