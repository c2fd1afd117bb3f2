"""What point trackers from a clone have in common: rows of the clip, and the empty cases."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.tracking.checkout import ClonedBackend
from pipeline.backends.tracking.clip import carried_boxes, with_keyframe
from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest, no_boxes
from pipeline.model.arrays import F32, I32, Bool


class ClonedTracker(ClonedBackend):
    """A point tracker whose code is a clone; see `ClonedBackend` for `weights`."""

    def track(self, request: TrackingRequest, progress: Progress) -> PointTracks:
        """Follow the points from the keyframe to both ends of the clip.

        Raises DataError `bad_weights`, `out_of_memory`, `no_device`, or Cancelled.
        """
        rows = with_keyframe(request)
        reported = np.isin(rows, request.frames)
        n = len(request.points)
        points = np.full((len(rows), n, 2), np.nan, np.float32)
        visible = np.zeros((len(rows), n), np.bool_)
        if n == 0 or len(request.frames) == 0:
            boxes = no_boxes(int(reported.sum()), len(request.masks))
            return PointTracks(points[reported], visible[reported], boxes)
        progress(0.0, f"loading {self.title}")
        keyframe = int(np.searchsorted(rows, request.keyframe))
        points[keyframe], visible[keyframe] = request.points, True
        self._follow(request, rows, keyframe, points, visible, progress)
        return PointTracks(
            points[reported],
            visible[reported],
            carried_boxes(request, points[reported], visible[reported]),
        )

    @abstractmethod
    def _follow(
        self,
        request: TrackingRequest,
        rows: I32,
        keyframe: int,
        points: F32,
        visible: Bool,
        progress: Progress,
    ) -> None:
        """Fill what is known.

        Args:
            request: What is asked.
            rows: (R,) int32, frames of the clip with the keyframe.
            keyframe: Its row; filled already.
            points: (R, N, 2) float32 pixels, NaN where unknown; filled in place.
            visible: (R, N) bool; filled in place.
            progress: Told how far it is.
        """
