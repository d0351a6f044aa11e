"""What people and machines see on stdout and stderr."""
