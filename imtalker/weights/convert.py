"""Official checkpoints (PyTorch Lightning ``.ckpt``) -> weight files of this package.

Pickles are read with ``weights_only``: code inside one never runs. Every entry is renamed, or checked
against the constant it must hold, or dropped on purpose; anything else, and anything missing, is an error
that lists the keys. The key names themselves are in ``official_keys.py``.
"""

import argparse
import logging
import os
import pathlib
import pickle
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from imtalker.config import AudioEncoderConfig, GeneratorConfig, RendererConfig
from imtalker.errors import WeightsError
from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.renderer import Renderer
from imtalker.weights.file import describe_mismatch, list_some, save_state
from imtalker.weights.official_keys import (
    AUDIO_KEYS,
    AUDIO_PREFIX,
    DROPPED,
    GENERATOR_KEYS,
    RENDERER_KEYS,
    STYLED_CONV,
    Rules,
    expected_constant,
    rename,
)
from imtalker.weights.presets import GENERATOR_V1, GENERATOR_V2, RENDERER_V1, RENDERER_V2

log = logging.getLogger(__name__)

State = dict[str, Tensor]

RENDERER_CONFIGS: dict[str, RendererConfig] = {"v1": RENDERER_V1, "v2": RENDERER_V2}
GENERATOR_CONFIGS: dict[str, GeneratorConfig] = {"v1": GENERATOR_V1, "v2": GENERATOR_V2}
AUDIO_CONFIG = AudioEncoderConfig()
CONSTANT_TOLERANCE = 1e-5  # the sine tables are computed in other orders


class _Attributes(dict):
    """Stands in for Lightning's hyper-parameter dictionary, whose contents are not used."""


# Plain containers that Lightning checkpoints hold beside the weights. None of them can run anything.
INERT_TYPES: list[Any] = [
    argparse.Namespace,
    (_Attributes, "lightning_fabric.utilities.data.AttributeDict"),
    (_Attributes, "lightning.fabric.utilities.data.AttributeDict"),
    (_Attributes, "pytorch_lightning.utilities.parsing.AttributeDict"),
    (pathlib.PurePosixPath, "pathlib.PosixPath"),
    (pathlib.PurePosixPath, "pathlib._local.PosixPath"),
    (pathlib.PureWindowsPath, "pathlib.WindowsPath"),
    (pathlib.PureWindowsPath, "pathlib._local.WindowsPath"),
]


