"""What each action of the table does: `do_<id>` for every id, checked at start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PySide6.QtWidgets import QFileDialog, QWidget

from app.actions import ACTIONS, ActionTable
from app.comparison import Comparison
from app.dataset_actions import DatasetActions
from app.export_actions import ExportActions
from app.help_actions import HelpActions
from app.intents import Intents
from app.model_control import ModelControl
from app.opening import Opening
from app.panels import Panels
from app.picture_actions import PictureActions
from app.playback import LoopRange
from app.read_only import ReadOnly
from app.robot_marks import RobotMarks
from app.session_control import SessionControl
from app.settings import sample_dataset
from pipeline.annotate import annotation_of
from pipeline.model.edits import EPISODE_SCOPE
from pipeline.model.episodes import present_indices
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from app.channel_dialog import ChannelDialog
    from app.dataset_dialog import DatasetDialog


class Shell(Protocol):
    """What the actions need of the window itself."""

    @property
    def theme(self) -> str:
        """`dark` or `light`, whichever is on show."""

    def set_theme(self, name: str) -> None:
        """Show other colours."""

    def remember(self, key: str, value: object) -> None:
        """Keep a setting."""

    def arrange(self) -> None:
        """Put all docks where they belong."""

    @property
    def opening(self) -> Opening:
        """Asks what to open."""

    def window(self) -> QWidget:
        """Parent of dialogs."""

    def close(self) -> bool:
        """Leave."""

    def showFullScreen(self) -> None:  # noqa: N802 - Qt's name
        """Fill the screen."""

    def showNormal(self) -> None:  # noqa: N802 - Qt's name
        """Leave full screen."""


class ActionHandlers:
    """Runs actions by their id."""

    def __init__(
        self,
        control: SessionControl,
        panels: Panels,
        intents: Intents,
        table: ActionTable,
        shell: Shell,
        others: tuple[object, ...] = (),
    ) -> None:
        """Find the handler of every action.

        Args:
            control: Does what is asked.
            panels: Widgets of the window.
            intents: What is drawn, chosen and judged.
            table: The actions.
            shell: The window.
            others: Objects made elsewhere that have handlers, too.
        """
        self._control = control
        self._panels = panels
        self._intents = intents
        self._table = table
        self._shell = shell
        self._parent = shell.window()
        self._channels: ChannelDialog | None = None
        self._about: DatasetDialog | None = None
        self._pictures = PictureActions(control, panels, table, self._parent)
        panels.timeline.set_key_hints({s.id: s.keys[0] for s in ACTIONS if s.keys})
        self._comparison = Comparison(control, panels, table, self._parent)
        self.models = ModelControl(control, panels, self._parent)
        robot = RobotMarks(control, panels, self._parent)
        self.dataset = DatasetActions(control, self._parent)
        self.exports = ExportActions(control, self._parent)
        self._read_only = ReadOnly(panels, control, self._parent)
        own = (self, self._pictures, self._comparison, self.models, self.dataset, self.exports)
        self._groups = (*own, robot, HelpActions(control, self._parent), *others)
        ranks = [f"candidate_{n}" for n in range(1, 10)]
        missing = [s.id for s in ACTIONS if s.id not in ranks and self._find(s.id) is None]
        if missing:
            raise NotImplementedError(f"actions without a handler: {', '.join(missing)}")

    def run(self, name: str) -> None:
        """Do what the action `name` promises."""
        if name.startswith("candidate_"):
            self._select_rank(int(name.removeprefix("candidate_")))
            return
        handler = self._find(name)
        if handler is not None:
            handler()

    def _find(self, name: str) -> Callable[[], None] | None:
        """The method of one of the groups that does an action."""
        found = (getattr(group, f"do_{name}", None) for group in self._groups)
        return next((handler for handler in found if handler is not None), None)

    # -- File ------------------------------------------------------------------------------

    def do_open_folder(self) -> None:
        """Ask for a folder."""
        self._shell.opening.ask_folder()

    def do_open_file(self) -> None:
        """Ask for a file."""
        self._shell.opening.ask_file()

    def do_open_location(self) -> None:
        """Ask for a path or an id."""
        self._shell.opening.ask_location()

    def do_about_dataset(self) -> None:
        """Say what the dataset is and what of it is used."""
        if self._about is None:
            from app.dataset_dialog import DatasetDialog  # lazy: see do_channels

            self._about = DatasetDialog(self._control, self._parent)
        self._about.hide()  # Shown again it comes to the front, on every platform.
        self._about.show()
        self._about.activateWindow()

    def do_open_sample(self) -> None:
        """Open the sample dataset."""
        try:
            self._control.open_dataset(str(sample_dataset()))
        except DataError as error:
            self._control.failed.emit(str(error), "")

    def do_export_predictions(self) -> None:
        """Write the annotation lines of this episode."""
        session = self._control.document.session
        demonstration = session.demonstration
        if demonstration is None:
            return
        name = f"{Path(demonstration.ref.dataset).name}_episode_{demonstration.ref.episode}.jsonl"
        path, _ = QFileDialog.getSaveFileName(self._parent, "Export annotations", name)
        if not path:
            return
        common = {s: o for (s, i), o in session.results.items() if i == EPISODE_SCOPE}
        lines = []
        for subtask in range(session.subtask_count):
            own = {s: o for (s, i), o in session.results.items() if i == subtask}
            lines.append(annotation_of(demonstration, subtask, common | own).model_dump_json())
        self._write(path, "\n".join(lines) + "\n", f"{len(lines)} annotations")

    def _write(self, path: str, text: str, what: str) -> None:
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            self._control.failed.emit(f"{path} could not be written: {error.strerror}", "")
            return
        self._control.said.emit(f"{what} written to {path}")

    def do_quit(self) -> None:
        """Close the window."""
        self._shell.close()

    # -- Edit ------------------------------------------------------------------------------

    def do_redo(self) -> None:
        """Put the last undone correction in force again."""
        self._control.undo(back=False)

    def do_draw_box(self) -> None:
        """Draw the object's box."""
        self._intents.draw("object")

    def do_draw_target(self) -> None:
        """Draw the target's box."""
        self._intents.draw("target")

    def do_paint(self) -> None:
        """Paint the selected candidate's mask."""
        self._intents.brush("paint")

    def do_erase(self) -> None:
        """Erase from the selected candidate's mask."""
        self._intents.brush("erase")

    def do_split_phase(self) -> None:
        """Split the phase at the cursor."""
        self._say(self._panels.timeline.split_phase())

    def do_merge_next(self) -> None:
        """Merge the phase at the cursor with the next one."""
        self._say(self._panels.timeline.merge_phase(forward=True))

    def do_merge_previous(self) -> None:
        """Merge the phase at the cursor with the one before."""
        self._say(self._panels.timeline.merge_phase(forward=False))

    def do_name_phase(self) -> None:
        """Choose the name of the phase at the cursor."""
        self._say(self._panels.timeline.open_name_menu())

    def do_boundary_here(self) -> None:
        """Move the nearest phase boundary to the cursor."""
        self._say(self._panels.timeline.move_nearest_boundary())

    def _say(self, refused: str) -> None:
        if refused:
            self._control.said.emit(refused)

    def do_channels(self) -> None:
        """Show the channel mapping."""
        if self._channels is not None:
            self._channels.destroyed.disconnect(self._forget_channels)
            self._channels.deleteLater()
        # lazy: most sessions never open it, and the window should be there soon
        from app.channel_dialog import ChannelDialog

        dialog = ChannelDialog(self._control, self._parent)
        dialog.mapping.mappingChosen.connect(self._intents.set_channels)
        dialog.destroyed.connect(self._forget_channels)
        dialog.show()
        self._channels = dialog

    def _forget_channels(self) -> None:
        self._channels = None

    # -- Go --------------------------------------------------------------------------------

    def do_play(self) -> None:
        """Play or pause."""
        self._control.player.toggle()

    def do_play_forwards(self) -> None:
        """Play forwards, or faster."""
        self._control.player.faster(1)

    def do_play_backwards(self) -> None:
        """Play backwards, or faster."""
        self._control.player.faster(-1)

    def do_stop(self) -> None:
        """Stand still."""
        self._control.player.stop()

    def do_loop_from(self) -> None:
        """Play round and round from the cursor on."""
        frame = self._control.document.session.frame
        self._control.player.set_loop(self._control.player.loop.from_frame(frame))

    def do_loop_to(self) -> None:
        """Play round and round up to the cursor."""
        frame = self._control.document.session.frame
        self._control.player.set_loop(self._control.player.loop.to_frame(frame))

    def do_loop_clear(self) -> None:
        """Play to the end."""
        self._control.player.set_loop(LoopRange())

    def do_every_frame(self) -> None:
        """Pass over no frame while playing, or keep real time."""
        on = self._table.actions["every_frame"].isChecked()
        self._control.playback.every_frame = on
        self._shell.remember("every_frame", on)

    def _step(self, frames: int) -> None:
        self._control.seek(self._control.document.session.frame + frames, "keys")

    def do_next_frame(self) -> None:
        """One frame on."""
        self._step(1)

    def do_previous_frame(self) -> None:
        """One frame back."""
        self._step(-1)

    def _second(self) -> int:
        demonstration = self._control.document.session.demonstration
        return max(1, round(demonstration.fps)) if demonstration else 1

    def do_second_on(self) -> None:
        """One second on."""
        self._step(self._second())

    def do_second_back(self) -> None:
        """One second back."""
        self._step(-self._second())

    def do_first_frame(self) -> None:
        """To the first frame."""
        self._control.seek(0, "keys")

    def do_last_frame(self) -> None:
        """To the last frame."""
        demonstration = self._control.document.session.demonstration
        if demonstration:
            self._control.seek(demonstration.length - 1, "keys")

    def _boundaries(self) -> list[int]:
        phases = self._control.document.session.result("phases")
        merged = phases.merged if phases is not None else ()
        return sorted({p.start for p in merged} | {p.end for p in merged})

    def do_next_boundary(self) -> None:
        """To the next phase boundary."""
        frame = self._control.document.session.frame
        self._control.seek(next((b for b in self._boundaries() if b > frame), frame), "keys")

    def do_previous_boundary(self) -> None:
        """To the previous phase boundary."""
        frame = self._control.document.session.frame
        back = [b for b in self._boundaries() if b < frame]
        self._control.seek(back[-1] if back else frame, "keys")

    def do_keyframe(self) -> None:
        """To the frame of the proposals."""
        proposals = self._control.document.session.result("proposals")
        if proposals is not None:
            self._control.seek(proposals.keyframe, "keys")

    def do_next_episode(self) -> None:
        """To the next episode in the table's order."""
        self._neighbour(1)

    def do_previous_episode(self) -> None:
        """To the previous episode in the table's order."""
        self._neighbour(-1)

    def _neighbour(self, step: int) -> None:
        episode = self._panels.episodes.neighbour(step)
        if episode is None:
            self._control.said.emit("No further episode")
        else:
            self._control.open_episode(episode)

    def do_next_unreviewed(self) -> None:
        """To the next present episode without a verdict."""
        session = self._control.document.session
        store = self._control.commands.store
        if session.dataset is None:
            return
        reviewed = list(store.reviewed()) if store is not None else []
        here = session.demonstration.ref.episode if session.demonstration else -1
        left = np.setdiff1d(present_indices(session.dataset.episodes), [*reviewed, here])
        if len(left):
            # The next one, or from the beginning again.
            place = int(np.searchsorted(left, here)) % len(left)
            self._control.open_episode(int(left[place]))
        else:
            self._control.said.emit("Every present episode is reviewed")

    def do_find_episode(self) -> None:
        """Put the cursor into the filter of the episodes."""
        self._panels.episodes.focus_filter()

    def do_next_subtask(self) -> None:
        """To the next subtask, round and round."""
        session = self._control.document.session
        if session.subtask_count:
            nearest = (session.subtask + 1) % session.subtask_count
            self._control.document.set_subtask(nearest, "keys")

    # -- Candidate -------------------------------------------------------------------------

    def _select_rank(self, rank: int) -> None:
        scores = self._control.document.session.result("scores")
        ranking = scores.ranking if scores is not None else ()
        if rank <= len(ranking):
            self._control.document.select_candidate(ranking[rank - 1], "keys")

    def do_cycle_candidate(self) -> None:
        """To the candidate ranked next."""
        session = self._control.document.session
        scores = session.result("scores")
        if scores is None or not scores.ranking:
            return
        ranking = scores.ranking
        at = ranking.index(session.candidate) if session.candidate in ranking else -1
        self._control.document.select_candidate(ranking[(at + 1) % len(ranking)], "keys")

    def do_choose(self) -> None:
        """Make the selected candidate the winner."""
        self._intents.choose(self._control.document.session.candidate)

    # -- Run -------------------------------------------------------------------------------

    def do_run(self) -> None:
        """Compute what is stale."""
        self._control.run()

    def do_run_all(self) -> None:
        """Compute everything again."""
        self._control.run(fresh=tuple(s.name for s in self._control.document.graph.stages))

    def do_cancel(self) -> None:
        """Stop the job in progress."""
        self._control.cancel()

    def do_auto_run(self) -> None:
        """Switch running on opening."""
        on = self._table.actions["auto_run"].isChecked()
        self._control.auto_run = on
        self._shell.remember("auto_run", on)

    # -- View ------------------------------------------------------------------------------

    def do_all_cameras(self) -> None:
        """Show every camera, or only the chosen one."""
        panel = self._panels.frame
        panel.choose_all_cameras(self._table.actions["all_cameras"].isChecked())

    def do_next_camera(self) -> None:
        """Choose the next camera, round and round."""
        session = self._control.document.session
        keys = [c.key for c in session.demonstration.cameras] if session.demonstration else []
        if session.camera in keys:
            following = keys[(keys.index(session.camera) + 1) % len(keys)]
            self._control.document.set_camera(following, "keys")

    def do_fit(self) -> None:
        """Fit the picture."""
        self._panels.frame.viewer.fit()

    def do_one_to_one(self) -> None:
        """One picture pixel per screen pixel."""
        self._panels.frame.viewer.one_to_one()

    def do_zoom_in(self) -> None:
        """Zoom in."""
        self._panels.frame.viewer.zoom_by(1.25)

    def do_zoom_out(self) -> None:
        """Zoom out."""
        self._panels.frame.viewer.zoom_by(0.8)

    def do_theme(self) -> None:
        """Switch between light and dark."""
        self._shell.set_theme("light" if self._shell.theme == "dark" else "dark")

    def do_reset_layout(self) -> None:
        """Put all docks where they belong, and the views of the 3D viewer."""
        self._shell.arrange()
        self.run("rerun_layout")

    def do_full_screen(self) -> None:
        """Fill the screen."""
        if self._table.actions["full_screen"].isChecked():
            self._shell.showFullScreen()
        else:
            self._shell.showNormal()
