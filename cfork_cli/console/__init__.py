"""Output for people and machines on stdout and stderr."""
