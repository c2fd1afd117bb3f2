"""RobotSeg (Mei et al. 2025, arXiv:2511.22950): a SAM 2 that knows robots, arms and grippers.

It is no package and its weights have no download link: the user clones the repository, puts
`robotseg.pt` into its folder `checkpoints` and names the folder (or the file) in `weights`. The
model sees the whole robot; the active arm is chosen here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.backends.backend import ModelBackend, Progress, part_of
from pipeline.backends.devices import Placement, loaded, memory_guard
from pipeline.backends.robot.arm_choice import choose_arm, small_masks
from pipeline.backends.robot.arm_parts import split_arms
from pipeline.backends.robot.protocol import RobotRegion, RobotRequest
from pipeline.backends.robot.region import region_of
from pipeline.backends.tracking.checkout import (
    Checkout,
    Repository,
    find_checkout,
    imports_from,
)
from pipeline.backends.weights import fingerprint
from pipeline.model.arrays import U8
from pipeline.model.problem import DataError, Problem

REPOSITORY = Repository("showlab", "RobotSeg", "robotseg/build_robotseg.py", "robotseg.pt")
CONFIG = "configs/robotseg-infer"
"""Name of the configuration in the package, as the repository's own demo uses it."""
JPEG_QUALITY = 100
"""The model reads a folder of JPEG files; at this quality they cost it nothing to speak of."""


class RobotSeg(ModelBackend):
    """Robot finder by RobotSeg; see the module's text."""

    name: ClassVar[str] = "robotseg"
    title: ClassVar[str] = "RobotSeg"
    licence: ClassVar[str] = "Apache-2.0 (code; weights as their authors say)"
    packages: ClassVar[tuple[str, ...]] = ("torch", "hydra", "iopath")
    extra: ClassVar[str] = "install what the RobotSeg repository asks for"

    def available(self) -> str | None:
        """Return None if packages, clone and checkpoint are here, else one sentence."""
        found = self._checkout()
        if found.code is None:
            return (
                f"the code is not here; clone {REPOSITORY.address} and set the option “weights” "
                "to its folder."
            )
        if found.checkpoint is None:
            return (
                f"{REPOSITORY.checkpoint} is not in the folder “checkpoints” of {found.code.name}; "
                "its authors offer it for download by hand (see their README)."
            )
        from pipeline.backends.backend import is_installed

        for module in self.packages:
            if not is_installed(module):
                return f"the package {module} is not installed; {self.extra}."
        return None

    def identity(self) -> str:
        """Name and content of the checkpoint."""
        file = self._checkout().checkpoint
        return f"{self.name}:{fingerprint(file) if file is not None else 'none'}"

    def weights_path(self) -> Path:
        """File of the checkpoint. Raises DataError `no_weights`."""
        file = self._checkout().checkpoint
        if file is None:
            raise DataError("no_weights", self.available() or "its checkpoint is missing.")
        return file

    def load(self) -> None:
        """Load the predictor as for use."""
        loaded(self, "robotseg", self._build)

    def find(self, request: RobotRequest, progress: Progress) -> RobotRegion:
        """Return masks and gripper points per frame.

        A click chooses the arm; a painted mask replaces its own frame only.

        Raises:
            DataError: `no_weights`, `bad_weights` or `out_of_memory`.
            Cancelled: By `progress`.
        """
        if not len(request.tracked):
            return region_of(np.zeros((0, 0), np.uint8), None, 1, 1, progress)
        height, width = request.frame_at(int(request.tracked[0])).shape[:2]
        progress(0.0, "loading RobotSeg")
        predictor, placement = loaded(self, "robotseg", self._build)
        what = f"segmenting the robot in {len(request.tracked)} frames"
        with memory_guard(what, "track_fps"), tempfile.TemporaryDirectory() as folder:
            _write_frames(request, Path(folder), part_of(progress, 0.0, 0.1))
            whole = _follow(
                predictor, placement, folder, "robot", request, part_of(progress, 0.1, 0.5)
            )
            hands = _follow(
                predictor, placement, folder, "gripper", request, part_of(progress, 0.5, 0.85)
            )
        return _active(request, whole, hands, (height, width), part_of(progress, 0.85, 1.0))

    def _checkout(self) -> Checkout:
        return find_checkout(REPOSITORY, self.settings.weights)

    def _build(self, placement: Placement) -> tuple[Any, Placement]:
        import torch

        found = self._checkout()
        if found.code is None or found.checkpoint is None:
            raise DataError("no_weights", self.available() or "its clone is missing.")
        # The clone's own loader may run what is pickled; a file of tensors only gets past this.
        torch.load(found.checkpoint, map_location="cpu", weights_only=True)
        with imports_from(found.code, ("robotseg",)), _own_hydra():
            from importlib import import_module

            build = import_module("robotseg.build_robotseg").build_robotseg_video_predictor
            predictor = build(CONFIG, str(found.checkpoint), device=str(placement.device))
        if hasattr(predictor, "fill_hole_area"):
            # Filling holes needs the clone's compiled extension: the same result with and without.
            predictor.fill_hole_area = 0
        return predictor, placement


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Let the clone set Hydra up for itself; SAM 2's package finds its own set-up afterwards."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.singleton import Singleton
    from hydra.initialize import initialize_config_module

    before = Singleton.get_state()
    GlobalHydra.instance().clear()
    try:
        initialize_config_module("robotseg", version_base="1.2")
        yield
    finally:
        Singleton.set_state(before)