def convert_checkpoints(
    renderer: str | os.PathLike,
    generator: str | os.PathLike,
    out: str | os.PathLike,
    *,
    ema: bool = False,
    revision: str | None = None,
    audio_encoder: str | os.PathLike | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Convert an official pair of checkpoints into the folder ``out`` and return it.

    Args:
        ema: take the generator's exponential moving average; the official inference takes the raw weights.
        revision: "v1" or "v2", for a generator file that holds only the average and cannot tell by itself.
        audio_encoder: wav2vec2-base-960h (``pytorch_model.bin`` or ``model.safetensors``), for a generator
            file without one.
        dtype: type to store the weights in; None keeps theirs.
    Raises:
        WeightsError: a file is unreadable, holds code, is of another model, lacks keys or has unknown ones.
        OutputError: the folder cannot be written.
    """
    out = Path(out)
    convert_renderer(renderer, out, dtype=dtype)
    convert_generator(generator, out, ema=ema, revision=revision, audio_encoder=audio_encoder, dtype=dtype)
    return out


def convert_renderer(path: str | os.PathLike, out: Path, *, dtype: torch.dtype | None = None) -> str:
    """Write ``renderer.safetensors`` and return the revision found."""
    state = select(read_checkpoint(path), "gen.", foreign=("disc.", "criterion_vgg."), path=path)
    revision = renderer_revision(state, path)
    config = RENDERER_CONFIGS[revision]
    with torch.device("meta"):
        target = Renderer(config).state_dict()
    converted = convert_state(state, RENDERER_KEYS, target, path)
    save_state(converted, config, out / "renderer.safetensors", dtype=dtype, **_origin(revision, path))
    return revision


def convert_generator(
    path: str | os.PathLike,
    out: Path,
    *,
    ema: bool = False,
    revision: str | None = None,
    audio_encoder: str | os.PathLike | None = None,
    dtype: torch.dtype | None = None,
) -> str:
    """Write ``generator.safetensors`` and ``audio_encoder.safetensors`` and return the revision found."""
    checkpoint = read_checkpoint(path)
    state = generator_state(checkpoint, ema, path)
    revision = generator_revision(state, revision, path)
    speech = {key: value for key, value in state.items() if key.startswith(AUDIO_PREFIX)}
    motion = {key: value for key, value in state.items() if not key.startswith(AUDIO_PREFIX)}
    if audio_encoder is not None:
        speech = select(read_checkpoint(audio_encoder), "wav2vec2.", foreign=("lm_head.",), path=audio_encoder)
        speech = {AUDIO_PREFIX + key: value for key, value in speech.items()}
    if not speech:
        raise WeightsError(
            f"{path}: holds no audio encoder; add wav2vec2-base-960h/pytorch_model.bin (--audio-encoder FILE)"
        )
    config = GENERATOR_CONFIGS[revision]
    with torch.device("meta"):
        targets = MotionGenerator(config).state_dict(), AudioEncoder(AUDIO_CONFIG).state_dict()
    motion = convert_state(motion, GENERATOR_KEYS, targets[0], path)
    speech = convert_state(speech, AUDIO_KEYS, targets[1], audio_encoder or path)
    origin: dict[str, Any] = _origin(revision, path) | {"averaged": "yes" if ema else "no"}
    save_state(motion, config, out / "generator.safetensors", dtype=dtype, **origin)
    save_state(speech, AUDIO_CONFIG, out / "audio_encoder.safetensors", dtype=dtype, **_origin(revision, path))
    return revision


def _origin(revision: str, path: str | os.PathLike) -> dict[str, Any]:
    return {
        "preset": "base" if revision == "v2" else "base-v1",
        "revision": revision,
        "source": Path(path).name,
    }


def read_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """The dictionary in a checkpoint file; tensors stay on disk where the format allows it."""
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; give the official .ckpt file")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(INERT_TYPES):
            # only the zip format of torch >= 1.6 can be mapped
            checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL (\S+)", str(error))
        what = f"asks for {name.group(1)}" if name else "is not a checkpoint of tensors"
        raise WeightsError(
            f"{path}: refused, its pickle {what} and nothing in it was run; "
            "use the official file, or save its state_dict alone with torch.save"
        ) from error
    except (
        SafetensorError, OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, struct.error
    ) as error:  # fmt: skip
        reason = str(error).split("\n")[0]
        raise WeightsError(f"{path}: not a complete checkpoint ({reason}); download it again") from error
    if not isinstance(checkpoint, dict):
        raise WeightsError(f"{path}: holds a {type(checkpoint).__name__}, not a checkpoint; use the official file")
    return checkpoint


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def select(checkpoint: Mapping[str, Any], prefix: str, foreign: tuple[str, ...], path: object) -> State:
    """The tensors of one network in a checkpoint, without their prefix and without foreign networks."""
    state: Any = checkpoint
    for wrapper in ("state_dict", "model"):
        if isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    prefixed = any(key.startswith(prefix) for key in state)
    selected: State = {}
    unknown = []
    for key, value in state.items():
        if prefixed and key.startswith(foreign):
            continue
        if not isinstance(value, Tensor) or (prefixed and not key.startswith(prefix)):
            unknown.append(key)
        else:
            selected[key.removeprefix(prefix)] = value  # at the start only: names may contain it again
    if unknown:
        raise WeightsError(
            f"{path}: {len(unknown)} entries of no known network: {list_some(unknown)}; use the official file"
        )
    return selected


def generator_state(checkpoint: Mapping[str, Any], ema: bool, path: object) -> State:
    """Raw weights; with ``ema`` replaced by averaged ones where there are any (not in the audio encoder)."""
    averaged = checkpoint.get("ema_state_dict")
    only_averaged = averaged is not None and not {"state_dict", "model"} & set(checkpoint)
    raw: State = {} if only_averaged else select(checkpoint, "model.", foreign=(), path=path)
    if not ema and not only_averaged:
        return raw
    if not isinstance(averaged, Mapping):
        raise WeightsError(f"{path}: holds no averaged weights (ema_state_dict); convert without --ema")
    if not ema:
        raise WeightsError(f"{path}: holds averaged weights only; convert with --ema")
    weights = [key for key, value in raw.items() if not key.startswith(AUDIO_PREFIX) and _is_weight(key, value)]
    missing = [key for key in weights if key not in averaged]
    unknown = [key for key in averaged if raw and key not in raw]
    if missing or unknown:
        raise WeightsError(
            f"{path}: averaged and raw weights do not match: {list_some(missing + unknown)}; convert without --ema"
        )
    return raw | dict(averaged)


def _is_weight(key: str, value: Tensor) -> bool:
    return expected_constant(key, value) is None and not DROPPED.search(key)


def renderer_revision(state: State, path: object) -> str:
    """Only the second revision has a block between the stem and the first feature map."""
    if not any(key.startswith("dense_feature_encoder.") for key in state):
        raise WeightsError(f"{path}: holds no renderer; give renderer.ckpt first and generator.ckpt second")
    return "v2" if "dense_feature_encoder.down_block_0.conv1.weight" in state else "v1"


def generator_revision(state: State, revision: str | None, path: object) -> str:
    """The revisions share all weights and differ in the position buffers alone."""
    if not any(key.startswith("fmt.") for key in state):
        raise WeightsError(f"{path}: holds no generator; give renderer.ckpt first and generator.ckpt second")
    found = set()
    if "fmt.pos_embed" in state or "fmt.alignment_mask" in state:
        found.add("v1")
    if "fmt.rotary_emb.inv_freq" in state:
        found.add("v2")
    if len(found) == 2:
        raise WeightsError(f"{path}: has the position buffers of both revisions; use the official file")
    if revision is not None and revision not in GENERATOR_CONFIGS:
        raise WeightsError(f"revision {revision!r} is unknown; choose one of {', '.join(GENERATOR_CONFIGS)}")
    if not found and revision is None:
        raise WeightsError(f"{path}: does not tell its revision (no position buffers); add --revision v1 or v2")
    if found and revision not in (None, *found):
        raise WeightsError(f"{path}: is revision {found.pop()}, not {revision}; leave --revision out")
    return found.pop() if found else str(revision)


def convert_state(state: State, rules: Rules, target: Mapping[str, Tensor], path: object) -> State:
    """Rename official entries to those of ``target``; strict in names, shapes and constants."""
    converted: State = {}
    wrong, twice = [], []
    for key, value in state.items():
        if DROPPED.search(key):
            continue
        constant = expected_constant(key, value)
        if constant is not None:
            if value.shape != constant.shape or not torch.allclose(
                value.float(), constant.float(), rtol=0.0, atol=CONSTANT_TOLERANCE
            ):
                wrong.append(key)
            continue
        name = rename(key, rules)
        if name in converted:
            twice.append(key)
        converted[name] = value.squeeze(0) if STYLED_CONV.search(key) and value.ndim == 5 else value
    needed = {key: value for key, value in target.items() if not DROPPED.search(key)}
    problems = describe_mismatch(needed, converted)
    if twice:
        problems += f"; given twice: {list_some(twice)}"
    if wrong:
        problems += f"; {len(wrong)} constants differ from the architecture's: {list_some(wrong)}"
    if problems:
        raise WeightsError(f"{path}: not an official checkpoint of a known revision: {problems.removeprefix('; ')}")
    return converted
