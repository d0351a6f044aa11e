"""Files of weights: found, downloaded, verified, described, converted."""
