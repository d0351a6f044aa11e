"""Files of weights: what is saved is loaded, and what is damaged, hostile or missing says so in one line."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import model
from cfork_cli.errors import ModelError
from cfork_cli.flows.checks import model_digest
from model.hub import inventory, weights
from model.hub.examine import examine, verify
from model.hub.released import RELEASES, is_level_matched
from model.hub.weights import WeightsError, describe, list_models, load, resolve, save
from model.networks.mrx import MRX

CARD = {"license": "MIT", "hours": 1.5, "scores": {"dialogue": 6.0}, "note": "für Filme"}


def tiny(**changes):
    torch.manual_seed(0)
    return MRX(**{"windows": (64, 128), "hop": 32, "hidden": 8, "layers": 2, **changes}).eval()


def equal(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "small.safetensors"
    save(tiny(), path, CARD)
    return path


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A folder of bundled models of our own making."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    for name in ("another", "cfork", "zebra"):
        save(tiny(level_matched=name != "zebra"), folder / f"{name}.safetensors", {"name": name})
    monkeypatch.setattr(weights, "BUNDLED", folder)
    return folder


# --- there and back ----------------------------------------------------------------------------------------


def test_what_is_saved_is_loaded(file):
    network = load(file)
    assert isinstance(network, MRX)
    assert equal(network, tiny())
    assert network.config == tiny().config
    assert network.hop == 32
    assert not network.training


def test_a_file_says_what_it_is(file):
    info = describe(file)
    assert (info.name, info.path, info.architecture) == ("small", file, "mrx")
    assert info.bytes == file.stat().st_size
    assert info.config == tiny().config
    assert info.card == CARD


def test_others_can_read_the_tensors(file):
    assert load_file(file).keys() == tiny().state_dict().keys()


def test_saving_twice_gives_the_same_bytes(file, tmp_path):
    save(load(file), tmp_path / "again.safetensors", dict(reversed(CARD.items())))
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_half_precision_halves_the_matrices_and_comes_back_as_float32(tmp_path):
    network = tiny()
    quiet = network._encoders[0].layer[0].running_var
    quiet.fill_(1e-12)  # nothing of it would be left in float16
    network._encoders[1].layer[1].weight.data[0, 0] = 1e6  # too large for float16
    path = tmp_path / "half.safetensors"
    save(network, path, {}, half=True)
    kinds = {name: tensor.dtype for name, tensor in load_file(path).items()}
    assert kinds["_decoders.0.0.block.0.weight"] == torch.float16
    assert kinds["_encoders.1.layer.1.weight"] == torch.float32
    assert kinds["_encoders.0.layer.0.running_var"] == torch.float32
    assert kinds["_encoders.0.layer.0.num_batches_tracked"] == torch.int64
    again = load(path)
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    assert torch.equal(again._encoders[0].layer[0].running_var, quiet)
    for ours, theirs in zip(again.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_saving_changes_nothing_and_replaces_at_once(file):
    network = tiny(level_matched=False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    save(network, file, {}, half=True)
    assert load(file).level_matched is False
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_failed_save_leaves_the_old_file_and_nothing_else(file, monkeypatch):
    before = file.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(tiny(), file, {})
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_unknown_networks_are_not_saved(tmp_path):
    with pytest.raises(WeightsError, match="no known architecture"):
        save(torch.nn.Linear(2, 2), tmp_path / "x.safetensors", {})


# --- names and paths ---------------------------------------------------------------------------------------


def test_bundled_models_are_listed_the_default_first(bundle):
    assert [info.name for info in list_models()] == ["cfork", "another", "zebra"]
    assert list_models()[2].card == {"name": "zebra"}


def test_a_name_a_path_and_a_name_with_a_path(bundle, file, monkeypatch):
    assert resolve("cfork") == bundle / "cfork.safetensors"
    assert resolve(file) == file
    assert resolve(str(file)) == file
    monkeypatch.chdir(file.parent)
    (file.parent / "cfork").write_bytes(file.read_bytes())
    assert resolve("cfork") == bundle / "cfork.safetensors"
    assert resolve("./cfork") == Path("cfork")
    assert load("zebra").level_matched is False


def test_a_missing_model_says_what_there_is(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # there may be folders of these names where the tests are run
    with pytest.raises(WeightsError, match=r"'nope'; choose another, cfork, mrx, .*, zebra, or give the path"):
        resolve("nope")
    with pytest.raises(WeightsError, match="is a directory"):
        resolve(tmp_path)
    (bundle / "cfork.safetensors").unlink()
    with pytest.raises(WeightsError, match="'cfork' is missing; install cfork again"):
        load("cfork")


def test_names_do_not_leave_the_bundle(bundle, file):
    with pytest.raises(WeightsError):
        resolve("../small")


def test_models_of_this_package_are_sound():
    for info in list_models():
        assert info.architecture in weights.ARCHITECTURES
        assert info.card
        load(info.name)


def test_listing_needs_no_torch(file):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import model; from model.hub.weights import *; from pathlib import Path;"
        "list_models(); describe(Path(sys.argv[2])); resolve(sys.argv[2]);"
        "print([name for name in ('torch', 'numpy', 'safetensors') if name in sys.modules])"
    )
    root = str(Path(model.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", program, root, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- damage ------------------------------------------------------------------------------------------------


def header_of(data):
    return 8 + int.from_bytes(data[:8], "little")


def test_any_flipped_bit_is_found(file):
    data = bytearray(file.read_bytes())
    header = header_of(data)
    places = [
        *range(0, header, 97),
        *range(header, len(data), 499),
        0,
        7,
        8,
        header - 1,
        header,
        len(data) - 1,
    ]
    for place in places:
        data[place] ^= 1 << place % 8
        file.write_bytes(data)
        if data[8:header] and json_equal(data, place, header):
            data[place] ^= 1 << place % 8
            continue
        with pytest.raises(WeightsError):
            load(file)
        data[place] ^= 1 << place % 8
    file.write_bytes(data)
    load(file)


def json_equal(data, place, header):
    """Whether the flip only turned one blank of the header's padding into another (a tab, say)."""
    return 8 <= place < header and data[place : place + 1].isspace()


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 100, 0.3, 0.9, -1])
def test_truncated_files_are_found(file, keep):
    data = file.read_bytes()
    file.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(WeightsError, match=r"small\.safetensors"):
        load(file)


