"""What the Help menu does: all keys and gestures, and what works on this machine."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from app.actions import ACTIONS, CAPTION_GESTURES, GESTURES, TIMELINE_GESTURES
from app.curation_keys import CURATION_KEYS
from app.session_control import SessionControl
from widgets.shortcut_help import ShortcutHelp, ShortcutLine


class HelpActions:
    """Handlers of the Help menu."""

    def __init__(self, control: SessionControl, parent: QWidget) -> None:
        self._control = control
        self._parent = parent

    def do_shortcuts(self) -> None:
        """List all shortcuts."""
        dialog = ShortcutHelp(self._parent)
        lines = [ShortcutLine(s.menu, s.text, ", ".join(s.keys)) for s in ACTIONS if s.keys]
        lines += [ShortcutLine("Picture", *line) for line in GESTURES]
        lines += [ShortcutLine("Timeline", *line) for line in TIMELINE_GESTURES]
        lines += [ShortcutLine("Caption", *line) for line in CAPTION_GESTURES]
        lines += [ShortcutLine("Curation window", *line) for line in CURATION_KEYS]
        dialog.set_lines(tuple(lines))
        dialog.setModal(False)
        dialog.show()

    def do_doctor(self) -> None:
        """Say what works here; the 3D viewer is tried out beside the window."""
        from app.doctor import examine
        from widgets.machine_report import MachineLine, MachineReport

        shown = self._parent.findChildren(MachineReport)
        report = shown[0] if shown else MachineReport(self._parent)
        report.set_waiting()
        report.show()
        report.activateWindow()

        def show(checks: object, error: Exception | None) -> None:
            if isinstance(checks, list):
                lines = [MachineLine(c.name, c.ok, not c.optional, c.text) for c in checks]
            else:
                lines = [MachineLine("examination", False, True, f"It failed: {error}")]
            report.set_lines(tuple(lines))

        self._control.background.run("doctor", examine, show)
