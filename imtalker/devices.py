"""Which device and number type to compute in."""

import torch

from imtalker.errors import InputError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
VOLTA, AMPERE = 7, 8  # major compute capability: tensor cores for float16, and for bfloat16
ALIASES = {"fp32": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16"}


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """ "auto" is CUDA, else MPS, else the CPU.

    Raises:
        InputError: no such device, or it is not available here.
    """
    if isinstance(name, torch.device):
        return name
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:1 or mps") from error
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device.type, False) or (device.index or 0) >= max(1, torch.cuda.device_count()):
        raise InputError(f"device {name!r} is not available on this machine; use auto or cpu")
    return device


def resolve_dtype(name: str | torch.dtype, device: torch.device) -> torch.dtype:
    """ "auto" is bfloat16 on CUDA devices that compute in it (not those that emulate it), float16 on older ones with
    fast half precision (V100, T4, RTX 20), else float32.

    Raises:
        InputError: unknown type.
    """
    if isinstance(name, torch.dtype):
        return name
    if name == "auto":
        return _fastest_dtype(device) if device.type == "cuda" else torch.float32
    name = ALIASES.get(name, name)
    if name not in DTYPES:
        raise InputError(f"unknown number type {name!r}; use auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def _fastest_dtype(device: torch.device) -> torch.dtype:
    major = torch.cuda.get_device_capability(device)[0]
    is_amd = torch.version.hip is not None
    if torch.cuda.is_bf16_supported(including_emulation=False) and (is_amd or major >= AMPERE):
        return torch.bfloat16
    return torch.float16 if is_amd or major >= VOLTA else torch.float32
