"""The law of every training stage: stopped and resumed gives the very weights of an uninterrupted run."""

from collections.abc import Callable
from pathlib import Path

import torch

from imtalker.train.loop import TrainingLoop


def assert_resumed_equals_uninterrupted(
    build: Callable[[Path], TrainingLoop], whole: Path, parts: Path, stop: int, module: str
) -> None:
    """``build`` makes the loop in a folder; one run stops at step ``stop`` and goes on from its checkpoint."""
    uninterrupted = build(whole)
    uninterrupted.run()
    build(parts).run(until=stop)
    rest = build(parts)
    rest.resume()
    assert rest.step == stop
    rest.run()
    for a, b in zip(uninterrupted.raw[module].parameters(), rest.raw[module].parameters(), strict=True):
        assert torch.equal(a, b)
