"""Scripts for people who work on Demoscope; not part of the installed package."""
