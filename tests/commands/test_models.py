"""`cfork models`, and `--model` with what it brings."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from support.commands import Ran, finish, start
from support.file_server import FileServer, dropped, slow, status

from cfork_cli.console.console import Console
from model.hub import cache, download, released, weights
from model.networks.bandsplit import BandSplit
from model.networks.mrx import MRX

Command = Callable[..., Ran]

pytestmark = pytest.mark.usefixtures("place")

MRX_FILE = released.file_name("default")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between attempts."""
    monkeypatch.setattr(download, "sleep", lambda _: None)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundled model of our own making, with its list of digests."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    card = {"si_sdr_improvement_db": {"dialogue": 7.26, "music": 5.0, "effects": -0.5}, "license": "MIT"}
    path = folder / "cfork.safetensors"
    torch.manual_seed(0)
    weights.save(BandSplit(8, 8, 1, 8, 8), path, card, half=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / weights.DIGESTS).write_text(f"{digest}  {path.name}\n")
    monkeypatch.setattr(weights, "BUNDLED", folder)
    return path


def failed(ran: Ran, code: int, words: str) -> None:
    assert (ran.code, ran.out, len(ran.lines)) == (code, "", 1), ran.err
    assert words in ran.err


# ---- list ----


def test_what_there_is_and_could_be(cfork: Command, bundle: Path, mirror: FileServer) -> None:
    ran = cfork("models")
    assert (ran.code, ran.err) == (0, "")
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["cfork", "(default)", "bundled"] in [row[:3] for row in rows]
    assert ["mrx-paper", "not", "pulled"] in [row[:3] for row in rows]
    assert "+7.3 / +5.0 / -0.5 dB MIT" in " ".join(ran.out.split())
    assert "+11.5 / +11.0 / +10.7 dB on DnR" in ran.out
    assert cfork("models", "list").out == ran.out
    found = cfork("models", "--json").result["models"]
    assert found == cfork("models", "list", "--json").result["models"]
    assert [one["name"] for one in found] == ["cfork", "mrx", "mrx-paper", "mrx-adapted-loudness", "mrx-adapted-eq"]
    assert found[0]["path"] == str(bundle)
    assert found[0]["bytes"] == bundle.stat().st_size
    assert found[0]["card"]["license"] == "MIT"
    assert [one["level_matched"] for one in found] == [True, True, False, True, True]
    assert found[3]["aliases"] == ["adapted_loudness"]
    assert {one["state"] for one in found[1:]} == {"not pulled"}


def test_states(cfork: Command, mirror: FileServer, tmp_path: Path) -> None:
    assert cfork("models", "pull", "mrx").code == 0
    weights.save(MRX(windows=(64,), hop=32, hidden=8, layers=1), cache.folder() / "by-hand.safetensors", {})
    (cache.folder() / "plain.pth").write_bytes((cache.folder() / MRX_FILE).read_bytes())
    (cache.folder() / "bad.safetensors").write_bytes(b"nothing")
    (cache.folder() / "half.safetensors").write_bytes((cache.folder() / "by-hand.safetensors").read_bytes()[:-100])
    (cache.folder() / "junk.pth").write_bytes(b"PK\x03\x04garbage")
    (cache.folder() / "cut.pth").write_bytes(b"PK\x03\x04")
    cache.write_record(cache.folder() / "cut.pth", cache.Record("https://x.org/cut.pth", "0" * 64, 100))
    (cache.folder() / released.file_name("paper")).write_bytes(b"cut")
    states = {one["name"]: one["state"] for one in cfork("models", "--json").result["models"]}
    assert states == {
        "cfork": "bundled", "mrx": "in cache", "mrx-paper": "damaged", "mrx-adapted-loudness": "not pulled",
        "mrx-adapted-eq": "not pulled", "bad": "damaged", "by-hand": "in cache", "cut": "damaged", "half": "damaged",
        "junk": "damaged", "plain": "in cache",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ({"evaluation": "my own set"}, "unknown"),
        ({"si_sdr_improvement_db": {"dialogue": "n/a", "music": 3}, "evaluation": {"set": "mine"}}, "+3.0 dB on mine"),
        ({"si_sdr_improvement_db": "good", "evaluation": None}, "unknown"),
    ],
)
def test_cards_are_whatever_their_authors_wrote(
    cfork: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: dict[str, Any], told: str
) -> None:
    monkeypatch.setenv("CFORK_CACHE", str(tmp_path / "cache"))
    cache.folder().mkdir(parents=True)
    network = MRX(windows=(64,), hop=32, hidden=8, layers=1)
    weights.save(network, cache.folder() / "by-hand.safetensors", card)
    ran = cfork("models")
    assert ran.code == 0
    (row,) = [" ".join(line.split()) for line in ran.out.splitlines() if "by-hand" in line]
    assert told in row
    ran = cfork("models", "info", "by-hand")
    assert ran.code == 0
    assert told in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["models", "pull", "http://[foo/x.pth"], 7, "is no web address"),
        (["models", "pull", "mrx", "--from", "http://[foo/"], 7, "is no web address"),
        (["models", "pull", "mrx", "--timeout", "inf"], 2, "--timeout"),
        (["models", "pull", "mrx", "--timeout", "nan"], 2, "--timeout"),
        (["models", "info", "~nobody-of-that-name/x.pth"], 7, "no model and no file is called"),
        (["models", "info", "a" * 300], 7, "no model and no file is called"),
    ],
)
def test_names_that_can_be_none(cfork: Command, arguments: list[str], code: int, words: str) -> None:
    failed(cfork(*arguments), code, words)


