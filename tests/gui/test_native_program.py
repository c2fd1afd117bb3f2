"""Starting and ending the `rerun` program; a shell script stands for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from viewers import native_program
from viewers.native_program import (
    NativeViewerError,
    RerunProgram,
    quiet_environment,
    why_ended,
    why_no_display,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs shell scripts")

LISTENS = 'echo "Listening for gRPC connections on 127.0.0.1:$4. Connect by"; exec sleep 60'


@pytest.fixture
def rerun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "rerun"
    monkeypatch.setenv("RERUN_CLI_PATH", str(script))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(native_program, "LOOK_INTERVAL_S", 0.01)
    return script


def write(script: Path, body: str) -> None:
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o700)


def started(options: tuple[str, ...] = ()) -> RerunProgram:
    program = RerunProgram(options)
    try:
        program.start(lambda: False)
    except NativeViewerError:
        program.remove()
        raise
    return program


def refusal() -> str:
    with pytest.raises(NativeViewerError) as caught:
        started()
    return str(caught.value)


def test_it_is_bound_to_loopback_and_kept_from_the_network(rerun: Path, tmp_path: Path) -> None:
    write(rerun, f'echo "$@" > {tmp_path}/arguments; env > {tmp_path}/environment; {LISTENS}')
    program = started(("--headless",))
    folder = program.folder
    assert program.is_alive
    assert program.url == f"rerun+http://127.0.0.1:{program.port}/proxy"
    arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[:4] == ["--bind", "127.0.0.1", "--port", str(program.port)]
    assert "--hide-welcome-screen" in arguments
    assert arguments[-1] == "--headless"
    found = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    assert found["CI"] == "1"  # no statistics
    assert found["https_proxy"] == found["ALL_PROXY"] == "http://127.0.0.1:9"
    assert found["XDG_CONFIG_HOME"] == found["XDG_DATA_HOME"] == str(folder)
    assert folder.stat().st_mode & 0o077 == 0
    program.remove()
    assert not folder.exists()
    assert not program.is_alive
    assert program.ending() == ""


def test_a_port_that_is_taken_is_left_to_its_owner(rerun: Path, tmp_path: Path) -> None:
    taken = 'echo "Another viewer is already running, streaming data to it."'
    count = f"echo x >> {tmp_path}/count; [ $(wc -l < {tmp_path}/count) -lt 3 ]"
    write(rerun, f"if {count}; then {taken}; exit 0; fi; {LISTENS}")
    program = started()
    assert program.is_alive
    program.remove()
    write(rerun, taken)
    assert refusal() == "Rerun's own viewer found no free port on 127.0.0.1; try once more."


def test_a_program_that_never_listens(rerun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_program, "START_TIMEOUT_S", 0.0)
    write(rerun, "exec sleep 60")
    assert refusal() == "Rerun's own viewer did not start within 0 s."


def test_giving_up_while_it_starts(rerun: Path) -> None:
    write(rerun, "exec sleep 60")
    program = RerunProgram()
    answers = iter([False, False, True, True])
    program.start(lambda: next(answers))
    program.remove()
    assert not program.is_alive


def test_no_program_and_one_that_cannot_run(rerun: Path) -> None:
    assert "not installed" in refusal()
    rerun.write_text("no program")
    assert refusal() == "Rerun's own viewer could not be started: Permission denied."


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about X11 and Wayland")
def test_no_display_is_said_before_anything_starts(
    rerun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    write(rerun, LISTENS)
    assert refusal() == why_no_display()
    assert "needs a display" in why_no_display()
    program = started(("--headless",))
    program.remove()


GRAPHICS = (
    "Error: app creation error: The GPU/graphics driver is lacking some abilities: Adapter does "
    "not support drawing to texture format R32Float. Check the troubleshooting guide"
)
ADAPTER = "panicked at 'Failed: CustomNativeAdapterSelectionError(\"No graphics adapter was found"
LIBRARY = "rerun: error while loading shared libraries: libX11.so.6: cannot open shared object"
LOGGED = "\x1b[2m2026-11-21T15:36:12.9Z\x1b[0m \x1b[31mERROR\x1b[0m eframe::run: No window. \n\n"


@pytest.mark.parametrize(
    ("code", "output", "sentence"),
    [
        (0, "anything", ""),
        (1, ADAPTER, "install mesa-vulkan-drivers."),
        (1, GRAPHICS, "(Adapter does not support drawing to texture format R32Float)"),
        (101, "panicked at 'Failed to get render context'", "cannot draw with this graphics"),
        (127, LIBRARY, "needs the system library libX11.so.6, which is missing."),
        (-11, "", "was ended by SIGSEGV."),
        (2, LOGGED, "Rerun's own viewer ended with code 2: No window."),
        (3, "", "Rerun's own viewer ended with code 3."),
    ],
)
def test_every_ending_is_one_sentence(code: int, output: str, sentence: str) -> None:
    found = why_ended(code, output)
    assert sentence in found
    assert "\n" not in found
    assert bool(found) == bool(code)


def test_the_users_own_choice_of_extensions_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESA_EXTENSION_OVERRIDE", "-GL_ARB_timer_query")
    before = dict(os.environ)
    assert quiet_environment(tmp_path)["MESA_EXTENSION_OVERRIDE"] == "-GL_ARB_timer_query"
    assert dict(os.environ) == before
