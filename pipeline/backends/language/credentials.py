"""Keys of servers: from the environment or the system's keyring, and never anywhere else.

A key is no option: options are stored, shown, sent to the worker and hashed.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
from typing import Any
from urllib.parse import quote

from pipeline.model.problem import DataError

log = logging.getLogger(__name__)

VARIABLES = {
    "gemini": ("DEMOSCOPE_GEMINI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openai_compatible": ("DEMOSCOPE_OPENAI_API_KEY", "OPENAI_API_KEY"),
}
"""Backend -> environment variables, the first that is set wins."""

KEYRING_SERVICE = "demoscope"
"""Name of the service in the system's keyring; the user name is that of the backend."""

_MASK = "[key]"


class Secret:
    """A key that does not show itself; `reveal` is called where it is sent."""

    __slots__ = ("_value", "origin")

    def __init__(self, value: str = "", origin: str = "") -> None:
        """Hold a key.

        Args:
            value: The key, empty for none.
            origin: Where it was found, for sentences.
        """
        self._value = value
        self.origin = origin

    def __repr__(self) -> str:
        return f"Secret({_MASK if self._value else ''})"

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self._value)

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    def scrub(self, text: str) -> str:
        """Return `text` with the key masked, however servers may echo it."""
        if self._value:
            for form in {self._value, quote(self._value, safe="")}:
                text = text.replace(form, _MASK)
        return text


def find_key(backend: str) -> Secret:
    """Find the key of a backend; an empty one if there is none.

    Raises:
        DataError: `no_key` if what is set cannot be a key.
    """
    for variable in VARIABLES[backend]:
        value = os.environ.get(variable, "").strip()
        if value:
            return _checked(value, f"the environment variable {variable}")
    return _checked(_from_keyring(backend), "the system's keyring")


def missing_key(backend: str) -> str:
    """One clause: how to give a key."""
    variable = VARIABLES[backend][1]
    return (
        f"no key: set the environment variable {variable}, or keep it in the system's keyring with "
        f"“keyring set {KEYRING_SERVICE} {backend}”."
    )


def _checked(value: str, origin: str) -> Secret:
    """Refuse what no header can carry: an HTTP library would quote it in its error."""
    if any(not "!" <= c <= "~" for c in value):
        raise DataError("no_key", f"{origin} holds characters that no key has; set it again.")
    return Secret(value, origin)


def _from_keyring(backend: str) -> str:
    if importlib.util.find_spec("keyring") is None:
        return ""
    keyring: Any = importlib.import_module("keyring")
    errors: Any = importlib.import_module("keyring.errors")
    try:
        return str(keyring.get_password(KEYRING_SERVICE, backend) or "").strip()
    except errors.KeyringError:
        # Locked or without a desktop: as if it had none. Its text is not ours to log.
        log.info("the system's keyring cannot be read")
        return ""
