"""A small network that predicts the degradation from statistics of pictures; it is trained in seconds."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.progress import report

WIDTH = 128
BATCH = 256
RATE, DECAY, DROPOUT = 3e-3, 1e-2, 0.1
CLIP = 4.0  # standard deviations; inputs far outside of the training data are clipped


class Network(nn.Module):
    """A multilayer perceptron on normalised statistics: (N, inputs) -> (N, outputs)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.first, self.second = nn.Linear(inputs, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, outputs)

    def forward(self, statistics: Tensor) -> Tensor:
        unit = ((statistics - self.mean) / self.deviation).clamp(-CLIP, CLIP)
        hidden = F.dropout(F.gelu(self.first(unit)), DROPOUT, self.training)
        return self.last(F.gelu(self.second(hidden)))


def train(
    statistics: Tensor, outputs: int, loss: Callable[[Tensor, Tensor], Tensor], steps: int, seed: int, text: str
) -> Network:
    """Train a network by AdamW with a one-cycle schedule.

    The same seed gives the same network; the state of torch's global random generator is restored.

    Args:
        statistics: (n, F), the training data.
        outputs: number of outputs.
        loss: function of the outputs (B, outputs) and the indices of their rows in `statistics` (B,), to a scalar.
        steps: number of steps.
        seed: seed of the weights, batches and dropout.
        text: text of the progress display.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(statistics.shape[1], outputs)
        network.mean.copy_(statistics.mean(0))
        network.deviation.copy_(statistics.std(0) + 1e-3)
        optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
        for step in range(1, steps + 1):
            index = torch.randint(0, len(statistics), (BATCH,))
            value = loss(network(statistics[index]), index)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
            report(text, step, steps)
    return network.eval().requires_grad_(False)


def as_tensors(network: Network) -> dict[str, Tensor]:
    """Return the weights of a network as tensors to be saved."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def from_tensors(tensors: dict[str, Tensor]) -> Network:
    """Return the network with these weights, the inverse of ``as_tensors``."""
    with torch.random.fork_rng(devices=[]):  # constructors of layers use the global random generator
        network = Network(tensors["first.weight"].shape[1], len(tensors["last.bias"]))
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)
