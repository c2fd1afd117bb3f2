"""What huggingface_hub raises, in sentences; for datasets and for weights of models alike."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.model.problem import Cancelled, DataError

log = logging.getLogger(__name__)


def need_hub(purpose: str, extra: str = "hub") -> None:
    """Raise DataError `no_hub` unless huggingface_hub is installed.

    Args:
        purpose: What it is needed for, e.g. `opening a/b from the Hub`.
        extra: Extra of this project that brings it.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise DataError(
            "no_hub", f"{purpose} needs huggingface_hub: pip install “demoscope[{extra}]”"
        )


def is_offline() -> bool:
    """True if the environment forbids the network (HF_HUB_OFFLINE)."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes")


@contextmanager
def hub_failures(
    kind: str, name: str, revision: str, cancelled: Callable[[], bool], otherwise: str
) -> Iterator[None]:
    """Turn what huggingface_hub raises into a DataError of one sentence.

    Args:
        kind: `dataset` or `model`.
        name: Its id.
        revision: Branch, tag or commit that was asked for.
        cancelled: Asked after a failure: libraries wrap what was raised to stop them.
        otherwise: What to do without a network.
    """
    from huggingface_hub import errors

    try:
        yield
    except (Cancelled, DataError):
        raise
    except errors.GatedRepoError as error:
        text = f"{name} is gated: accept its terms on the Hub and log in with “hf auth login”"
        raise DataError("no_access", text) from error
    except errors.RepositoryNotFoundError as error:
        text = f"the Hub has no {kind} {name}, or it is private: check the id, or “hf auth login”"
        raise DataError(f"no_such_{kind}", text) from error
    except errors.RevisionNotFoundError as error:
        text = f"the {kind} {name.partition('@')[0]} has no revision {revision}"
        raise DataError(f"no_such_{kind}", text) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        text = (
            f"the Hub cannot be reached and {name} is not, or not wholly, in the cache: go online "
            f"or {otherwise}"
        )
        raise DataError("offline", text) from error
    except Exception as error:
        # huggingface_hub lets exceptions of its HTTP library through.
        if cancelled():
            raise Cancelled from error
        log.info("Hub: %s failed", name, exc_info=True)
        text = f"{name} could not be fetched from the Hub ({type(error).__name__}: {error})"
        raise DataError("hub_failed", text[:300]) from error
