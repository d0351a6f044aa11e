"""Memory that is free, as the machine and the control group tell it."""

from __future__ import annotations

from pathlib import Path

from cfork_cli.flows.resources import free_memory
from model.cpus import cores


def machine(root: Path, available_kb: int | None, limit: str | None = None, used: int = 0, cached: int = 0) -> Path:
    (root / "proc/self").mkdir(parents=True)
    if available_kb is not None:
        (root / "proc/meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {available_kb} kB\n")
    if limit is not None:
        group = root / "sys/fs/cgroup/us"
        group.mkdir(parents=True)
        (root / "proc/self/cgroup").write_text("1:old:/x\n0::/us\n")
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{used}\n")
        (group / "memory.stat").write_text(f"anon 1\nfile {cached}\n")
    return root


def test_the_smaller_of_machine_and_group_counts(tmp_path: Path) -> None:
    assert free_memory(machine(tmp_path / "a", 1000)) == 1_024_000
    assert free_memory(machine(tmp_path / "b", 1000, "max")) == 1_024_000
    assert free_memory(machine(tmp_path / "c", 1000, "700", used=500, cached=100)) == 300
    assert free_memory(machine(tmp_path / "d", 1000, "700", used=900)) == 0
    assert free_memory(machine(tmp_path / "e", None)) is None


def test_there_is_a_core() -> None:
    assert cores() >= 1
