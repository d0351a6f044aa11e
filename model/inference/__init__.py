"""A network made ready to separate."""