def test_a_cache_of_nobody(cfork: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFORK_CACHE", "~nobody-of-that-name/x")
    assert cfork("models").code == 0


def test_a_damaged_bundled_model(cfork: Command, bundle: Path) -> None:
    bundle.write_text("nothing")
    failed(cfork("models"), 7, "cfork.safetensors")
    assert cfork("models", "--json").result["exit_code"] == 7


def test_the_group_is_a_command_line_like_any_other(cfork: Command) -> None:
    ran = cfork("models", "--help")
    assert ran.code == 0
    assert all(word in ran.out for word in ("list", "pull", "info", "verify", "convert", "package"))
    assert "CFORK_CACHE" in cfork("models", "pull", "--help").out
    failed(cfork("models", "pull"), 2, "missing argument 'NAME|URL': see 'cfork models pull --help'")
    failed(cfork("models", "nonsense"), 7, "no model and no file is called 'nonsense'")
    assert "cfork models info --json" in cfork("models", "--json", "info", "cfork").result["error"]


# ---- the models that ship ----


def test_the_bundled_models_are_those_of_the_list() -> None:
    """After a new model: cd model/weights && sha256sum *.safetensors > SHA256SUMS."""
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in weights.BUNDLED.glob("*.safetensors")}
    assert weights.bundled_digests() == files


def test_the_bundled_model_has_a_whole_card(cfork: Command) -> None:
    (found,) = [one for one in cfork("models", "--json").result["models"] if one["name"] == weights.DEFAULT_MODEL]
    assert Path(found["path"]).stat().st_size == found["bytes"]
    assert found["architecture"] in weights.ARCHITECTURES
    card = found["card"]
    assert {"data", "license", "commit", "training", "si_sdr_improvement_db"} <= card.keys()
    assert card["data"]["hours"].keys() == {"speech", "music", "effects"}
    # under the mixture on any stem it would be no model to ship
    assert all(card["si_sdr_improvement_db"][stem] > 0 for stem in ("dialogue", "music", "effects"))


def test_the_bundled_model_is_sound(cfork: Command) -> None:
    ran = cfork("models", "verify", "cfork", "--json")
    assert ran.code == 0
    assert ran.result["ok"] is True
    assert list(ran.result["checks"]) == ["sha256", "network", "numbers", "separation"]
    assert "as the list beside the bundled models says" in ran.result["checks"]["sha256"]


# ---- pull ----


def test_pull(cfork: Command, mirror: FileServer) -> None:
    ran = cfork("models", "pull", "mrx")
    path = cache.folder() / MRX_FILE
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"mrx is here, checked: {path} ({path.stat().st_size / 1e6:.1f} MB)\n"
    assert "mrx was here already, checked" in cfork("models", "pull", "default").err
    assert cfork("models", "pull", "mrx", "--quiet").err == ""
    assert len(mirror.requests) == 1
    ran = cfork("models", "pull", "mrx", "--json", "--force")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert ran.result == {
        "name": "mrx", "path": str(path), "state": "in cache", "bytes": path.stat().st_size, "sha256": digest,
        "fresh": True,
    }  # fmt: skip
    assert ran.events[0] == {"event": "stage", "stage": "pull"}
    assert ran.events[1]["total"] == path.stat().st_size
    assert "is bundled: there is nothing to pull" in cfork("models", "pull", "cfork").err
    assert cfork("models", "pull", "cfork", "--json").result["fresh"] is False


