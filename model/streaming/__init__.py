"""A stream of any length through a network that hears seconds at a time."""
