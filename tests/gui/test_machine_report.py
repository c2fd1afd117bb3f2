"""Help > What works on this machine."""

from __future__ import annotations

import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

import app.doctor
from app.doctor import Check
from app.main_window import MainWindow
from widgets.machine_report import MachineLine, MachineReport

LINES = (
    MachineLine("qt", True, True, "PySide6 6.11"),
    MachineLine("3D viewer", False, False, "There is no display: install xvfb."),
    MachineLine("video", False, True, "no decoder"),
)


def test_the_window_does_not_wait_for_the_examination(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()

    def examine() -> list[Check]:
        free.wait(10)
        return [Check("3D viewer", False, "There is no display.", optional=True)]

    monkeypatch.setattr(app.doctor, "examine", examine)
    for _ in range(2):  # asked twice, shown once
        window.handlers.run("doctor")
    (report,) = window.findChildren(MachineReport)
    assert report.isVisible()
    assert "Examining" in report.text
    free.set()
    qtbot.waitUntil(lambda: report.text == "○ 3D viewer: There is no display.")
    report.close()


def test_marks_differ_by_shape_and_the_lines_can_be_copied(qtbot: QtBot) -> None:
    report = MachineReport()
    qtbot.addWidget(report)
    (copy,) = [b for b in report.findChildren(QPushButton) if b.text() == "Copy"]
    assert not copy.isEnabled()
    assert "nothing to copy" in copy.toolTip()
    report.set_lines(LINES)
    report.show()
    marks = [label for label in report.findChildren(QLabel) if label.accessibleName()]
    assert [mark.text() for mark in marks] == ["✓", "○", "✗"]
    assert len({mark.styleSheet() for mark in marks}) == 3
    assert "is missing; not needed" in marks[1].toolTip()
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text().splitlines()[1] == (
        "○ 3D viewer: There is no display: install xvfb."
    )
    report.set_waiting()
    assert not copy.isEnabled()
