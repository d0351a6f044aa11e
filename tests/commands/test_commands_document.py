"""docs/commands.md is what the help says today."""

from __future__ import annotations

import importlib.util
import re

from support.commands import ROOT


def test_the_reference_is_the_help_of_today() -> None:
    spec = importlib.util.spec_from_file_location("commands_document", ROOT / "docs" / "commands.py")
    assert spec is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert text == script.page(), "the help has changed: run 'python docs/commands.py'"
    anchors = set(re.findall(r'<a id="([^"]+)"', text))
    headings = {re.sub(r"[^a-z0-9]+", "-", name.lower()) for name in re.findall(r"^## (.+)$", text, re.MULTILINE)}
    assert {*re.findall(r"\]\(#([^)]+)\)", text)} <= headings
    assert {"cfork-remix-track", "cfork-separate-stem", "cfork-models-pull-name"} <= anchors
