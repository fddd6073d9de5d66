"""Which device and number type to compute in."""

import torch

from imtalker.errors import InputError

MIXED = "mixed"  # float32, and bfloat16 inside those convolutions that do not show it, see ``imtalker.renderer.fuse``
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, MIXED: torch.float32}
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


def resolve_precision(name: str | torch.dtype, device: torch.device) -> str:
    """One of ``DTYPES``. "auto" is bfloat16 on CUDA devices that compute in it (not those that emulate it), float16 on
    older ones with fast half precision (V100, T4, RTX 20), "mixed" on CPUs that compute in bfloat16, else float32.

    Raises:
        InputError: unknown type.
    """
    if isinstance(name, torch.dtype):
        return _name(name)
    name = ALIASES.get(name, name)
    if name != "auto" and name not in DTYPES:
        raise InputError(f"unknown number type {name!r}; use auto, {', '.join(DTYPES)}")
    if device.type != "cpu":
        fastest = _name(_fastest_dtype(device)) if device.type == "cuda" else "float32"
        return {"auto": fastest, MIXED: "float32"}.get(name, name)
    if name == "auto":
        return MIXED if cpu_has_bfloat16() else "float32"
    return name


def cpu_has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 (AVX-512 BF16, AMX); others emulate it and are slower with it."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(ask() for ask in (getattr(torch.cpu, name, None) for name in names) if ask is not None)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _fastest_dtype(device: torch.device) -> torch.dtype:
    major = torch.cuda.get_device_capability(device)[0]
    is_amd = torch.version.hip is not None
    if torch.cuda.is_bf16_supported(including_emulation=False) and (is_amd or major >= AMPERE):
        return torch.bfloat16
    return torch.float16 if is_amd or major >= VOLTA else torch.float32