def test_bytes_too_many_are_found(file):
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="cut off"):
        load(file)


def rewrite(path, change):
    """Change the header's JSON and keep the tensors."""
    data = path.read_bytes()
    end = header_of(data)
    entries = json.loads(data[8:end])
    change(entries)
    text = json.dumps(entries).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda entries: entries["__metadata__"].pop("sha256"), "checksum"),
        (lambda entries: entries["__metadata__"].update(sha256="0" * 64), "checksum"),
        (lambda entries: entries["__metadata__"].update(card="{}"), "checksum"),
        (lambda entries: entries["__metadata__"].update(architecture="other"), "checksum"),
        (lambda entries: entries["__metadata__"].update(config=3), "more than strings"),
        (lambda entries: entries.pop("_cross_net.lstm.0.bias_hh_l0"), "checksum"),
    ],
)
def test_a_changed_header_is_found(file, change, words):
    rewrite(file, change)
    with pytest.raises(WeightsError, match=words):
        load(file)


@pytest.mark.parametrize("junk", [b"", b"hello", b"\0" * 100, b"RIFF" + b"\xff" * 100, b"[]" * 50, b"PK\x03\x04junk"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ""])
def test_other_files_are_refused(tmp_path, junk, suffix):
    path = tmp_path / f"film{suffix}"
    path.write_bytes(junk)
    with pytest.raises(WeightsError, match="film"):
        load(path)


def test_a_header_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    for text in (b"[]", b"3", b"{]", b'{"__metadata__": 3}', b"[" * 100_000):
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        with pytest.raises(WeightsError, match=r"x\.safetensors"):
            load(path)


def test_a_git_lfs_pointer_is_told_apart(tmp_path):
    path = tmp_path / "default_mrx_pre_trained_weights.pth"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 122317463\n")
    with pytest.raises(WeightsError, match="Git LFS pointer"):
        load(path)


