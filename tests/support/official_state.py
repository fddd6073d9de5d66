"""Synthetic checkpoints with exactly the keys, shapes and types of the official ones.

A manifest lists every entry of an official state dict. Each entry's value comes from a generator seeded by
its name, so the same state can be rebuilt anywhere; ``tests/golden`` holds what the official implementation
computed with it. Entries that the architecture fixes (filters, masks, indices, positions) are computed.
"""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

TESTS = Path(__file__).parents[1]
Manifest = dict[str, dict]

FIXED = (".kernel", "attn_mask", "relative_position_index", "alignment_mask", "inv_freq", "pos_embed")
EQUALISED = ("adapt.", "linear_layers", "final_linear", "latent_token", "equalconv", "modulation")


def manifest(*names: str) -> Manifest:
    """Entries of the named manifests together, in file order: key -> {shape, dtype, trainable}."""
    entries: Manifest = {}
    for name in names:
        entries |= json.loads((TESTS / "manifests" / f"{name}.json").read_text())
    return entries


def golden(name: str) -> dict[str, Tensor]:
    """Recorded inputs and outputs of the official implementation."""
    with np.load(TESTS / "golden" / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def smooth_image(size: int, seed: int) -> Tensor:
    """The golden files' source (seed 11) and driving image (seed 12), (1, 3, size, size) in (0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, 3, size, size)
    for k in (4, 8, 16, 32, 64, 128):
        noise = torch.randn(1, 3, k, k, generator=generator)
        noise = torch.nn.functional.interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)
        image = image + noise / math.sqrt(k) * 2
    return image.sigmoid()


def official_state(entries: Manifest, salt: str = "") -> dict[str, Tensor]:
    """State dict of a manifest, constants included."""
    return {
        key: fixed_value(key, entry["shape"]) if key.endswith(FIXED) else random_value(key, entry["shape"], salt)
        for key, entry in entries.items()
    }


def random_value(key: str, shape: list[int], salt: str) -> Tensor:
    """Scales that keep every operation visible in the output: nothing saturates, nothing vanishes."""
    last = key.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    if last == "running_mean":
        return torch.zeros(shape)
    if last == "running_var":
        return torch.full(shape, 2.0)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32((salt + key).encode())))
    if "norm" in key or key.endswith("initial_conv.1.weight") or "_projection.1" in key:
        return 1.0 + 0.2 * x if last == "weight" else 0.1 * x
    if last == "bias":
        return (1.0 if "modulation" in key else 0.0) + 0.1 * x
    if last == "relative_position_bias_table":
        return 0.5 * x
    if "pos_embedding" in key or key.endswith((".const", "noise.weight")):
        return x
    if any(part in key for part in EQUALISED) and key != "latent_token_encoder.conv1.weight":
        return (4.0 if key.endswith("final_linear.weight") else 1.0) * x  # the layer scales by itself
    gain = 1.0
    if ".q_proj." in key or ".k_proj." in key:
        gain = 8.0 if key.startswith("imt.3") else 3.0
    return gain * x / math.sqrt(math.prod(shape[1:]) if len(shape) > 1 else shape[0])


def fixed_value(key: str, shape: list[int]) -> Tensor:
    """Entries of the state dict that follow from the architecture."""
    if key.endswith(".kernel"):
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        kernel = torch.outer(taps, taps) / 64
        return kernel * 4 if key.endswith("conv.blur.kernel") else kernel  # the up-sampling filters have gain 4
    if key.endswith("relative_position_index"):
        return _relative_position_index(math.isqrt(shape[0]))
    if key.endswith("attn_mask"):
        return _shifted_window_mask(math.isqrt(shape[0]), math.isqrt(shape[1]))
    if key.endswith("alignment_mask"):
        frame = torch.arange(shape[0])
        return (frame[:, None] - frame).abs() > 5
    if key.endswith("inv_freq"):
        return 10000.0 ** (-torch.arange(shape[0], dtype=torch.float32) / shape[0])
    half = shape[2] // 2  # pos_embed: sine and cosine take turns
    period = 10000.0 ** (torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(shape[1])[:, None] / period
    return torch.stack([angle.sin(), angle.cos()], dim=-1).reshape(shape).float()


def _relative_position_index(window: int) -> Tensor:
    y, x = (c.flatten() for c in torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij"))
    dy, dx = (c[:, None] - c + window - 1 for c in (y, x))
    return dy * (2 * window - 1) + dx


def _shifted_window_mask(windows: int, window: int) -> Tensor:
    """-100 between cells that only the cyclic shift made neighbours: (windows**2, window**2, window**2)."""
    size = windows * window
    edge = torch.arange(size)
    region = (edge >= size - window).long() + (edge >= size - window // 2).long()
    region = region[:, None] * 3 + region
    region = region.view(windows, window, windows, window).transpose(1, 2).reshape(windows**2, window**2)
    return torch.where(region[:, None, :] == region[:, :, None], 0.0, -100.0)
