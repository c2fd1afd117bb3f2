"""The x axis of the timeline: frames of the episode to pixels and back, zoom and tick marks."""

from __future__ import annotations

from dataclasses import dataclass, replace

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_TICK_SPACING = 92.0
_MIN_FRAMES = 8.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the axis.

    Attributes:
        frame: Frame whose start it marks.
        frames: Label in frames.
        seconds: Label in seconds, with unit.
    """

    frame: int
    frames: str
    seconds: str


@dataclass(frozen=True, slots=True)
class FrameAxis:
    """Frame f covers [f, f + 1): boundaries lie on edges, samples and the cursor in the middle.

    Attributes:
        length: Frames of the episode.
        fps: Frames per second.
        left: Pixel of the left end.
        width: Pixels.
        first: Frame position at the left end.
        last: Frame position at the right end.
    """

    length: int = 0
    fps: float = 30.0
    left: float = 0.0
    width: float = 1.0
    first: float = 0.0
    last: float = 1.0

    @property
    def per_frame(self) -> float:
        """Pixels per frame."""
        return self.width / max(self.last - self.first, 1e-9)

    @property
    def right(self) -> float:
        """Pixel of the right end."""
        return self.left + self.width

    @property
    def zoomed_in(self) -> bool:
        """True unless the whole episode is shown."""
        return self.last - self.first < self.length - 1e-6

    def x(self, position: float) -> float:
        """Pixel of a frame position (an edge if it is a whole number)."""
        return self.left + (position - self.first) * self.per_frame

    def middle(self, frame: int) -> float:
        """Pixel of a frame's sample."""
        return self.x(frame + 0.5)

    def position(self, x: float) -> float:
        """Frame position under a pixel."""
        return self.first + (x - self.left) / self.per_frame

    def frame_at(self, x: float) -> int:
        """Frame under a pixel, kept inside the episode."""
        return min(max(int(self.position(x) // 1), 0), max(self.length - 1, 0))

    def edge_at(self, x: float) -> int:
        """Nearest edge between frames, 0..length."""
        return min(max(round(self.position(x)), 0), self.length)

    def whole(self) -> FrameAxis:
        """Show the whole episode."""
        return replace(self, first=0.0, last=float(max(self.length, 1)))

    def zoomed(self, factor: float, x: float) -> FrameAxis:
        """Show `factor` times as many frames; what is under pixel `x` stays there."""
        pivot = min(max(self.position(x), 0.0), float(self.length))
        shown = (self.last - self.first) * factor
        shown = min(max(shown, min(_MIN_FRAMES, self.length)), float(max(self.length, 1)))
        share = (pivot - self.first) / max(self.last - self.first, 1e-9)
        return self._from(pivot - share * shown, shown)

    def panned(self, frames: float) -> FrameAxis:
        """Move along, as far as the episode goes."""
        return self._from(self.first + frames, self.last - self.first)

    def revealing(self, frame: int) -> FrameAxis:
        """Return the axis itself if the frame is shown, else one that turned the page to it."""
        if self.first <= frame and frame + 1 <= self.last + 1e-6:
            return self
        shown = self.last - self.first
        lead = 0.1 if frame >= self.last - 1 else 0.9
        return self._from(frame + 0.5 - lead * shown, shown)

    def _from(self, first: float, shown: float) -> FrameAxis:
        first = min(max(first, 0.0), max(self.length - shown, 0.0))
        return replace(self, first=first, last=first + shown)

    def ticks(self) -> list[Tick]:
        """Marks at round seconds, or at round frames when zoomed in below a second."""
        if self.length <= 0:
            return []
        wanted = _TICK_SPACING / self.per_frame
        if wanted <= self.fps * 0.75:
            frames = next((s for s in _STEPS if s >= wanted), _STEPS[-1])
            marks = list(range(int(self.first) // frames * frames, int(self.last) + 1, frames))
        else:
            seconds = next((s for s in _STEPS if s * self.fps >= wanted), _STEPS[-1])
            start = int(self.first / self.fps) // seconds * seconds
            count = int((self.last / self.fps - start) / seconds) + 1
            marks = [round((start + i * seconds) * self.fps) for i in range(count)]
        return [
            Tick(f, str(f), format_seconds(f / self.fps))
            for f in marks
            if self.first <= f < self.last
        ]


def format_seconds(seconds: float) -> str:
    """Write a short time: `5 s`, `4.13 s`, `12:05`."""
    if seconds >= 600:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    text = f"{seconds:.2f}"
    return f"{text[:-3] if text.endswith('.00') else text} s"
