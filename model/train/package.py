"""Turn a training state into the file of weights that ships: the averaged network in half precision, with its card.

    cfork models package training/first/state.pt model/weights/cfork.safetensors --card card.json \\
        --config '{"residual": [0, 0, 1]}'
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..hub.weights import save
from .config import TrainConfig, from_stored
from .state import new_network, read_state


def package(state_file: Path, out: Path, card: Mapping[str, object], config: Mapping[str, object] | None = None) -> int:
    """Write the weights; returns their size in bytes.

    Args:
        card: what people should know; the steps and minutes of training are added.
        config: arguments of the network that training leaves open, such as `residual`.
    """
    state = read_state(state_file)
    trained = TrainConfig(**from_stored(state["config"]))
    arguments = {**json.loads(trained.network), **(config or {})}
    network = new_network(replace(trained, network=json.dumps(arguments)))
    network.load_state_dict(state["averaged"])
    out.parent.mkdir(parents=True, exist_ok=True)
    training = {"steps": state["step"], "minutes": round(state["minutes"], 1), "seed": trained.seed}
    save(network, out, {**card, "training": training}, half=True)
    return out.stat().st_size


def main() -> None:
    """Command line: python -m model.train.package STATE OUT."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("state", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--card", type=Path, help="JSON: data, license, hours, scores")
    parser.add_argument("--config", type=json.loads, help="JSON: arguments of the network that training leaves open")
    args = parser.parse_args()
    card = json.loads(args.card.read_text()) if args.card else {}
    print(f"{args.out}: {package(args.state, args.out, card, args.config):,} bytes")


if __name__ == "__main__":
    main()
