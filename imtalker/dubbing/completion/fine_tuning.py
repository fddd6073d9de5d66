"""Let a completion network go on learning from one person's own mouths: mask them, restore them.

Only the last part of the network learns: which reference is kept where, and how what neither shows is drawn. All
before it is computed once for every example, so a step costs a fraction of a forward pass, and what the network has
learned of motion and of places stays. It is always done on the CPU, in single precision and by one thread, with
a number of steps that does not depend on the clock: the same examples give the same network on any machine.
"""

import copy
from collections.abc import Generator

import torch
from torch import Tensor

from imtalker.dubbing.completion.network import CompletionNetwork
from imtalker.dubbing.completion.network_input import NetworkInput
from imtalker.pipeline.workers import one_thread
from imtalker.renderer.picture_losses import gradient_loss, weighted_l1

BATCH = 8
LEARNING_RATE, WARM_UP, LAST_RATE = 5e-4, 10, 0.1  # steps of rising, share that is left of it at the end
GRADIENT, DRAWN, AROUND = 2.0, 0.25, 0.02  # weights: image gradients, what is decoded alone, what is not hidden
LEFT_OUT = 5  # one example of so many, the last ones, tells whether anything was gained
SEED = 0


def fine_tuned(
    network: CompletionNetwork, examples: NetworkInput, steps: int
) -> Generator[int, None, CompletionNetwork]:
    """A copy that has learned from examples for some steps; as it was where mouths left out are not drawn better.

    Yields the steps done. The network is not changed.
    """
    with one_thread():
        tuning = _Tuning(network, examples)
    for step in range(steps):
        with one_thread():
            tuning.step(step, steps)
        yield step + 1
    return tuning.better()


class _Tuning:
    def __init__(self, network: CompletionNetwork, examples: NetworkInput) -> None:
        with torch.inference_mode(False), torch.no_grad():
            # partly frozen networks in the other order of memory crash in the convolutions' backward pass
            self._network = copy.deepcopy(network).float().cpu().to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
            self._examples = examples.on_cpu()
            count = len(examples)
            parts = [self._examples.take(rows) for rows in torch.arange(count).split(BATCH)]
            self._features = torch.cat([self._network.body(*part.network_arguments()) for part in parts])
        self._before = copy.deepcopy(self._network.state_dict())
        self._network.requires_grad_(False)
        for module in self._network.last_part:
            module.requires_grad_(True)
        learned = [parameter for parameter in self._network.parameters() if parameter.requires_grad]
        self._optimiser = torch.optim.Adam(learned, lr=LEARNING_RATE, betas=(0.9, 0.99))
        self._random = torch.Generator().manual_seed(SEED)
        rows = torch.arange(count)
        kept = max(1, count - count // LEFT_OUT)
        self._rows, self._left_out = rows[:kept], rows[kept:]
        self._loss_before = self._loss_left_out()

    def step(self, number: int, total: int) -> None:
        """One step of Adam."""
        rate = min(1.0, (number + 1) / WARM_UP) * (1 - (1 - LAST_RATE) * number / total)
        for group in self._optimiser.param_groups:
            group["lr"] = LEARNING_RATE * rate
        rows = self._rows[torch.randint(len(self._rows), (BATCH,), generator=self._random)]
        with torch.inference_mode(False), torch.enable_grad():
            self._optimiser.zero_grad()
            self._loss(rows).backward()
            self._optimiser.step()

    def better(self) -> CompletionNetwork:
        """The network as it has become, or as it was."""
        if len(self._left_out) and not self._loss_left_out() < self._loss_before:
            self._network.load_state_dict(self._before)
        return self._network.requires_grad_(False).eval()

    def _loss(self, rows: Tensor) -> Tensor:
        given = self._examples.take(rows)
        found = self._network.finish(self._features[rows], given.source, given.hidden, given.references)
        result = given.with_lips_kept(found).compose(given.references)
        truth, weight = given.source, AROUND + given.hidden
        return (
            weighted_l1(result, truth, weight)
            + GRADIENT * gradient_loss(result, truth, weight)
            + DRAWN * weighted_l1(found.drawn, truth, weight)
        )

    @torch.no_grad()
    def _loss_left_out(self) -> float:
        return float(self._loss(self._left_out)) if len(self._left_out) else 0.0
