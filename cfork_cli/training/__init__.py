"""Training, its data, and scores of models."""
