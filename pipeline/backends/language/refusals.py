"""What this process learned from servers that will not answer: it is said again without asking.

A key that is not taken, a model that is not known or an account without credit is the same for
every question of a run. It is asked about again with another key, server, address or model, and
in the next run.
"""

from __future__ import annotations

import hashlib
import secrets

from pipeline.backends.language.credentials import find_key
from pipeline.model.problem import DataError

Asked = tuple[str, str, str]
"""Server, address and model."""

_SALT = secrets.token_bytes(16)
"""Of this process: what stands for a key is worth nothing elsewhere."""
_REFUSALS: dict[Asked, tuple[bytes, str, str]] = {}
"""Who refused: what stands for the key, the code and the sentence."""


def remember_refusal(asked: Asked, error: DataError) -> None:
    """Say the same for the rest of the run."""
    _REFUSALS[asked] = (_stand_in(asked[0]), error.code, str(error))


def known_refusal(asked: Asked) -> DataError | None:
    """What a question would be answered with in any case; None if it has to be asked."""
    found = _REFUSALS.get(asked)
    if found is None or found[0] != _stand_in(asked[0]):
        return None
    return DataError(found[1], found[2])


def forget_refusals() -> None:
    """A new run begins: the user may have changed something on the server's side."""
    _REFUSALS.clear()


def _stand_in(server: str) -> bytes:
    """Tells one key from another."""
    try:
        key = find_key(server).reveal()
    except DataError:
        return b""
    return hashlib.blake2b(key.encode(), key=_SALT, digest_size=16).digest()
