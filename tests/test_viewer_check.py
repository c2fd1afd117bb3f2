"""What `demoscope doctor` says about the 3D viewers, and the real thing under Xvfb."""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import shutil
import subprocess
import sys
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage

import viewers.rerun_assets
from app import viewer_check, viewer_round_trip
from app.viewer_check import (
    NO_DISPLAY,
    NO_PROGRAM,
    NO_RERUN,
    NO_WEBENGINE,
    ViewerCheck,
    check_native_viewer,
    check_viewer,
    readable_renderer,
)
from viewers import native_program
from viewers.rerun_assets import ViewerUnavailableError

ROOT = Path(__file__).resolve().parents[1]
Result = ViewerCheck | tuple[int, str]
"""What the process sends, or its exit code and output."""
GOOD = ViewerCheck(
    frame_ms=38.7,
    picture=True,
    selection=True,
    renderer="SwiftShader",
    software=True,
    addresses=("127.0.0.1",),
)
FRAMED = (
    "qt.qpa.plugin: From 6.5.0, xcb-cursor0 or libxcb-cursor0 is needed to load the Qt xcb "
    "platform plugin.\nThis application failed to start because no Qt platform plugin could be "
    "initialized.\n"
)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    """The result of the process that examines, or its exit code and output; on a display."""
    results: list[Result] = [GOOD]

    def stub(timeout: float, environment: dict[str, str | None]) -> ViewerCheck:
        result = results[0]
        if isinstance(result, tuple):
            result = ViewerCheck(problem=viewer_check.why_ended(*result))
        return replace(result, problem=viewer_check.with_package(result.problem))

    monkeypatch.setattr(viewer_check, "_in_process", stub)
    monkeypatch.setenv("DISPLAY", ":5")
    return results


def said(process: list[Result], result: Result) -> str:
    process[0] = result
    found = check_viewer()
    assert not found.ok
    assert found.text == found.problem
    assert "\n" not in found.text
    return found.text