def _write_frames(request: RobotRequest, folder: Path, progress: Progress) -> None:
    import cv2

    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    for number, frame in enumerate(request.tracked):
        progress(number / len(request.tracked), "frames for RobotSeg")
        image = cv2.cvtColor(request.frame_at(int(frame)), cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(folder / f"{number:05d}.jpg"), image, settings):
            raise DataError("no_space", "frames for RobotSeg cannot be written (disk full?).")


def _follow(
    predictor: Any,
    placement: Placement,
    folder: str,
    part: str,
    request: RobotRequest,
    progress: Progress,
) -> U8:
    """Masks (F, ceil(H*W/8)) of `robot`, `arm` or `gripper` in all frames."""
    import torch

    height, width = request.frame_at(int(request.tracked[0])).shape[:2]
    packed = np.zeros((len(request.tracked), -(-height * width // 8)), np.uint8)
    half = placement.device.type == "cuda" and placement.dtype != torch.float32
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=half):
        state = predictor.init_state(
            video_path=folder,
            async_loading_frames=False,
            offload_video_to_cpu=True,
            offload_state_to_cpu=False,
        )
        predictor.add_new_robot(inference_state=state, frame_idx=0, obj_id=0, robot=part)
        for done, (row, _, logits) in enumerate(
            predictor.propagate_in_video(inference_state=state, robot=part)
        ):
            progress(done / len(packed), f"{part} by RobotSeg, frame {done + 1} of {len(packed)}")
            mask = (logits[0].squeeze() > 0).cpu().numpy()
            packed[row] = np.packbits(mask.reshape(-1))
        if hasattr(predictor, "reset_state"):
            predictor.reset_state(state)
    return packed


def _active(
    request: RobotRequest, whole: U8, hands: U8, size: tuple[int, int], progress: Progress
) -> RobotRegion:
    """Restrict masks (F, ceil(H*W/8)) of all arms to the active one and its gripper."""
    height, width = size
    problems: tuple[Problem, ...] = ()
    if request.has_rival:
        arms = split_arms(whole | hands, height, width, part_of(progress, 0.0, 0.5))
        if arms.shape[1] > 1:
            small = small_masks(arms, height, width, part_of(progress, 0.5, 0.7))
            index = _clicked(request, arms, height, width)
            if index < 0:
                chosen = choose_arm(small, request, np.zeros(arms.shape[1]))
                index, problems = chosen.index, chosen.problems
            whole = arms[:, max(index, 0)]
            hands = hands & whole
    else:
        whole = whole | hands
    return region_of(whole, hands, height, width, part_of(progress, 0.7, 1.0), problems)


def _clicked(request: RobotRequest, arms: U8, height: int, width: int) -> int:
    """The arm (of (F, K, ceil(H*W/8)) masks) that most clicks say, -1 if none does."""
    from pipeline.model.arrays import unpack_masks

    votes = np.zeros(arms.shape[1], np.int64)
    for click in request.clicks:
        row = int(np.abs(request.tracked - click.frame).argmin())
        x, y = int(click.x), int(click.y)
        if 0 <= x < width and 0 <= y < height:
            hit = unpack_masks(arms[row], height, width)[:, y, x]
            votes += np.where(hit, 1 if click.inside else -1, 0)
    return int(votes.argmax()) if votes.any() and votes.max() > votes.min() else -1
