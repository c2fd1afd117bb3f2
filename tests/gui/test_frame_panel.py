"""The frame panel: cameras, toggles and tools around the frame viewer."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSlider, QTabBar, QToolButton
from pytestqt.qtbot import QtBot

from viewers.frame_panel import FramePanel
from viewers.overlays import OverlayVisibility

# The offscreen platform has no window manager to tell about sizes, and says so.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)

CAMERAS = ("observation.images.top", "observation.images.wrist")


@pytest.fixture
def panel(qtbot: QtBot) -> FramePanel:
    widget = FramePanel()
    qtbot.addWidget(widget)
    widget.resize(1200, 600)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def button(panel: FramePanel, name: str) -> QToolButton:
    return next(b for b in panel.findChildren(QToolButton) if b.accessibleName() == name)


def test_tabs_are_shown_for_more_than_one_camera(qtbot: QtBot, panel: FramePanel) -> None:
    tabs = panel.findChild(QTabBar)
    assert tabs is not None
    with qtbot.assertNotEmitted(panel.cameraChanged):
        panel.set_cameras(CAMERAS[:1], CAMERAS[0])
    assert not tabs.isVisible()
    with qtbot.assertNotEmitted(panel.cameraChanged):
        panel.set_cameras(CAMERAS, CAMERAS[1])
    assert tabs.isVisible()
    assert [tabs.tabText(i) for i in range(3)] == ["All", "top", "wrist"]
    assert panel.camera == CAMERAS[1]
    assert panel.viewer.header.camera == "wrist"
    with qtbot.waitSignal(panel.cameraChanged) as changed:
        qtbot.mouseClick(tabs, Qt.MouseButton.LeftButton, pos=tabs.tabRect(1).center())
    assert changed.args == [CAMERAS[0]]
    assert panel.viewer.header.camera == "top"


def test_toggle_hides_and_tells(qtbot: QtBot, panel: FramePanel) -> None:
    with qtbot.waitSignal(panel.visibilityChanged) as changed:
        button(panel, "Masks").click()
    assert changed.args == [OverlayVisibility(masks=False)]
    assert not panel.viewer.visibility.masks
    with qtbot.assertNotEmitted(panel.visibilityChanged):
        panel.set_visibility(OverlayVisibility(tracks=False, opacity=0.25))
    assert button(panel, "Masks").isChecked()
    assert not button(panel, "Tracks").isChecked()
    slider = panel.findChild(QSlider)
    assert slider is not None
    assert slider.value() == 25
    slider.setValue(80)
    assert panel.viewer.visibility.opacity == pytest.approx(0.8)
    assert not panel.viewer.visibility.tracks


def test_draw_tool_follows_the_viewer(qtbot: QtBot, panel: FramePanel) -> None:
    draw = button(panel, "Draw box")
    with qtbot.waitSignal(panel.toolChanged) as changed:
        draw.click()
    assert changed.args == ["box"]
    assert panel.viewer.tool == "box"
    with qtbot.waitSignal(panel.toolChanged) as changed:
        panel.viewer.cancel()
    assert changed.args == ["select"]
    assert not draw.isChecked()
    panel.set_tool("box")
    panel.set_drawing_allowed("Choose a subtask first: a box belongs to one.")
    assert not draw.isEnabled()
    assert "subtask" in draw.toolTip()
    assert panel.viewer.tool == "select"


def test_no_button_takes_the_focus_and_all_explain_themselves(panel: FramePanel) -> None:
    panel.set_keys({"masks": "M", "draw": "B"})
    buttons = [b for b in panel.findChildren(QToolButton) if b.isCheckable()]
    assert len(buttons) == 13
    for each in buttons:
        assert each.focusPolicy() is Qt.FocusPolicy.NoFocus
        assert len(each.toolTip()) > 10
    assert button(panel, "Masks").toolTip().endswith("(M)")
    assert button(panel, "Draw box").toolTip().endswith("(B)")


def test_strip_fits_a_narrow_panel(panel: FramePanel) -> None:
    wide = button(panel, "Masks").width()
    panel.resize(420, 400)
    assert panel.width() == 420
    assert button(panel, "Masks").width() < wide
    assert button(panel, "Mark robot").geometry().right() < 420


def test_only_isolates_and_shows_what_is_isolated(qtbot: QtBot, panel: FramePanel) -> None:
    panel.set_visibility(OverlayVisibility(selected=False))
    with qtbot.waitSignal(panel.visibilityChanged) as changed:
        button(panel, "Only").click()
    # What is isolated must be seen.
    assert changed.args == [OverlayVisibility(others=False)]
    assert panel.viewer.visibility == OverlayVisibility(others=False)
    panel.set_visibility(OverlayVisibility())
    assert not button(panel, "Only").isChecked()


def test_one_tool_at_a_time(qtbot: QtBot, panel: FramePanel) -> None:
    tools: list[str] = []
    panel.toolChanged.connect(tools.append)
    button(panel, "Paint").click()
    button(panel, "Erase").click()
    assert panel.viewer.tool == "erase"
    assert not button(panel, "Paint").isChecked()
    button(panel, "Erase").click()
    assert tools == ["paint", "erase", "select"]
    assert panel.viewer.tool == "select"
    with qtbot.assertNotEmitted(panel.toolChanged):
        panel.set_tool("paint")
    assert button(panel, "Paint").isChecked()


def test_a_reason_and_then_the_keys_again(panel: FramePanel) -> None:
    panel.set_keys({"draw": "B", "paint": "P"})
    panel.set_drawing_allowed("run the pipeline first")
    assert button(panel, "Paint").toolTip() == "run the pipeline first"
    assert not button(panel, "Erase").isEnabled()
    panel.set_drawing_allowed("")
    assert button(panel, "Paint").toolTip().endswith("(P)")
    assert button(panel, "Draw box").toolTip().endswith("(B)")
