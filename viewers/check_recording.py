"""A recording of a few kilobytes whose picture says at which frame a viewer stands."""

from __future__ import annotations

APPLICATION = "demoscope-check"
ENTITY = "check/picture"
LENGTH = 10
"""Frames."""
EARLY = (20, 90, 40)
"""Colour of the picture during the first half; any two that no viewer's own surface has."""
LATE = (225, 0, 160)
"""Colour during the second half."""
_WIDTH, _HEIGHT = 64, 48


def check_recording() -> bytes:
    """An .rrd with one 2D view, a picture of `EARLY` and from the middle on of `LATE`."""
    import numpy as np
    import rerun as rr
    import rerun.blueprint as rrb

    from viewers.native_client import TIMELINE
    from viewers.rerun_streams import memory_stream

    blueprint = rrb.Blueprint(
        rrb.Spatial2DView(origin=ENTITY, name="Check"),
        rrb.TimePanel(timeline=TIMELINE),
        auto_views=False,
    )
    with memory_stream(APPLICATION) as memory:
        memory.send_blueprint(blueprint)
        for frame in range(LENGTH):
            memory.stream.set_time(TIMELINE, sequence=frame)
            color = EARLY if frame < LENGTH // 2 else LATE
            memory.stream.log(ENTITY, rr.Image(np.full((_HEIGHT, _WIDTH, 3), color, np.uint8)))
        return memory.take()
