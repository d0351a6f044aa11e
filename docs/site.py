"""Build the documents as a site, strictly: `pip install --group docs`, then `python docs/site.py [FOLDER]`.

Documents link to each other and to files as they lie in the repository, so all of them are laid out the same way in a
temporary folder, and a link that leads nowhere is an error. Pages that mkdocs.yml does not name come last.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/*.md", "examples/*.md", "model/*.md", "model/weights/*.md")
BESIDE = (
    "LICENSE",
    "docs/*.png",
    "examples/**/*",
    "model/*.png",
    "model/weights/*.json",
    "model/dnr/*.csv",
    "benchmarks/*.py",
)
LARGEST = 2_000_000
"""Bytes of a file that a site takes along; the example film is for the repository alone."""


def lay_out(folder: Path) -> list[str]:
    """Copy all pages, and the files that they show or name; return the pages."""
    pages = sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})
    others = {
        path for pattern in BESIDE for path in ROOT.glob(pattern) if path.is_file() and path.stat().st_size <= LARGEST
    }
    for path in {*pages, *others}:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return [path.relative_to(ROOT).as_posix() for path in pages]


def build(output: Path) -> None:
    """Write the site.

    Raises:
        mkdocs.exceptions.Abort: a link leads nowhere, or another warning.
    """
    from mkdocs.commands.build import build as write
    from mkdocs.config import load_config

    with tempfile.TemporaryDirectory() as folder:
        pages = lay_out(Path(folder))
        config = load_config(str(ROOT / "docs" / "mkdocs.yml"), docs_dir=folder, site_dir=str(output))
        named = {page for section in config["nav"] for page in _pages(section)}
        more = [page for page in pages if page not in named and page.startswith("docs/")]
        if more:
            config["nav"].append({"More": more})
        config.plugins.on_startup(command="build", dirty=False)
        try:
            write(config)
        finally:
            config.plugins.on_shutdown()


def _pages(section: dict[str, str | list[str]]) -> list[str]:
    (content,) = section.values()
    return [content] if isinstance(content, str) else content


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "site").resolve())