def test_unreadable_files_say_so(file, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    for act in (load, describe):
        with pytest.raises(WeightsError, match=r"cannot read the weights .*Permission denied"):
            act(file)


def test_tensors_of_another_network_are_refused(tmp_path, monkeypatch):
    network = tiny()
    network.config = tiny(hidden=16).config
    save(network, tmp_path / "x.safetensors", {})
    with pytest.raises(WeightsError, match=r"does not fit its network \(size mismatch"):
        load(tmp_path / "x.safetensors")
    network.config = {"width": 3}
    save(network, tmp_path / "x.safetensors", {})
    with pytest.raises(WeightsError, match=r"cannot build .* update cfork"):
        load(tmp_path / "x.safetensors")
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr(weights, "ARCHITECTURES", {"tomorrow": weights.ARCHITECTURES["mrx"]})
        save(tiny(), tmp_path / "x.safetensors", {})
    with pytest.raises(WeightsError, match="does not know; update cfork"):
        load(tmp_path / "x.safetensors")


def test_every_message_is_one_line(file, tmp_path):
    network = tiny()
    network.config = tiny(hidden=16).config
    save(network, file, {})
    with pytest.raises(WeightsError) as caught:
        load(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(file))


# --- the released checkpoints of MRX -----------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_released_checkpoints_are_recognized(tmp_path, zipped):
    network = tiny(hop=256, windows=(512, 1024))
    path = tmp_path / "default_mrx_pre_trained_weights.pth"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=zipped)
    loaded = load(path)
    assert equal(loaded, network)
    assert loaded.config == network.config


def test_without_a_suffix_they_are_recognized_by_their_first_bytes(tmp_path):
    torch.save(tiny(hop=256).state_dict(), tmp_path / "weights")
    assert equal(load(tmp_path / "weights"), tiny(hop=256))


def test_as_safetensors_of_others_they_are_recognized_too(tmp_path):
    save_file(tiny(hop=256).state_dict(), tmp_path / "mrx.safetensors", metadata={"format": "pt"})
    assert equal(load(tmp_path / "mrx.safetensors"), tiny(hop=256))
    with pytest.raises(WeightsError, match="does not say what network"):
        describe(tmp_path / "mrx.safetensors")


def test_a_recognized_checkpoint_can_be_saved_as_ours(tmp_path):
    torch.save(tiny(hop=256).state_dict(), tmp_path / "paper_mrx_pre_trained_weights.pth")
    save(load(tmp_path / "paper_mrx_pre_trained_weights.pth"), tmp_path / "ours.safetensors", CARD)
    assert load(tmp_path / "ours.safetensors").level_matched is False


@pytest.mark.parametrize(
    ("name", "matched"),
    [("default", True), ("paper", False), ("adapted_loudness", True), ("adapted_eq", True), ("mine", True)],
)
def test_levels_are_known_by_name(tmp_path, name, matched):
    path = tmp_path / f"{name}_mrx_pre_trained_weights.pth"
    torch.save(tiny().state_dict(), path)
    assert load(path).level_matched is matched


def test_levels_are_known_by_digest_whatever_the_name(tmp_path, monkeypatch):
    path = tmp_path / "renamed.pth"
    path.write_bytes(b"x" * 10)
    assert is_level_matched(path)
    digest = hashlib.sha256(b"x" * 10).hexdigest()
    monkeypatch.setitem(RELEASES, "paper", type(RELEASES["paper"])(digest, 10, False))
    assert not is_level_matched(path)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("nested", [True, False])
def test_hostile_pickles_are_refused_and_do_not_run(tmp_path, protocol, nested):
    sprung = tmp_path / "sprung"
    trap = {"_encoders.0.layer.1.weight": Trap(sprung)} if nested else Trap(sprung)
    plain, zipped = tmp_path / "plain.pth", tmp_path / "zipped.pth"
    plain.write_bytes(pickle.dumps(trap, protocol=protocol))
    torch.save(trap, zipped)
    for path in (plain, zipped):
        with pytest.raises(WeightsError):
            load(path)
    with pytest.raises(WeightsError, match="could run a program, so it was refused"):
        load(zipped)
    assert not sprung.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("keep", [0, 3, 64, 0.2, 0.5, 0.99])
def test_truncated_checkpoints_are_found(tmp_path, zipped, keep):
    path = tmp_path / "cut.pth"
    torch.save(tiny().state_dict(), path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(WeightsError, match=r"damaged|not a plain state dict"):
        load(path)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": {"a": torch.zeros(1)}}, torch.zeros(2)])
def test_other_contents_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="not a plain state dict"):
        load(tmp_path / "x.pth")