def test_pull_says_what_goes_wrong(
    cfork: Command, mirror: FileServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.steps = [status(404)]
    failed(cfork("models", "pull", "mrx"), 7, "there is no file at http://127.0.0.1")
    mirror.steps = [dropped(1000)]
    ran = cfork("models", "pull", "mrx")
    assert ran.code == 0
    assert ran.err.startswith("note: the connection to 127.0.0.1 broke off at 1,000 of")
    failed(cfork("models", "pull", "nope"), 7, "no model to pull is called 'nope'; choose mrx, mrx-paper")
    failed(cfork("models", "pull", "mrx", "--name", "x"), 2, "--name and --sha256 are for addresses")
    failed(cfork("models", "pull", "http://x/y.pth", "--sha256", "12"), 2, "is no sha256")
    failed(cfork("models", "pull", "mrx", "--from", "http://127.0.0.1:9", "--force"), 7, "refuses the connection")
    (place / "file").touch()
    monkeypatch.setenv("CFORK_CACHE", str(place / "file"))
    failed(cfork("models", "pull", "mrx"), 4, "name another folder with CFORK_CACHE")


@pytest.mark.parametrize("number", [13, 28, 30])
def test_a_cache_that_cannot_be_written(
    cfork: Command, mirror: FileServer, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    import os

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    failed(cfork("models", "pull", "mrx"), 4, f"{os.strerror(number)}): make room or free the way")
    assert not (cache.folder() / MRX_FILE).exists()


def test_an_interrupted_pull(cfork: Command, mirror: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(console: Console, done: float) -> None:
        if done:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Console, "at", stop)
        failed(cfork("models", "pull", "mrx"), 130, "interrupted: the downloaded part is kept; pull again to resume")
    assert cfork("models", "pull", "mrx").code == 0
    assert "Range" in mirror.requests[-1][1]


def test_pull_an_address(cfork: Command, mirror: FileServer, checkpoint: bytes) -> None:
    mirror.files["/mine.pth"] = checkpoint
    digest = hashlib.sha256(checkpoint).hexdigest()
    ran = cfork("models", "pull", f"{mirror.url}/mine.pth")
    assert ran.code == 0
    assert f"there is no published checksum to compare this file with; its sha256 is {digest}" in ran.err
    ran = cfork("models", "pull", f"{mirror.url}/mine.pth", "--name", "yours", "--sha256", digest)
    assert (ran.code, len(ran.lines)) == (0, 1)
    assert weights.resolve("yours") == cache.folder() / "yours.pth"
    failed(cfork("models", "pull", f"{mirror.url}/m.pth", "--name", "yours"), 7, "there is a model 'yours' already")


def test_two_processes_pull_at_a_time(mirror: FileServer, checkpoint: bytes) -> None:
    mirror.files["/mine.pth"] = checkpoint
    mirror.steps = [slow(1.5)]
    both = [start("models", "pull", f"{mirror.url}/mine.pth", "--json") for _ in range(2)]
    results = [finish(child).result for child in both]
    assert sorted(result["fresh"] for result in results) == [False, True]
    assert len(mirror.requests) == 1
    assert (cache.folder() / "mine.pth").read_bytes() == checkpoint


# ---- info ----


def test_info_of_our_own_file(cfork: Command, bundle: Path) -> None:
    facts = cfork("models", "info", "cfork", "--json").result
    network = weights.load("cfork")
    assert facts["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert (facts["architecture"], facts["config"]) == ("bandsplit", network.config)
    assert facts["precision"].keys() == {"float16", "float32"}
    assert facts["sha256"] == facts["sha256_due"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert (facts["state"], facts["path"], facts["level_matched"]) == ("bundled", str(bundle), True)
    assert (facts["window_seconds"], facts["context_seconds"]) == (network.window_seconds, network.context_seconds)
    assert facts["input_lufs"] == -27
    assert cfork("models", "info", bundle.parent / "." / bundle.name, "--json").result == facts
    out = " ".join(cfork("models", "info", "cfork").out.split())
    assert "cfork (bundled)" in out
    assert "float16" in out
    assert "(as published)" in out
    assert "+7.3 / +5.0 / -0.5 dB (dialogue / music / effects)" in out


def test_info_of_checkpoints(cfork: Command, mirror: FileServer, place: Path, checkpoint: bytes) -> None:
    there = cfork("models", "info", "paper", "--json").result
    assert (there["name"], there["state"], there["path"]) == ("mrx-paper", "not pulled", None)
    assert there["parameters"] == 30_509_080
    assert there["level_matched"] is False
    assert "run: cfork models pull mrx-paper" in cfork("models", "info", "paper").out
    assert cfork("models", "pull", "paper").code == 0
    here = cfork("models", "info", "mrx-paper", "--json").result
    assert (here["name"], here["state"], here["level_matched"]) == ("mrx-paper", "in cache", False)
    assert here["sha256"] == here["sha256_due"] == there["sha256"]
    assert here["config"]["windows"] == [512, 1024]
    assert set(here["precision"]) == {"float32", "int64"}
    assert here["card"]["license"] == "MIT"
    (place / "mine.pth").write_bytes(checkpoint)
    known = cfork("models", "info", "mine.pth", "--json").result
    assert (known["state"], known["sha256_due"]) == ("file", None)
    assert known["card"]["source"].endswith(MRX_FILE)  # by its bytes
    (place / "old.pth").write_bytes(b"")
    torch.save(MRX(windows=(64,), hidden=8).state_dict(), place / "old.pth", _use_new_zipfile_serialization=False)
    assert cfork("models", "info", "old.pth", "--json").result["card"] == {}
    (place / "old.pth").write_bytes(b"PK\x03\x04 no")
    failed(cfork("models", "info", "old.pth"), 7, "damaged or truncated")
    failed(cfork("models", "info", "nope"), 7, "no model and no file is called 'nope'")


def test_info_of_the_safetensors_of_others(cfork: Command, place: Path) -> None:
    from safetensors.torch import save_file

    save_file(MRX(windows=(64,), hidden=8).state_dict(), place / "other.safetensors")
    facts = cfork("models", "info", "other.safetensors", "--json").result
    assert (facts["architecture"], facts["config"]["hidden"]) == ("mrx", 8)
    assert "nothing to compare it with" in cfork("models", "info", "other.safetensors").out


# ---- verify ----


def test_verify(cfork: Command, mirror: FileServer, place: Path, tiny_model: Path) -> None:
    failed(cfork("models", "verify", "mrx"), 7, "run: cfork models pull mrx")
    cfork("models", "pull", "mrx")
    ran = cfork("models", "verify", "mrx")
    assert (ran.code, ran.out, ran.lines[-1]) == (0, "", "ok")
    assert "as the authors' repository says" in ran.err
    assert "nothing to compare it with" in cfork("models", "verify", tiny_model).err
    path = cache.folder() / MRX_FILE
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    ran = cfork("models", "verify", "mrx")
    failed(ran, 7, "is not the file it should be: its sha256 is")
    assert "get the file again" in ran.err
    assert cfork("models", "verify", "mrx", "--json").result["exit_code"] == 7
    assert cfork("models", "pull", "mrx").code == 0  # finds out, and mends it
    assert cfork("models", "verify", "mrx").code == 0


def test_verify_of_a_pulled_address_knows_what_came(cfork: Command, mirror: FileServer, checkpoint: bytes) -> None:
    mirror.files["/mine.pth"] = checkpoint
    cfork("models", "pull", f"{mirror.url}/mine.pth")
    assert "as the record of its download says" in cfork("models", "verify", "mine").err
    (cache.folder() / "mine.pth").write_bytes(checkpoint + b"\0")
    failed(cfork("models", "verify", "mine"), 7, "the record of its download says")


def test_what_verify_finds(cfork: Command, place: Path) -> None:
    network = MRX(windows=(64,), hop=32, hidden=8, layers=1)
    for value, words in (
        (float("nan"), "_decoders.1.0.block.3.weight has numbers that are not finite"),
        (0.0, "silence"),
    ):
        for stem in range(3):
            block: Any = network._decoders[stem][0].block
            torch.nn.init.constant_(block[3].weight, value if stem == 1 or value == 0 else 1.0)
            torch.nn.init.constant_(block[4].bias, 0.0)
        weights.save(network, place / "x.safetensors", {})
        failed(cfork("models", "verify", "x.safetensors", "--quiet"), 7, words)
    loud = MRX(windows=(64,), hop=32, hidden=8, layers=1)
    block = loud._decoders[0][0].block
    block[4].weight.data.fill_(3e38)
    block[4].bias.data.fill_(3e38)
    weights.save(loud, place / "x.safetensors", {})
    failed(
        cfork("models", "verify", "x.safetensors", "--quiet"), 7, "a trial separation gave numbers that are not finite"
    )
    (place / "x.pth").write_text("version https://git-lfs.github.com/spec/v1\n")
    failed(cfork("models", "verify", "x.pth"), 7, "Git LFS pointer")


def test_a_bundled_model_that_was_changed(cfork: Command, bundle: Path) -> None:
    assert cfork("models", "verify", "cfork").code == 0
    weights.save(BandSplit(8, 8, 1, 8, 8), bundle, {})
    failed(cfork("models", "verify", "cfork"), 7, "but the list beside the bundled models says")
    (bundle.parent / weights.DIGESTS).unlink()
    failed(cfork("models", "verify", "cfork"), 7, "SHA256SUMS, is missing; install cfork again")


# ---- convert ----


def test_convert_there_and_back(cfork: Command, mirror: FileServer, place: Path, checkpoint: bytes) -> None:
    cfork("models", "pull", "mrx")
    ran = cfork("models", "convert", "mrx", "mrx.safetensors", "--json")
    assert ran.code == 0
    assert (ran.result["difference"], ran.result["difference_db"]) == (0, "-inf")
    assert weights.describe(place / "mrx.safetensors").card["converted_from"]["file"] == MRX_FILE
    assert weights.describe(place / "mrx.safetensors").card["license"] == "MIT"
    ran = cfork("models", "convert", "mrx", "half.safetensors", "--half")
    assert (ran.code, ran.out) == (0, "")
    assert "0.7 MB -> 0.4 MB, largest difference of a stem: " in ran.err
    assert load_file(place / "half.safetensors")["_encoders.0.layer.1.weight"].dtype == torch.float16
    ran = cfork("models", "convert", "mrx.safetensors", "back.pth")
    assert (ran.code, len(ran.lines)) == (0, 1)
    assert "largest difference of a stem: none" in ran.err
    ours = torch.load(place / "back.pth", weights_only=True)
    (place / "theirs.pth").write_bytes(checkpoint)
    theirs = torch.load(place / "theirs.pth", weights_only=True)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    result = cfork("models", "convert", "half.safetensors", "half.pth", "--half", "--json").result
    assert result["difference"] == 0
    assert result["bytes_after"] < 0.6 * len(checkpoint)
    assert sorted(path.name for path in place.iterdir()) == [
        "back.pth", "half.pth", "half.safetensors", "mrx.safetensors", "theirs.pth",
    ]  # fmt: skip


def test_converting_keeps_the_card_and_takes_another(cfork: Command, bundle: Path, place: Path) -> None:
    (place / "card.json").write_text(json.dumps({"license": "CC0", "hours": 3}))
    assert cfork("models", "convert", "cfork", "new.safetensors", "--card", "card.json").code == 0
    card = weights.describe(place / "new.safetensors").card
    assert card == {**weights.describe(bundle).card, "license": "CC0", "hours": 3}
    (place / "card.json").write_text("[]")
    failed(cfork("models", "convert", "cfork", "x.safetensors", "--card", "card.json"), 3, "no JSON object")
    failed(cfork("models", "convert", "cfork", "x.safetensors", "--card", "none.json"), 3, "cannot be read")


def test_converting_says_what_is_left_unsaid(cfork: Command, bundle: Path, place: Path, mirror: FileServer) -> None:
    assert "cfork itself cannot load this one" in cfork("models", "convert", "cfork", "x.pth").err
    weights.save(MRX(windows=(64, 128), hop=32, hidden=8), place / "hop.safetensors", {})
    assert "does not store hop: cfork would take" in cfork("models", "convert", "hop.safetensors", "hop.pth").err
    cfork("models", "pull", "mrx-paper")
    assert "does not store level_matched" in cfork("models", "convert", "mrx-paper", "mine.pth").err
    assert len(cfork("models", "convert", "mrx-paper", "mrx-paper.pth").lines) == 1  # the name tells


def test_converting_overwrites_nothing(
    cfork: Command, tiny_model: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(out: str | Path, *options: str) -> Ran:
        return cfork("models", "convert", tiny_model, out, *options)

    (place / "old.safetensors").write_text("precious")
    failed(convert("old.safetensors"), 4, "exists already: choose another name, or replace it with --force")
    failed(convert("old.zip"), 2, "must end in .safetensors or .pth")
    failed(convert("missing/x.pth"), 4, "does not exist: make it first")
    (place / "folder.pth").mkdir()
    failed(convert("folder.pth"), 4, "is a directory")
    failed(convert(tiny_model, "--force"), 4, "the input itself")
    failed(cfork("models", "convert", "nope", "x.pth"), 7, "no model and no file")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        failed(convert("x.pth"), 4, "'x.pth' cannot be written (No space left on device)")
        failed(convert("old.safetensors", "--force"), 4, "No space left on device")
    assert (place / "old.safetensors").read_text() == "precious"
    assert sorted(path.name for path in place.iterdir()) == ["folder.pth", "old.safetensors"]
    assert convert("old.safetensors", "--force").code == 0
    assert weights.load(place / "old.safetensors")


def test_hostile_checkpoints_are_refused_by_every_command(cfork: Command, place: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (place / "sprung",)

    torch.save({"_encoders.0.layer.1.weight": Trap()}, place / "trap.pth")
    for command in (["info", "trap.pth"], ["verify", "trap.pth"], ["convert", "trap.pth", "x.safetensors"]):
        failed(cfork("models", *command, *([] if command[0] != "verify" else ["--quiet"])), 7, "could run a program")
    assert not (place / "sprung").exists()
    assert not (place / "x.safetensors").exists()


# ---- --model ----


def remixed(cfork: Command, film: Path, model: str | Path, *options: str) -> Ran:
    return cfork("remix", film, "--dialog", "+6", "--model", model, "-o", "new.mkv", *options)


def test_models_by_name(cfork: Command, place: Path, films_here: Path, mirror: FileServer) -> None:
    film = films_here / "plain.mkv"
    failed(remixed(cfork, film, "mrx"), 7, "the model 'mrx' is not on this machine yet; run: cfork models pull mrx")
    assert not (place / "new.mkv").exists()
    cfork("models", "pull", "mrx")
    assert remixed(cfork, film, "mrx", "--quiet").code == 0
    assert (place / "new.mkv").exists()
    assert cfork("separate", film, "-o", "stems", "--stem", "music", "--model", "default", "--quiet").code == 0
    shutil.copy(cache.folder() / MRX_FILE, place / MRX_FILE)
    shutil.rmtree(cache.folder())
    assert remixed(cfork, film, MRX_FILE, "--force", "--quiet").code == 0  # a file in this folder, suffix and all


def test_levels_that_do_not_match(cfork: Command, place: Path, films_here: Path, mirror: FileServer) -> None:
    film = films_here / "plain.mkv"
    cfork("models", "pull", "mrx-paper")
    for options in ([], ["--dry-run"]):
        ran = remixed(cfork, film, "mrx-paper", *options)
        failed(ran, 7, "so they cannot be mixed back: choose another --model, or insist with --force-model")
    assert list(place.iterdir()) == []
    ran = remixed(cfork, film, "mrx-paper", "--force-model", "--json")
    assert ran.code == 0
    assert ran.result["notes"][0].startswith("the stems of 'mrx-paper' do not have the film's level")
    assert (place / "new.mkv").exists()
    ran = cfork("separate", film, "-o", "stems", "--model", "mrx-paper", "--quiet")  # separating is what it is for
    assert ran.code == 0
    assert np.isfinite(soundfile.read("stems/dialogue.wav")[0]).all()
    # converted, the file says it for itself, whatever its name
    assert cfork("models", "convert", "mrx-paper", "x.safetensors", "--quiet").code == 0
    failed(remixed(cfork, film, "./x.safetensors", "--force"), 7, "--force-model")
