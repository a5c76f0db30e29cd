"""Training of the network that recognises damage in photographs; ``benchmarks/quality/train_photograph.py`` runs it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import degradations
from degradations import Degradation
from dgp.identify.chains import Names
from dgp.identify.photograph.damage_network import (
    OUTPUTS,
    PATCH_CHAINS,
    describe_tones,
    simulated_specs,
)
from dgp.identify.photograph.evidence import patch_statistics
from dgp.identify.photograph.patches import SIDE
from dgp.identify.pictures.scenes import draw_scenes
from dgp.identify.regression import Network, as_tensors, train
from dgp.identify.simulation import simulate
from generators.progress import report

ACROSS = 2  # patches of a scene, down and across
MARGIN = 16  # pixels around a scene, which are cut off after the simulation
COUNTS = (600, 320, 60, 10)  # scenes for each chain, by its length
APART = (60, 24, 4, 1)  # the same, for the factor
WEIGHTS = (0.2, 0.4, 0.28, 0.12)  # in training, of all chains of a length together
AT_ONCE = 10  # scenes with the same chain and variants
STEPS = 3000
FACTORS = torch.linspace(0.5, 4, 36)

Table = tuple[Tensor, Tensor, dict[str, Tensor]]


def train_damages(seed: int = 0) -> dict[str, Tensor]:
    """Return the trained network and the factor of its evidence, as tensors to be saved."""
    table = simulate_table(COUNTS, seed, apart=False)
    network = _train(table, seed)
    likelihood, truth = _evaluate(network, simulate_table(APART, seed + 1, apart=True))
    losses = [F.cross_entropy(factor * likelihood, truth) for factor in FACTORS]
    factor = FACTORS[int(torch.stack(losses).argmin())]
    return as_tensors(network) | {"factor": factor}


def build_chain(chain: Names, variants: list[int]) -> Degradation:
    """Return the operator that simulates a chain, with unknown strengths; `variants` has an index for each damage."""
    links = [degradations.parse(simulated_specs(name)[k]) for name, k in zip(chain, variants, strict=True)]
    return degradations.Chain(links) if links else degradations.Identity()


def simulate_table(counts: tuple[int, ...], seed: int, apart: bool) -> Table:
    """Simulate damaged scenes.

    Args:
        counts: number of scenes for each chain, by its length.
        seed: seed of all random choices.
        apart: whether to take the pictures for calibration.

    Returns:
        Inputs of the network, (scenes, patches, F); indices of the chains, (scenes,); and for each damage with several
        variants the index of the variant, (scenes,), -1 where the chain does not contain the damage.
    """
    random = torch.Generator().manual_seed(seed)
    seen, truth, strengths = [], [], {name: [] for name, _ in OUTPUTS.variants}
    for number, chain in enumerate(PATCH_CHAINS):
        for start in range(0, counts[len(chain)], AT_ONCE):
            count = min(AT_ONCE, counts[len(chain)] - start)
            which = [int(torch.randint(len(simulated_specs(name)), (), generator=random)) for name in chain]
            operator = build_chain(chain, which)
            scenes = draw_scenes(
                count, ACROSS * SIDE + 2 * MARGIN, seed + 7919 * number + start, apart=apart, coloured=True
            )
            at = torch.rand(count, len(operator.unknowns()), generator=random)
            y = simulate(operator, scenes, at, random)[..., MARGIN:-MARGIN, MARGIN:-MARGIN].expand(-1, 3, -1, -1)
            patches = y.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
            local = patch_statistics(patches).unflatten(0, (count, -1))
            seen.append(torch.cat([local, describe_tones(y)[:, None].expand(-1, local.shape[1], -1)], 2))
            truth += [number] * count
            for name, column in strengths.items():
                column += [which[chain.index(name)] if name in chain else -1] * count
        report("damaging scenes to learn from", number + 1, len(PATCH_CHAINS))
    return torch.cat(seen), torch.tensor(truth), {name: torch.tensor(column) for name, column in strengths.items()}


def _train(table: Table, seed: int) -> Network:
    seen, truth, strengths = table
    patches = seen.shape[1]
    truth = truth.repeat_interleave(patches)
    strengths = {name: column.repeat_interleave(patches) for name, column in strengths.items()}
    loss = OUTPUTS.make_loss(truth, strengths, WEIGHTS)
    return train(seen.flatten(0, 1), OUTPUTS.count, loss, steps=STEPS, seed=seed, text="learning to recognise damage")


def _evaluate(network: Network, table: Table) -> tuple[Tensor, Tensor]:
    """Return the mean log-likelihood over the patches of each scene, (scenes, chains), and the true chains."""
    seen, truth, _ = table
    return OUTPUTS.split(network(seen).mean(1))[0], truth
