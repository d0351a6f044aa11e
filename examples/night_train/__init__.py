"""The example film: its script, sound and picture. examples/make_film.py puts them together."""
