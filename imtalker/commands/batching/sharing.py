"""How many workers a cluster takes, and what each of them gets."""

import math
from collections.abc import Mapping, Sequence

from imtalker.errors import InputError


def default_workers(nodes: Sequence[Mapping[str, float]]) -> int:
    """One a GPU; without GPUs one a machine.

    Args:
        nodes: resources of each machine, "CPU" and "GPU".
    """
    return int(sum(node.get("GPU", 0) for node in nodes)) or max(1, len(nodes))


def resources_of_worker(workers: int, nodes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """GPUs and cores of each of so many equal workers: as many as all can have at once.

    Raises:
        InputError: they do not fit, even with one core each.
    """
    gpus = sum(node.get("GPU", 0) for node in nodes)
    share: dict[str, float] = {}
    if gpus:
        share["num_gpus"] = 1.0 if workers <= gpus else 1 / math.ceil(workers / gpus)
    most = int(max((node.get("CPU", 0) for node in nodes), default=0))
    for cores in range(most, 0, -1):
        if sum(_fitting(node, cores, share.get("num_gpus", 0)) for node in nodes) >= workers:
            return {"num_cpus": cores, **share}
    cores = int(sum(node.get("CPU", 0) for node in nodes))
    raise InputError(f"{workers} workers do not fit {cores} cores and {gpus:g} GPUs; give fewer --workers")


def _fitting(node: Mapping[str, float], cores: int, gpus: float) -> int:
    by_cores = int(node.get("CPU", 0) // cores)
    return min(by_cores, int(node.get("GPU", 0) / gpus + 1e-6)) if gpus else by_cores
