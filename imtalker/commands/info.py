"""``imtalker info``: versions, devices, and what a preset consists of."""

import argparse
import json
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from imtalker.commands.exit_codes import DONE

PACKAGES = ("torch", "transformers", "av", "opencv-python", "numpy", "gradio", "face-alignment", "moviepy")

NAMES, EXTRA = ("info",), None


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("info", help="versions, devices, and what a preset consists of")
    parser.add_argument("--preset", default="tiny", metavar="tiny|base|DIR", help="preset or folder of weights")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what there is."""
    facts = {"versions": versions(), "devices": devices(), "preset": preset_facts(arguments.preset)}
    print(json.dumps(facts) if arguments.json else _as_text(facts))  # noqa: T201
    return DONE


def versions() -> dict[str, str]:
    """Versions of this package and of what it stands on."""
    from imtalker.version import __version__

    found = {"imtalker": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def devices() -> dict[str, str]:
    """What can compute here: device -> description."""
    import torch

    found = {"cpu": f"{torch.get_num_threads()} threads, {platform.processor() or platform.machine()}"}
    for index in range(torch.cuda.device_count()):
        found[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return found


def preset_facts(name: str) -> dict[str, Any]:
    """Configuration, weights and size of a preset. Nothing is downloaded."""
    from imtalker.weights.load import load_models
    from imtalker.weights.presets import PRESET_NAMES, get_preset

    preset = get_preset(name) if name in PRESET_NAMES else None
    if preset is not None and preset.files:
        facts: dict[str, Any] = {
            "weights": [f"{f.repo}/{f.name}@{f.revision}, fetched on first use" for f in preset.files]
        }
    else:
        models = load_models(name)
        preset = models.preset
        networks = {
            "renderer": models.renderer,
            "generator": models.generator,
            "audio encoder": models.audio_encoder,
        }
        sizes = {key: sum(p.numel() for p in net.parameters()) for key, net in networks.items()}
        facts = {"weights": str(preset.directory), "revision": models.revision, "parameters": sizes}
    sizes = [f"{side}x{side}" for side in reversed(preset.renderer.sizes)]
    return {
        "name": preset.name,
        **facts,
        "input": f"{preset.renderer.input_size}x{preset.renderer.input_size}",
        "output": f"{' or '.join(sizes)} at 25 frames per second",
        "motion": preset.generator.motion_layout,
        "crop": asdict(preset.crop),
        "sampling": asdict(preset.sampling),
    }


def _as_text(facts: dict[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}", _as_text(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value}")
    return "\n".join(lines)
