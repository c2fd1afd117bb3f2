"""Where keys come from, and that they do not show themselves."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.backends.language.credentials import Secret, find_key
from pipeline.backends.language.gemini import Gemini
from pipeline.backends.language.openai_compatible import OpenAICompatible
from pipeline.backends.registry import describe_backend
from pipeline.model.problem import DataError

KEYRING = """
from keyring import errors

def get_password(service, user):
    if user == "openai_compatible":
        raise errors.KeyringError("locked")
    return f"{service}-{user}-key\\n"
"""


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"DEMOSCOPE_{name}", raising=False)


@pytest.fixture
def _keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stand-in with the entry points of the keyring package; the real one needs a desktop."""
    (tmp_path / "keyring").mkdir()
    (tmp_path / "keyring/__init__.py").write_text(KEYRING)
    (tmp_path / "keyring/errors.py").write_text("class KeyringError(Exception):\n    pass\n")
    for name in [m for m in sys.modules if m.split(".")[0] == "keyring"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [m for m in sys.modules if m.split(".")[0] == "keyring"]:
        del sys.modules[name]


def test_the_first_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "DEMOSCOPE_GEMINI_API_KEY"):
        monkeypatch.setenv(name, f" {name.lower()}\n")
        secret = find_key("gemini")
        assert name in secret.origin
        found.append(secret.reveal())
    assert found == ["google_api_key", "gemini_api_key", "demoscope_gemini_api_key"]


@pytest.mark.usefixtures("_keyring")
def test_the_keyring_is_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = find_key("gemini")
    assert secret.reveal() == "demoscope-gemini-key"
    assert "keyring" in secret.origin
    assert Gemini().available() is None
    assert not find_key("openai_compatible")  # locked counts as empty
    monkeypatch.setenv("GEMINI_API_KEY", "mine")
    assert find_key("gemini").reveal() == "mine"


@pytest.mark.parametrize("value", ["two words", "umlaut-ä", "tab\tkey", "line\nkey"])
def test_what_no_header_can_carry(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(DataError) as failed:
        find_key("openai_compatible")
    assert value not in str(failed.value)
    assert "OPENAI_API_KEY" in str(failed.value)
    reason = OpenAICompatible().available()
    assert reason is not None
    assert value not in reason


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("abc/def+1", "somewhere")
    assert "abc" not in f"{secret} {secret!r} {[secret]}"
    assert secret.scrub("x abc/def+1 y abc%2Fdef%2B1 z") == "x [key] y [key] z"
    assert Secret().scrub("text") == "text"
    assert not Secret()


def test_the_list_of_backends_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "GEMINI_API_KEY" in describe_backend("language", "gemini").reason
    assert describe_backend("language", "openai_compatible").reason == ""
    rules = describe_backend("language", "rules")
    assert (rules.kind, rules.reason) == ("embedded", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in ("gemini", "openai_compatible"):
        assert "not installed" in describe_backend("language", name).reason
