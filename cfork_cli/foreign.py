"""Find out whether our package `model` is hidden by something else of that name."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def hidden_model() -> str | None:
    """Return in one line what hides the package `model`, which is part of cfork; None if nothing does."""
    ours = Path(__file__).parents[1] / "model" / "__init__.py"
    try:
        found = importlib.util.find_spec("model")
    except (ImportError, ValueError):  # a module without a spec, made by hand
        found = None
    if found is None:
        return "the package 'model', which is part of cfork, is missing: install cfork again"
    origin = found.origin or next(iter(found.submodule_search_locations or []), "")
    if os.path.exists(origin) and os.path.exists(ours) and os.path.samefile(origin, ours):
        return None
    return f"'{origin}' hides the package 'model' of cfork: run cfork from another folder, or rename that file"