def test_what_works_is_one_line(process: list[Result]) -> None:
    found = check_viewer()
    assert found.ok
    assert found.text == (
        "time set and read back in 39 ms, selection, picture; drawn in software (SwiftShader); "
        "listens on 127.0.0.1 only"
    )
    json.dumps(found.as_dict())


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (
            (1, "qt.qpa.xcb: could not connect to display :5\n no Qt platform plugin could be"),
            "The display :5 cannot be opened: it is not there, or not this user's.",
        ),
        (
            ViewerCheck(
                problem="Qt could not be loaded: libnss3.so: cannot open shared object file: "
                "No such file or directory"
            ),
            "The 3D viewer needs the system library libnss3.so; on Debian and Ubuntu: "
            "apt install libnss3.",
        ),
        (
            (127, "QtWebEngineProcess: libEGL.so.1: cannot open shared object file: No such"),
            "The 3D viewer needs the system library libEGL.so.1; on Debian and Ubuntu: "
            "apt install libegl1.",
        ),
        (
            (-6, FRAMED),
            "The 3D viewer needs the system library libxcb-cursor.so.0; on Debian and Ubuntu: "
            "apt install libxcb-cursor0.",
        ),
        (
            (1, "libodd.so.3: cannot open shared object file"),
            "The 3D viewer needs the system library libodd.so.3, which is missing.",
        ),
        (
            (-11, ""),
            "The 3D viewer's process was ended by SIGSEGV; a newer graphics driver may help.",
        ),
        ((3, "\nno such thing.\n"), "The examination ended with code 3: no such thing."),
        (
            replace(GOOD, selection=False),
            "The 3D viewer does not show what is selected.",
        ),
        (
            replace(GOOD, addresses=("127.0.0.1", "192.168.1.4")),
            "The 3D viewer listens on 192.168.1.4: other machines reach it.",
        ),
        (
            ViewerCheck(problem="The 3D viewer did not show a recording within 45 s."),
            "The 3D viewer did not show a recording within 45 s.",
        ),
    ],
)
def test_every_failure_is_one_sentence(
    process: list[Result],
    result: Result,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(viewer_check, "missing_libraries", list)
    assert said(process, result) == sentence


def test_a_plugin_without_its_library_names_the_first_that_is_missing(
    process: list[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_check, "missing_libraries", lambda: ["libxcb-icccm.so.4"])
    assert "apt install libxcb-icccm4." in said(process, (-6, FRAMED))


def test_what_is_not_installed_is_said_before_anything_starts(
    process: list[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = "importlib.util.find_spec"
    with monkeypatch.context() as patch:
        patch.setattr(found, lambda name: None)
        assert said(process, GOOD) == NO_PROGRAM
        patch.setattr(viewers.rerun_assets, "rerun_executable", lambda: Path("rerun"))
        assert said(process, GOOD) == NO_WEBENGINE

    def none() -> str:
        raise ViewerUnavailableError("")

    monkeypatch.setattr(viewers.rerun_assets, "sdk_version", lambda: "0.40.2")
    assert said(process, GOOD) == (
        "rerun-sdk 0.40.2 is installed, the embedded viewer needs 0.41: "
        'pip install "rerun-sdk==0.41.*".'
    )
    monkeypatch.setattr(viewers.rerun_assets, "sdk_version", none)
    assert said(process, GOOD) == NO_RERUN


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about X11 and Wayland")
def test_no_display_and_no_private_one(
    process: list[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert said(process, GOOD) == NO_DISPLAY


def has_ended(pid: int) -> bool:
    """True if it ends within 10 s; a killed process takes a moment."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10.0)[0])
    finally:
        os.close(handle)


def _hang(connection: Connection, output: str, environment: dict[str, str | None]) -> None:
    os.setsid()
    child = subprocess.Popen(["sleep", "60"])
    pids = Path(output).with_name("pids")
    pids.with_suffix(".new").write_text(f"{os.getpid()} {child.pid}")
    pids.with_suffix(".new").rename(pids)
    child.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_an_examination_that_hangs_is_stopped_with_all_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pids: list[int] = []
    received = viewer_check._received

    def late(connection: Connection, timeout: float) -> ViewerCheck | str | None:
        while not (files := list(tmp_path.glob("demoscope-check-*/pids"))):
            assert not connection.poll(0.05)  # it ends if the process does
        pids.extend(int(word) for word in files[0].read_text().split())
        return received(connection, timeout)

    monkeypatch.setattr(viewer_round_trip, "main", _hang)
    monkeypatch.setattr(viewer_check, "_received", late)
    monkeypatch.setattr(viewer_check.tempfile, "tempdir", str(tmp_path))
    found = viewer_check._in_process(0.0, {})
    assert found.problem == "The examination did not end within 0 s and was stopped."
    assert len(pids) == 2
    assert not multiprocessing.active_children()
    assert all(has_ended(pid) for pid in pids)
    assert not list(tmp_path.iterdir())


def test_renderers_have_short_names() -> None:
    nvidia = "ANGLE (NVIDIA Corporation, NVIDIA RTX A4000/PCIe/SSE2, OpenGL 4.5.0)"
    assert readable_renderer(nvidia) == "NVIDIA RTX A4000/PCIe/SSE2"
    assert readable_renderer("ANGLE (Google, Vulkan 1.3 (SwiftShader Device))") == "SwiftShader"
    assert readable_renderer("Adreno 540") == "Adreno 540"
    assert readable_renderer("") == ""


def test_colors_and_outlines_are_found_in_pictures() -> None:
    picture = QImage(50, 40, QImage.Format.Format_RGB888)
    picture.fill(QColor(225, 0, 160))
    other = picture.copy()
    assert viewer_round_trip.share_of(picture, (220, 9, 150)) == 1.0
    assert viewer_round_trip.share_of(picture, (20, 90, 40)) == 0.0
    assert viewer_round_trip.changed_share(picture, other) == 0.0
    for x in range(50):
        other.setPixelColor(x, 0, QColor(255, 255, 255))
    assert viewer_round_trip.changed_share(picture, other) == pytest.approx(1 / 40)


def test_the_native_viewer_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "rerun"
    monkeypatch.setenv("RERUN_CLI_PATH", str(script))
    monkeypatch.setenv("DISPLAY", ":5")

    def reason() -> str:
        with pytest.raises(RuntimeError) as caught:
            check_native_viewer()
        return str(caught.value)

    assert reason() == NO_PROGRAM
    script.write_text("#!/bin/sh\necho rerun-cli 0.41.0 '(some features)'\n")
    script.chmod(0o700)
    assert check_native_viewer().startswith("`rerun` 0.41.0")
    script.write_text("#!/bin/sh\necho rerun-cli 0.42.1\n")
    assert reason() == "The `rerun` program is version 0.42.1; 0.41 is needed."
    script.write_text("#!/bin/sh\nexit 3\n")
    assert reason() == "The `rerun` program does not start (code 3)."


@pytest.mark.display
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Xvfb")
def test_the_real_round_trip_without_a_display() -> None:
    environment = {k: v for k, v in os.environ.items() if "DISPLAY" not in k}
    done = subprocess.run(
        [sys.executable, "-m", "app.viewer_check"],
        cwd=ROOT,
        env={**environment, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["ok"]
    assert found["picture"]
    assert found["selection"]
    assert found["frame_ms"] > 0
    assert found["software"]
    assert found["addresses"] == ["127.0.0.1"]
    assert found["screen"] == "private"
    assert "examined in a private Xvfb" in found["text"]


def test_the_page_on_trouble_says_what_doctor_says() -> None:
    """Sentences in tables may not break, so that each can be searched for."""
    page = (ROOT / "docs" / "rerun-troubleshooting.md").read_text("utf-8")
    for sentence in (
        *(NO_DISPLAY, NO_RERUN, NO_PROGRAM, NO_WEBENGINE, why_no_display_sentence()),
        viewer_check.with_package("The system library libxcb-cursor.so.0 is missing."),
        viewer_check.why_ended(-11, ""),
        viewer_check.judged(ViewerCheck()).problem,
        native_program.why_ended(1, "No graphics adapter was found"),
        native_program.why_ended(-11, ""),
    ):
        assert f"| {sentence} |" in page


def why_no_display_sentence() -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "platform", "linux")
        patch.delenv("DISPLAY", raising=False)
        patch.delenv("WAYLAND_DISPLAY", raising=False)
        return native_program.why_no_display()
