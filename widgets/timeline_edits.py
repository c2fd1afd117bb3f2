"""Correcting phases on the timeline: split, merge, name and move, by keys and by a menu."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QMenu, QWidget

from pipeline.model.phases import Phase, PhaseName, natural_split
from widgets.timeline_gestures import BoundaryGrab
from widgets.timeline_phase_lanes import PhaseLane
from widgets.timeline_view import TimelineView

_NO_PHASE = "There is no phase at frame {frame}; run the phases stage or move the cursor"


class EditableTimeline(TimelineView):
    """A timeline whose phases can be corrected.

    Every method takes what lies at the cursor unless told otherwise, and returns why it did
    nothing, one sentence, or an empty text. With several arms the phase at the cursor is that of
    the open subtask's arm, else of the active arm, else of any.

    Signals:
        boundaryMoved: Arm, index as in `MoveBoundary`, and new frame, once per drag.
        phaseSplit: Arm, frame, and the names of the phase, of its first and of its second part.
        phasesMerged: Arm, frame of the boundary, names before and after it, name of the result.
        phaseNamed: Arm, a frame of the phase, its name and its new name.
    """

    boundaryMoved = Signal(str, int, int)
    phaseSplit = Signal(str, int, str, str, str)
    phasesMerged = Signal(str, int, str, str, str)
    phaseNamed = Signal(str, int, str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys: Mapping[str, str] = {}

    def set_key_hints(self, keys: Mapping[str, str]) -> None:
        """Say which keys do what the menu offers.

        Args:
            keys: `split_phase`, `merge_next`, `merge_previous`, `name_phase`, `boundary_here` ->
                key as text.
        """
        self._keys = dict(keys)

    # What is done ---------------------------------------------------------------------------

    def move_nearest_boundary(self, frame: int | None = None, lane: PhaseLane | None = None) -> str:
        """Move the phase boundary nearest to a frame to it: the drag without a mouse."""
        frame = self._frame if frame is None else frame
        lanes = self._phase_lanes() if lane is None else [lane]
        grabs = [BoundaryGrab(one, i, at) for one in lanes for i, at in one.boundaries]
        if not grabs:
            return _NO_PHASE.format(frame=frame)
        nearest = min(grabs, key=lambda g: abs(g.frame - frame))
        moved = nearest.at(frame, self._axis)
        if moved.frame == nearest.frame:
            return f"The nearest phase boundary is at frame {frame} already"
        self._boundary = moved
        self.update()
        self.boundaryMoved.emit(moved.lane.arm.arm, moved.index, moved.frame)
        return ""

    def split_phase(
        self,
        frame: int | None = None,
        lane: PhaseLane | None = None,
        after: PhaseName | None = None,
    ) -> str:
        """Cut the phase at a frame, which becomes the first of the second part.

        Args:
            frame: Where, None for the cursor.
            lane: Of which arm, None: see the class.
            after: Name of the second part, None for what mostly follows such a phase.
        """
        frame = self._frame if frame is None else frame
        lane, phase = self._at(frame, lane)
        if lane is None or phase is None:
            return _NO_PHASE.format(frame=frame)
        if frame == phase.start:
            return f"A phase begins at frame {frame} already; move the cursor into a phase"
        first, second = natural_split(phase.name, coarse=lane.arm.coarse)
        if after is not None:
            first, second = phase.name, after
        self.phaseSplit.emit(lane.arm.arm, frame, phase.name.value, first.value, second.value)
        return ""

    def merge_phase(
        self, forward: bool, frame: int | None = None, lane: PhaseLane | None = None
    ) -> str:
        """Make the phase at a frame and its neighbour one, which keeps its name.

        Args:
            forward: With the phase after it, else with the one before.
            frame: Where, None for the cursor.
            lane: Of which arm, None: see the class.
        """
        frame = self._frame if frame is None else frame
        lane, phase = self._at(frame, lane)
        if lane is None or phase is None:
            return _NO_PHASE.format(frame=frame)
        phases = lane.arm.phases
        i = phases.index(phase) + (0 if forward else -1)
        if not 0 <= i < len(phases) - 1:
            return f"There is no phase {'after' if forward else 'before'} the one at frame {frame}"
        first, second = phases[i], phases[i + 1]
        self.phasesMerged.emit(
            lane.arm.arm, second.start, first.name.value, second.name.value, phase.name.value
        )
        return ""

    def name_phase(
        self, name: PhaseName, frame: int | None = None, lane: PhaseLane | None = None
    ) -> str:
        """Give the phase at a frame another name."""
        frame = self._frame if frame is None else frame
        lane, phase = self._at(frame, lane)
        if lane is None or phase is None:
            return _NO_PHASE.format(frame=frame)
        if phase.name is name:
            return f"The phase at frame {frame} is {name.words} already"
        self.phaseNamed.emit(lane.arm.arm, frame, phase.name.value, name.value)
        return ""

    # The menu -------------------------------------------------------------------------------

    def open_name_menu(self) -> str:
        """Let the user choose the name of the phase at the cursor."""
        lane, phase = self._at(self._frame, None)
        if lane is None or phase is None:
            return _NO_PHASE.format(frame=self._frame)
        menu = self._new_menu()
        self._add_names(menu, self._frame, lane, phase)
        self._open(menu, lane, self._frame)
        return ""

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """What can be done with the phase under the mouse, by the keyboard at the cursor."""
        lane: PhaseLane | None
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            frame = self._frame
            lane, phase = self._at(frame, None)
        else:
            point = QPointF(event.pos())
            under = (one for one in self._phase_lanes() if one.rect.contains(point))
            lane, frame = next(under, None), self._axis.frame_at(point.x())
            inside = self._axis.left <= point.x() <= self._axis.right
            phase = lane.phase(frame) if lane is not None and inside else None
        if lane is None or phase is None or self._grab is not None:
            event.ignore()
            return
        menu = self.phase_menu(lane, frame)
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            self._open(menu, lane, frame)
        else:
            menu.popup(event.globalPos())
        event.accept()

    def phase_menu(self, lane: PhaseLane, frame: int) -> QMenu:
        """Make the menu for the phase at a frame; it deletes itself when it closes."""
        menu, phase = self._new_menu(), lane.phase(frame)
        if phase is None:
            raise ValueError(f"no phase at frame {frame}")
        menu.addSection(f"{phase.name.words} {phase.start}–{phase.end}, {phase.arm}")
        first, second = natural_split(phase.name, coarse=lane.arm.coarse)
        at_start = "a phase begins here already" if frame == phase.start else ""
        self._add(
            menu,
            f"Split at frame {frame}: {first.words} | {second.words}",
            partial(self.split_phase, frame, lane),
            "split_phase",
            at_start,
        )
        others = menu.addMenu(f"Split at frame {frame}, then")
        others.setToolTipsVisible(True)
        for name in PhaseName:
            act = partial(self.split_phase, frame, lane, name)
            self._add(others, f"{phase.name.words} | {name.words}", act, "", at_start)
        phases = lane.arm.phases
        i = phases.index(phase)
        for forward, key, word in (
            (True, "merge_next", "after"),
            (False, "merge_previous", "before"),
        ):
            k = i + (1 if forward else -1)
            there = 0 <= k < len(phases)
            text = (
                f"Merge with the {phases[k].name.words} {word}"
                if there
                else (f"Merge with the phase {word}")
            )
            reason = "" if there else f"there is no phase {word} this one"
            self._add(menu, text, partial(self.merge_phase, forward, frame, lane), key, reason)
        self._add_names(menu.addMenu("Name"), frame, lane, phase)
        nearest = min((at for _, at in lane.boundaries), key=lambda at: abs(at - frame))
        self._add(
            menu,
            f"Move the boundary at {nearest} to frame {frame}",
            partial(self.move_nearest_boundary, frame, lane),
            "boundary_here",
            "the boundary is here already" if nearest == frame else "",
        )
        return menu

    def _add_names(self, menu: QMenu, frame: int, lane: PhaseLane, phase: Phase) -> None:
        for name in PhaseName:
            text = "grasp &failure" if name is PhaseName.GRASP_FAILURE else f"&{name.words}"
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(phase.name is name)
            action.triggered.connect(partial(self._do, partial(self.name_phase, name, frame, lane)))

    def _add(self, menu: QMenu, text: str, act: Callable[[], str], key: str, reason: str) -> None:
        hint = self._keys.get(key, "")
        action = menu.addAction(f"{text}\t{hint}" if hint else text)
        action.setEnabled(not reason)
        action.setToolTip(f"{text}: {reason}" if reason else text)
        action.triggered.connect(partial(self._do, act))

    def _do(self, act: Callable[[], str], *_: object) -> None:
        act()

    def _new_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def _open(self, menu: QMenu, lane: PhaseLane, frame: int) -> None:
        place = QPoint(round(self._axis.middle(frame)), round(lane.rect.bottom()))
        menu.popup(self.mapToGlobal(place))

    # What lies where ------------------------------------------------------------------------

    def _phase_lanes(self) -> list[PhaseLane]:
        return [lane for lane in self._lanes if isinstance(lane, PhaseLane)]

    def _at(self, frame: int, lane: PhaseLane | None) -> tuple[PhaseLane | None, Phase | None]:
        """The lane and its phase at a frame; of several arms the one meant, see the class."""
        task, result = self._content.open_subtask, self._content.phases
        wanted = [task.arm if task else "", result.active_arm if result else ""]
        lanes = [lane] if lane is not None else self._phase_lanes()
        found = [(one, phase) for one in lanes if (phase := one.phase(frame)) is not None]
        if not found:
            return None, None
        rank = {arm: i for i, arm in reversed(list(enumerate(wanted)))}
        return min(found, key=lambda pair: rank.get(pair[0].arm.arm, len(wanted)))
