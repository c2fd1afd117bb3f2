"""Versions of the store's schema, for Alembic; run by `pipeline.review.schema`."""