def test_other_networks_are_refused(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(WeightsError, match="not a separation network"):
        load(path)
    torch.save({"_encoders.3.layer.1.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(WeightsError, match="not a separation network"):
        load(path)
    torch.save(MRX(stems=("a", "b"), windows=(64,), hidden=8).state_dict(), path)
    with pytest.raises(WeightsError, match="2 stems"):
        load(path)
    state = tiny().state_dict()
    del state["_cross_net.lstm.1.bias_hh_l0"]
    torch.save(state, path)
    with pytest.raises(WeightsError, match="does not fit its network"):
        load(path)


# --- what would take more memory than it is worth ----------------------------------------------------------


def test_a_configuration_that_asks_for_a_huge_network(tmp_path):
    for change in ({"hidden": 60_000}, {"layers": 200}, {"layers": 10**9}, {"windows": [10**9]},
                   {"windows": [64] * 1000}, {"hidden": 1e308}):  # fmt: skip
        network = tiny()
        network.config = {**network.config, **change}
        save(network, tmp_path / "x.safetensors", {})
        tracemalloc.start()
        with pytest.raises(WeightsError, match=r"does not fit its network|larger than any|cannot build"):
            load(tmp_path / "x.safetensors")
        assert tracemalloc.get_traced_memory()[1] < 50e6
        tracemalloc.stop()


@pytest.mark.parametrize("change", [{"hidden": 300}, {"layers": 9}, {"layers": 10**9}, {"windows": [64] * 1000}])
def test_facts_are_told_of_no_network_that_its_file_does_not_have(tmp_path, change, monkeypatch):
    """To count its numbers it was built, with 230 bytes behind it."""
    network = tiny()
    network.config = {**network.config, **change}
    save(network, tmp_path / "x.safetensors", {})
    places = []
    real = MRX.__init__

    def built(self, **words):
        places.append(torch.get_default_device().type)
        real(self, **words)

    monkeypatch.setattr(MRX, "__init__", built)
    with pytest.raises(WeightsError, match=r"does not fit its network|larger than any"):
        examine(tmp_path / "x.safetensors")
    assert set(places) <= {"meta"}


@pytest.mark.parametrize("size", [12_000_000_000, 1_000_000_000])
def test_a_sparse_file_is_not_read(tmp_path, file, size, monkeypatch):
    path = tmp_path / "sparse.safetensors"
    path.write_bytes(file.read_bytes())
    os.truncate(path, size)
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("a checksum of all of it"))
    for act in (load, weights.container.check, lambda path: list(verify(path))):
        with pytest.raises(WeightsError, match=r"no file of weights|cut off"):
            act(path)
    os.truncate(path, 12_000_000_000)
    path.rename(tmp_path / "sparse.pth")
    for act in (load, lambda path: list(verify(path)), inventory.digest_of):
        with pytest.raises(WeightsError, match="no file of weights"):
            act(tmp_path / "sparse.pth")
    with pytest.raises(ModelError, match="no file of weights"):
        model_digest(str(tmp_path / "sparse.pth"))


def test_a_header_is_as_long_as_headers_are(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes((99_000_000).to_bytes(8, "little"))
    os.truncate(path, 99_000_008)
    for act in (load, describe):
        with pytest.raises(WeightsError, match="not a file of weights"):
            act(path)


def test_an_archive_that_grows_is_refused(tmp_path):
    plain, path = tmp_path / "plain.pth", tmp_path / "bomb.pth"
    torch.save(tiny().state_dict(), plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in source.infolist():
            bomb.writestr(entry.filename, source.read(entry))
        with bomb.open("archive/data/99", "w") as more:
            for _ in range(200):
                more.write(bytes(1 << 20))
    with pytest.raises(WeightsError, match="compressed data"):
        load(path)


def test_a_tensor_of_one_number_is_not_a_large_one(tmp_path):
    state = tiny().state_dict()
    state["_encoders.0.layer.1.weight"] = torch.zeros(1).expand(512, 1 << 19)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="more numbers than the file can hold"):
        load(tmp_path / "x.pth")


def test_a_network_is_loaded_without_a_compiler_of_torch(tmp_path: Path) -> None:
    """It takes a second to import, and leaves a folder among the temporary files."""
    code = "import sys; from model.hub.weights import load; load('cfork'); print('torch._dynamo' in sys.modules)"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
    assert list(tmp_path.iterdir()) == []
