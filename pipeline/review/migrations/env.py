"""What Alembic runs for every command: all in the transaction that the caller has opened.

Imported in any other way it does nothing: only Alembic gives the context its configuration.
"""

from __future__ import annotations

from alembic import context

_config = getattr(context, "config", None)
if _config is not None:
    context.configure(connection=_config.attributes["connection"])
    context.run_migrations()
