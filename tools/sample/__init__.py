"""Renders the sample dataset that ships with Demoscope (see ``render.py``)."""
