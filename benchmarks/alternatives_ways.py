"""The ways to compute a network's core that `alternatives.py` compares: each takes the core, and gives a function."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.networks.bandsplit import BandSplit
from model.networks.mrx import MRX

Run = Callable[..., Sequence[Tensor]]  # inputs of the core -> masks


class Missing(Exception):
    """What a way needs is not here."""


class BandSplitCore(nn.Module):
    """Features `[batch, frames, bands, n]` -> masks of every stem and resolution."""

    def __init__(self, network: BandSplit) -> None:
        super().__init__()
        self.encoder, self.layers = network.encoder, network.layers
        self.decoders = nn.ModuleList(network.decoders[stem] for stem in network.stems)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        hidden = self.encoder(features).transpose(0, 1).contiguous()
        for layer in self.layers:
            hidden = layer(hidden)
        hidden = hidden.transpose(0, 1).contiguous()
        return tuple(mask for decode in self.decoders for mask in decode(hidden))


class MRXCore(nn.Module):
    """Magnitudes `[batch, frames, bins]` of three resolutions -> masks of every stem and resolution."""

    def __init__(self, network: MRX) -> None:
        super().__init__()
        self.encoders, self.cross_net, self.decoders = network._encoders, network._cross_net, network._decoders

    def forward(self, *magnitudes: Tensor) -> tuple[Tensor, ...]:
        encodings = [encode(m) for encode, m in zip(self.encoders, magnitudes, strict=True)]
        features = self.cross_net(torch.stack(encodings).mean(dim=0))
        return tuple(decode(features) for of_stem in self.decoders for decode in of_stem)


def core_of(network: nn.Module) -> nn.Module:
    """The part between the transforms, sharing the network's weights."""
    core = BandSplitCore(network) if isinstance(network, BandSplit) else MRXCore(network)  # type: ignore[arg-type]
    return core.eval()


def eager(core: nn.Module, inputs: Sequence[Tensor], threads: int) -> Run:
    return core


def autocast(core: nn.Module, inputs: Sequence[Tensor], threads: int) -> Run:
    def run(*inputs: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return core(*inputs)

    return run


def bfloat16_lstm(core: nn.Module, inputs: Sequence[Tensor], threads: int) -> Run:
    """The LSTMs have bfloat16 weights, and hear and say bfloat16; all else stays float32."""
    for lstm in [part for part in core.modules() if isinstance(part, nn.LSTM)]:
        lstm.to(torch.bfloat16)
        lstm.register_forward_pre_hook(lambda _, given: (given[0].to(torch.bfloat16),))
        lstm.register_forward_hook(lambda _, given, found: (found[0].float(), found[1]))
    return core


def onednn_bf16(core: nn.Module, inputs: Sequence[Tensor], threads: int) -> Run:
    """Float32 in memory; oneDNN may multiply in bfloat16 if it has such kernels for this processor."""

    def run(*inputs: Tensor) -> Any:
        backend: Any = torch.backends.mkldnn
        before = backend.matmul.fp32_precision, backend.rnn.fp32_precision
        backend.matmul.fp32_precision = backend.rnn.fp32_precision = "bf16"
        try:
            return core(*inputs)
        finally:
            backend.matmul.fp32_precision, backend.rnn.fp32_precision = before

    if not hasattr(getattr(torch.backends.mkldnn, "rnn", None), "fp32_precision"):
        raise Missing(f"torch {torch.__version__} has no fp32_precision")
    return run


def dynamic_int8(*kinds: type[nn.Module]) -> Callable[..., Run]:
    def build(core: nn.Module, inputs: Sequence[Tensor], threads: int) -> Run:
        try:
            from torch.ao.quantization import default_dynamic_qconfig, per_channel_dynamic_qconfig, quantize_dynamic
        except ImportError as e:
            raise Missing(f"torch {torch.__version__} has no torch.ao.quantization") from e
        per_channel = {nn.Linear: per_channel_dynamic_qconfig, nn.LSTM: default_dynamic_qconfig}
        made: Run = quantize_dynamic(core, {kind: per_channel[kind] for kind in kinds}, dtype=torch.qint8)
        return made

    return build


def torchao_int8(core: nn.Module, inputs: Sequence[Tensor], threads: int) -> Run:
    try:
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_
    except ImportError as e:
        raise Missing("torchao is not installed") from e
    quantize_(core, Int8DynamicActivationInt8WeightConfig())
    return core


def onnx(int8: bool) -> Callable[..., Run]:
    def build(core: nn.Module, inputs: Sequence[Tensor], threads: int) -> Run:
        try:
            import onnxruntime
            import onnxruntime.quantization as quantization
        except ImportError as e:
            raise Missing("onnx and onnxruntime are not installed") from e
        names = [f"input{n}" for n in range(len(inputs))]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "core.onnx"
            # The older exporter: the same graph as dynamo's but for names, in a tenth of the time.
            torch.onnx.export(core, tuple(inputs), path, dynamo=False, opset_version=20, input_names=names)
            if int8:
                path = path.with_stem("int8")
                quantization.quantize_dynamic(
                    path.with_stem("core"), path, per_channel=True, nodes_to_exclude=_batched(path.with_stem("core"))
                )
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = 3
            options.enable_cpu_mem_arena = False  # one more heap; malloc keeps what is freed
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting is no work
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def run(*inputs: Tensor) -> list[Tensor]:
            given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
            return [torch.from_numpy(mask) for mask in session.run(None, given)]

        return run

    return build


def _batched(path: Path) -> list[str]:
    """Nodes of a graph whose weights have a matrix for each band: ONNX Runtime refuses those per channel."""
    import onnx

    graph = onnx.load(path).graph
    batched = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 3}
    return [node.name for node in graph.node if node.op_type == "MatMul" and batched & set(node.input)]


