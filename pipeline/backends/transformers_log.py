"""What transformers says while it loads a model. Importing this module does not import it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from drawing progress bars and from remarks that are none of the user's.

    It remarks, for one, that the Hub's weights of SAM 2 are those of the video model where a
    picture model takes its part of them; what is missing, the backends say themselves. Afterwards
    everything is as it was: other code in the process may want its bars.
    """
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
