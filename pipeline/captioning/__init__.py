"""Captions of whole datasets: drafting them and measuring the recipes they were drafted with."""