def compiled(freezing: bool, bfloat16: bool) -> Callable[..., Run]:
    def build(core: nn.Module, inputs: Sequence[Tensor], threads: int) -> Run:
        if shutil.which(os.environ.get("CXX", "g++")) is None:
            raise Missing("no C++ compiler")
        import torch._dynamo.config
        import torch._inductor.config

        # What the first call costs is asked for: no caches, and no processes that outlive it.
        torch._inductor.config.force_disable_caches = True
        torch._inductor.config.compile_threads = 1
        torch._dynamo.config.recompile_limit = 64  # every network, batch and number of threads is compiled anew
        made = torch.compile(core, dynamic=False, options={"freezing": freezing})

        def run(*inputs: Tensor) -> Any:
            # freezing refuses under inference_mode, whose tensors cannot leave it
            with torch._dynamo.config.patch(allow_rnn=True), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                return made(*inputs)

        return run

    return build


def traced(core: nn.Module, inputs: Sequence[Tensor], threads: int) -> Run:
    frozen = torch.jit.freeze(torch.jit.trace(core, tuple(inputs), check_trace=False))
    made: Run = torch.jit.optimize_for_inference(frozen)
    return made


@dataclass(frozen=True)
class Way:
    """One way to compute the core; `needs` are the distributions that it takes beside torch."""

    title: str
    build: Callable[[nn.Module, Sequence[Tensor], int], Run]
    needs: tuple[str, ...] = ()


PLAIN = "float32"
ONNX = ("onnxruntime", "flatbuffers", "protobuf", "onnx", "ml_dtypes")  # onnx writes the graph
WAYS: dict[str, Way] = {
    PLAIN: Way("float32, as torch runs it", eager),
    "bfloat16": Way("bfloat16, autocast", autocast),
    "bfloat16-lstm": Way("bfloat16 in the LSTMs only", bfloat16_lstm),
    "onednn-bf16": Way("oneDNN free to multiply in bfloat16", onednn_bf16),
    "int8": Way("int8 quantize_dynamic, Linear and LSTM", dynamic_int8(nn.Linear, nn.LSTM)),
    "int8-linear": Way("int8 quantize_dynamic, Linear", dynamic_int8(nn.Linear)),
    "torchao": Way("int8 torchao, Linear", torchao_int8, ("torchao",)),
    "onnx": Way("ONNX Runtime, float32", onnx(int8=False), ONNX),
    "onnx-int8": Way("ONNX Runtime, dynamic int8", onnx(int8=True), ONNX),
    "jit": Way("jit.trace, freeze, optimize_for_inference", traced),
    "compile": Way("torch.compile", compiled(freezing=False, bfloat16=False)),
    "compile-freeze": Way("torch.compile, freezing", compiled(freezing=True, bfloat16=False)),
    "compile-bfloat16": Way("torch.compile, freezing, bfloat16", compiled(freezing=True, bfloat16=True)),
}
