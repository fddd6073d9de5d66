"""The rows of a batch on Ray: one actor a worker, on this machine or on a cluster."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import ray  # pyright: ignore[reportMissingImports] (the extra "cluster")
from ray.exceptions import RayActorError, RayError, RayTaskError  # pyright: ignore[reportMissingImports]

from imtalker.commands.batching.ledger import Outcome
from imtalker.commands.batching.rows import Row
from imtalker.commands.batching.sharing import default_workers, resources_of_worker
from imtalker.commands.batching.worker import Worker
from imtalker.errors import InputError
from imtalker.version import __version__

SCHEME, PORT = "ray://", 10001  # where the head of a cluster listens for Ray's clients
RETRIES = 1  # of a row whose worker was killed; a row that kills every worker must not do so for ever


def run_on_ray(rows: Sequence[Row], workers: int | None, address: str | None, device: str) -> Iterator[Outcome]:
    """Make rows on Ray; outcomes come as they end, in any order. Closing the iterator ends all workers.

    Args:
        rows: files they name must lie under the same paths on every machine.
        workers: None: one a GPU, without GPUs one a machine.
        address: "ray://HOST", or "ray://HOST:PORT" where that is not 10001; None: the cluster that Ray finds
            (RAY_ADDRESS), else one started on this machine.

    Raises:
        InputError: no such cluster, too many workers for it, or another imtalker there.
    """
    try:
        if address is None:
            ray.init(include_dashboard=False, logging_level=logging.WARNING)
        else:
            ray.init(address if ":" in address.removeprefix(SCHEME) else f"{address}:{PORT}")
    except Exception as error:  # Ray's own kinds and bare ones, for a machine that starts too slowly among others
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"no Ray cluster answers at {address or 'this machine'} ({reason}); check --on") from error
    try:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        workers = min(workers or default_workers(nodes), len(rows))
        share = resources_of_worker(workers, nodes)
        remote = ray.remote(Worker).options(max_restarts=-1, max_task_retries=RETRIES, **share)
        yield from _spread(rows, [remote.remote(device) for _ in range(workers)])
    finally:
        ray.shutdown()


def _spread(rows: Sequence[Row], actors: list[Any]) -> Iterator[Outcome]:
    """One row at a time to each actor, so that a killed one loses no more than that."""
    _check_versions(actors)
    waiting = iter(rows)
    at_work = {actor.make.remote(row): (actor, row) for actor, row in zip(actors, waiting, strict=False)}
    while at_work:
        (ended, *_), _ = ray.wait(list(at_work))
        actor, row = at_work.pop(ended)
        following = next(waiting, None)
        if following is not None:
            at_work[actor.make.remote(following)] = (actor, following)
        try:
            yield ray.get(ended)
        except RayError as error:
            reason = " ".join(str(error).split())[:200]
            yield Outcome(row, None, f"its worker was lost {1 + RETRIES} times ({reason}); it may need more memory")


def _check_versions(actors: list[Any]) -> None:
    try:
        versions = set(ray.get([actor.version.remote() for actor in actors]))
    except (RayActorError, RayTaskError) as error:
        reason = " ".join(str(error).split())[-200:]
        raise InputError(
            f"workers cannot start ({reason}); install imtalker on every machine of the cluster"
        ) from error
    if versions != {__version__}:
        raise InputError(
            f"the cluster has imtalker {versions - {__version__}}, this is {__version__}; install the same"
        )
