"""Arithmetic on samples: gains, sums, peaks. NumPy alone."""
