"""Whatever is raised becomes one line and a documented code; only what nobody expected is "cfork itself failed"."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cfork_cli.batch.film import Film, Status
from cfork_cli.batch.one import failure
from cfork_cli.errors import NO_MEMORY, CforkError, Interrupted, OutputClosed, OutputError, UsageError, of_any
from cfork_cli.flows.jobs import RemixJob

SHORT = [
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("can't start new thread"),
    RuntimeError("[enforce fail] not enough memory: you tried to allocate 9 bytes"),
]


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (UsageError("no"), UsageError, "no"),
        (Interrupted("stopped"), Interrupted, "stopped"),
        (OSError(errno.ENOSPC, "No space left on device", "a.mkv"), OutputError, "'a.mkv' (No space left on device)"),
        (BrokenPipeError(), OutputClosed, "nobody reads"),
        (OSError(errno.EMFILE, "Too many open files"), CforkError, "ulimit -n"),
        (KeyError("id"), CforkError, "cfork itself failed (KeyError: 'id'): report it"),
        (ValueError("two\nlines"), CforkError, "cfork itself failed (ValueError: two lines): report it"),
    ],
)
def test_every_error_says_who_can_do_something(raised: Exception, kind: type[CforkError], said: str) -> None:
    told = of_any(raised)
    assert type(told) is kind
    assert said in str(told)
    assert "\n" not in str(told)


@pytest.mark.parametrize("raised", SHORT, ids=lambda error: type(error).__name__)
def test_missing_memory_has_many_words_and_one_cure(raised: Exception) -> None:
    assert str(of_any(raised)) == NO_MEMORY
    outcome = failure(Film(RemixJob(Path("a.mkv"), None, {})), raised)
    assert (outcome.status, outcome.exit_code) == (Status.failed, 1)
    assert outcome.reason.endswith("try fewer --jobs")
