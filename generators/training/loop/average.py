"""The exponential moving average of the generator's weights, which is what is exported."""

from __future__ import annotations

import copy

import torch

from generators.base import Generator
from generators.biggan.layers import StoredStatistics
from generators.training.loop.networks import power_step, set_batch_momentum
from generators.training.loop.random_streams import SHEET, make_stream
from generators.training.loop.settings import Settings

POWER_STEPS = 20


@torch.no_grad()
def update_average(average: Generator, generator: Generator, settings: Settings, seen: int) -> None:
    """Update the average after a training step (Karras et al. 2018).

        half_life' = min(half_life, seen / 20),    average += (1 - 0.5^(batch / half_life')) (generator - average)

    Args:
        average: the averaged generator.
        generator: the trained one.
        settings: of the run.
        seen: pictures generated so far.
    """
    half_life = max(min(settings.half_life, seen / 20), 1)
    share = 1 - 0.5 ** (settings.batch / half_life)
    torch._foreach_lerp_(list(average.parameters()), list(generator.parameters()), share)
    torch._foreach_copy_(list(average.buffers()), list(generator.buffers()))


@torch.no_grad()
def make_inference_copy(average: Generator, batches: int, rows: int = 128) -> Generator:
    """Return a copy of the average for inference: spectral norms converged, standing statistics stored.

    Standing statistics are the mean of those of several batches of its own samples (Brock et al. 2019, section 3.1).

    Args:
        average: the averaged generator.
        batches: how many.
        rows: in each batch.
    """
    network = copy.deepcopy(average)
    power_step(network, POWER_STEPS)
    layers = [layer for layer in network.modules() if isinstance(layer, StoredStatistics)]
    random = make_stream(0, SHEET)
    for number in range(batches if layers else 0):
        set_batch_momentum(network, 1 / (number + 1))
        with torch.autocast(network.device.type, torch.bfloat16):
            network(network.sample(rows, generator=random))
    set_batch_momentum(network, None)
    return network.eval().requires_grad_(False)
