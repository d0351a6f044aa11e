"""Find a Chromium for the tests of the page."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ("--autoplay-policy=no-user-gesture-required", "--no-sandbox", "--disable-dev-shm-usage")


def find_browser() -> str | None:
    """Return the path of a Chromium: `CFORK_TEST_BROWSER`, or one on PATH; None if there is none."""
    named = os.environ.get("CFORK_TEST_BROWSER")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


def missing() -> str | None:
    """Return why the page cannot be tried in a browser; None if it can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install playwright"
    if find_browser() is None:
        return "no Chromium on PATH: install one (apt install chromium), or name it by CFORK_TEST_BROWSER"
    return None
