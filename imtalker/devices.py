"""Which device and number type to compute in."""

import torch

from imtalker.errors import InputError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
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
    """ "auto" is bfloat16 on CUDA devices that have it, else float32.

    Raises:
        InputError: unknown type.
    """
    if isinstance(name, torch.dtype):
        return name
    if name == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    name = ALIASES.get(name, name)
    if name not in DTYPES:
        raise InputError(f"unknown number type {name!r}; use auto, {', '.join(DTYPES)}")
    return DTYPES[name]
