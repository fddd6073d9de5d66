"""Stopwatch, memory, arithmetic and the machine's own limits: what ``imtalker bench`` measures with."""

import ctypes
import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, over several calls."""

    median: float
    best: float
    worst: float
    calls: int


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def time_call(call: Callable[[], object], device: torch.device, seconds: float = 2.0, warmup: int = 1) -> Timing:
    """Time a call: ``warmup`` calls that do not count, then at least three and for about ``seconds``."""
    return time_calls([call], device, seconds, warmup)[0]


def time_calls(
    calls: Sequence[Callable[[], object]], device: torch.device, seconds: float = 2.0, warmup: int = 1
) -> list[Timing]:
    """Time several calls in turns, so that what disturbs the machine disturbs all of them alike."""
    for _ in range(warmup):
        for call in calls:
            call()
    samples: list[list[float]] = [[] for _ in calls]
    start = time.perf_counter()
    while len(samples[0]) < 3 or (time.perf_counter() - start < seconds and len(samples[0]) < 200):
        for call, taken in zip(calls, samples, strict=True):
            synchronize(device)
            begin = time.perf_counter()
            call()
            synchronize(device)
            taken.append(time.perf_counter() - begin)
    return [Timing(statistics.median(taken), min(taken), max(taken), len(taken)) for taken in samples]


class PeakMemory:
    """Highest memory while the block runs, in bytes: of this process, and of the device if it is a GPU.

    ``growth`` is what came on top of what was held before: on the device if it is a GPU, else in this process.
    On Linux freed memory is handed back and the process's mark set back first; elsewhere ``host`` is None.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.host: int | None = None
        self.device: int | None = None
        self._before = 0

    @property
    def growth(self) -> int | None:
        highest = self.host if self.device is None else self.device
        return None if highest is None else highest - self._before

    def __enter__(self) -> "PeakMemory":
        _hand_back()
        try:
            _CLEAR.write_text("5")  # resets the high-water mark
        except OSError:
            pass
        self._before = _status("VmRSS:") or 0
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
        return self

    def __exit__(self, *_: object) -> None:
        self.host = _status("VmHWM:")
        if self._device.type == "cuda":
            self.device = torch.cuda.max_memory_allocated(self._device)


def _hand_back() -> None:
    """Give freed memory back to the system, where the C library can: else it would be taken again unseen."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _status(entry: str) -> int | None:
    """Bytes that Linux notes for this process; None elsewhere."""
    if not _STATUS.exists():
        return None
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(entry))
    return int(line.split()[1]) * 1024


def count_flops(call: Callable[[], object]) -> int:
    """Floating-point operations of one call: two for each multiplication with addition, convolutions and products."""
    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return counter.get_total_flops()


@dataclass(frozen=True)
class MachineLimits:
    """What the machine reaches at its best, measured now."""

    matmul: float  # FLOP/s of a large matrix product
    convolution: float  # FLOP/s of a 3x3 convolution with 64 channels at 128x128
    bandwidth: float  # bytes/s of a copy, read and written


def machine_limits(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> MachineLimits:
    """Measure the limits; on a CPU with the threads torch uses."""
    side = 8192 if device.type == "cuda" else 1536
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    product = time_call(lambda: a @ b, device, seconds)
    batch, channels, size = (16, 256, 128) if device.type == "cuda" else (1, 64, 128)
    image = torch.randn(batch, channels, size, size, device=device, dtype=dtype)
    image = image.contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    convolution = time_call(lambda: F.conv2d(image, kernel, padding=1), device, seconds)
    source = torch.empty((1 << 30) if device.type == "cuda" else (1 << 27), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy = time_call(lambda: target.copy_(source), device, seconds)
    return MachineLimits(
        2 * side**3 / product.best,
        2 * 9 * batch * channels * channels * size * size / convolution.best,
        2 * source.numel() / copy.best,
    )


def describe_machine(device: torch.device) -> dict[str, str]:
    """Hardware and versions."""
    threads = torch.get_num_threads()
    facts = {"processor": _processor_name(), "cores": f"{threads} {'thread' if threads == 1 else 'threads'} used"}
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = str(torch.version.cuda)
    return facts | {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def _processor_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
