"""Choose encoders, and try them before the work."""
