"""Weight files: safetensors with the configuration, and a checksum of the tensors, inside the metadata.

Loading is strict: a file that does not match its network, or that is damaged, raises WeightsError and says
what to do.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from imtalker.errors import InputError, OutputError, WeightsError
from imtalker.media.atomic import atomic_file
from imtalker.weights.config_json import config_from_dict

FORMAT = "imtalker-1"  # changes when older code could no longer read a file
LISTED_KEYS = 10  # offending keys named in a message
CHUNK_BYTES = 1 << 20
# Entries of stock modules that inference never reads: not stored, not asked for.
UNUSED_SUFFIXES = ("num_batches_tracked", "masked_spec_embed")

Config = TypeVar("Config")
Network = TypeVar("Network", bound=nn.Module)


def save_weights(
    module: nn.Module,
    config: Any,
    path: str | os.PathLike,
    *,
    dtype: torch.dtype | None = None,
    parts: Mapping[str, str] | None = None,
    **metadata: Any,
) -> None:
    """Write a network and the configuration it was built from.

    Args:
        config: the frozen dataclass of ``imtalker.config``.
        parts: key prefix -> file name beside ``path`` that takes those tensors, where one file would be too large
            for a repository without large-file storage. Reading ``path`` finds them again.
        dtype: type the floating-point tensors are stored in, for example ``torch.float16`` to halve the file.
        metadata: further entries, strings (model card facts, training step, revision).
    Raises:
        OutputError: the file cannot be written; an older file of that name is then left as it was.
    """
    save_state(module.state_dict(), config, path, dtype=dtype, parts=parts, **metadata)


def save_state(
    state: Mapping[str, Tensor],
    config: Any,
    path: str | os.PathLike,
    *,
    dtype: torch.dtype | None = None,
    parts: Mapping[str, str] | None = None,
    **metadata: Any,
) -> None:
    """As :func:`save_weights`, from a state dict."""
    path = Path(path)
    for prefix, name in (parts or {}).items():
        part = {key: value for key, value in state.items() if key.startswith(prefix)}
        state = {key: value for key, value in state.items() if not key.startswith(prefix)}
        save_state(part, config, path.with_name(name), dtype=dtype, **metadata)
    if parts:
        metadata["parts"] = ",".join(parts.values())
    tensors = {}
    for key, value in state.items():
        if key.endswith(UNUSED_SUFFIXES):
            continue
        value = value.detach().cpu()
        tensors[key] = (value.to(dtype) if dtype and value.is_floating_point() else value).contiguous()
    header = {
        **metadata,
        "format": FORMAT,
        "config": json.dumps(dataclasses.asdict(config)),
        "checksum": checksum(tensors),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, (".safetensors",)) as temporary:
            save_file(tensors, temporary, metadata=header)
            temporary.chmod(0o644)  # the library makes it private; a cache may be shared
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path}: cannot be written ({error}); free some space or choose another folder") from error


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        tensor = tensors[key].contiguous()
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def file_sha256(path: str | os.PathLike, progress: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file, read in chunks; ``progress`` receives the bytes of each."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            if progress is not None:
                progress(len(chunk))
    return digest.hexdigest()


def load_module(
    path: str | os.PathLike, config_type: type[Config], build: Callable[[Config], Network]
) -> tuple[Network, Config, dict[str, str]]:
    """The network in a file, built as its configuration says, in evaluation mode; and the metadata."""
    tensors, metadata = read_weights(path)
    config = parse_config(metadata["config"], config_type, path)
    module = build(config)
    load_state(module, tensors, path)
    module.eval().requires_grad_(False)
    return module, config, metadata


def load_weights(module: nn.Module, path: str | os.PathLike) -> dict[str, str]:
    """Load a file into a network of the same configuration and return the file's metadata.

    Tensors stored in half precision are converted to the network's type.
    Raises WeightsError when the file is missing or damaged, or when keys or shapes do not match.
    """
    tensors, metadata = read_weights(path)
    load_state(module, tensors, path)
    return metadata


def read_weights(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file and of the parts it names, their checksums verified.

    A part holds tensors of its own and names no parts: a file that names itself, or two that name each other, is
    damaged or made by hand.
    """
    tensors, metadata = _read_verified(path)
    for name in filter(None, metadata.get("parts", "").split(",")):
        part = Path(path).with_name(Path(name).name)
        more, about = _read_verified(part)
        if about.get("parts"):
            raise WeightsError(f"{path}: its part {part.name} names parts itself; fetch or convert the weights again")
        if not tensors.keys().isdisjoint(more):
            raise WeightsError(f"{path}: its part {part.name} repeats tensors; fetch or convert the weights again")
        tensors |= more
    return tensors, metadata


def _read_verified(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    metadata = read_metadata(path)
    with _open(path) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    if metadata.get("checksum") != checksum(tensors):
        raise WeightsError(f"{path}: contents do not match their checksum; delete it and fetch or convert it again")
    return tensors, metadata


def read_metadata(path: str | os.PathLike) -> dict[str, str]:
    """What a file says about itself; reads its header only."""
    with _open(path) as file:
        metadata = file.metadata() or {}
    if metadata.get("format") != FORMAT or "config" not in metadata:
        found = metadata.get("format", "no format entry")
        raise WeightsError(f"{path}: {found}, expected {FORMAT}; use imtalker convert for official checkpoints")
    return metadata


@contextlib.contextmanager
def _open(path: str | os.PathLike) -> Iterator[Any]:
    if not Path(path).is_file():
        raise WeightsError(f"{path}: no such file; download or convert the weights first (imtalker convert)")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: not a complete safetensors file ({error}); delete it and fetch or convert it again"
        ) from error


def load_state(module: nn.Module, tensors: Mapping[str, Tensor], source: object) -> None:
    """Strictly copy a state into a network. Raises WeightsError listing what does not fit."""
    own = {key: value for key, value in module.state_dict().items() if not key.endswith(UNUSED_SUFFIXES)}
    given = {key: value for key, value in tensors.items() if not key.endswith(UNUSED_SUFFIXES)}
    problems = describe_mismatch(own, given)
    if problems:
        raise WeightsError(
            f"{source}: does not fit {type(module).__name__}: {problems}; use weights made for this version"
        )
    module.load_state_dict(given, strict=False)


def describe_mismatch(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """What keeps ``given`` from being loaded as ``expected``: one line, empty when nothing does."""
    parts = [
        ("missing", [key for key in expected if key not in given]),
        ("unexpected", [key for key in given if key not in expected]),
        (
            "of another shape",
            [
                f"{key} {tuple(given[key].shape)} instead of {tuple(value.shape)}"
                for key, value in expected.items()
                if key in given and given[key].shape != value.shape
            ],
        ),
    ]
    return "; ".join(f"{len(keys)} {what}: {list_some(keys)}" for what, keys in parts if keys)


def list_some(keys: Iterable[str]) -> str:
    """The first keys, comma separated."""
    keys = list(keys)
    more = len(keys) - LISTED_KEYS
    return ", ".join(keys[:LISTED_KEYS]) + (f" and {more} more" if more > 0 else "")


def parse_config(text: str, config_type: type[Config], source: object) -> Config:
    """A configuration dataclass from its JSON. Fields it lacks take their defaults."""
    try:
        return config_from_dict(config_type, json.loads(text), str(source))
    except (ValueError, InputError) as error:
        raise WeightsError(
            f"{source}: unusable configuration ({error}); update imtalker, or fetch or convert the file again"
        ) from error
