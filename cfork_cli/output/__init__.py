"""Sinks: write, finish, publish or abort."""
