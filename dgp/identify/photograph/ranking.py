"""``-d auto`` for photographs: the probability of every chain of damages, from patches at the photograph's own size."""

from __future__ import annotations

from collections.abc import Set

import torch
from PIL import Image
from torch import Tensor

from dgp.identify.damages import SCRATCHES
from dgp.identify.photograph.damage_network import OUTPUTS, PATCH_CHAINS, describe_photograph, open_network
from dgp.identify.photograph.scratch_evidence import scratch_log_ratio
from dgp.identify.ranking import CHAINS, list_candidates
from dgp.observation.estimate import Candidate
from generators.progress import waiting


@waiting("identifying the damage")
def rank_in_photograph(picture: Image.Image, *, known: Set[str] = frozenset()) -> list[Candidate]:
    """Return all chains of damages that a photograph may have suffered, the likeliest first.

    The network comes with the package, and does not depend on a prior.

    Args:
        picture: 8-bit L or RGB, at least 64 x 64.
        known: damages that the picture has for certain; chains without them are excluded.
    """
    likelihood, variants = measure_evidence(picture)
    return list_candidates(add_scratches(likelihood, scratch_log_ratio(picture)), variants, known)


def measure_evidence(picture: Image.Image) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the log-likelihood of each chain without scratches, (chains,), and the logits of variants by damage."""
    network, factor = open_network()
    # the mean rather than the sum, as patches of one picture err in the same direction
    likelihood, variants = OUTPUTS.split(network(describe_photograph(picture)).mean(0, keepdim=True))
    return factor * likelihood[0], {name: logits[0] for name, logits in variants.items()}


def add_scratches(likelihood: Tensor, ratio: float) -> Tensor:
    """Return the log-likelihood of each of `CHAINS`, (chains,).

    Scratches hide their pixels whenever they came, so that they add the same to every chain.

    Args:
        likelihood: of each of `PATCH_CHAINS`.
        ratio: log-likelihood ratio of scratches against none.
    """
    found = []
    for chain in CHAINS:
        rest = tuple(name for name in chain if name != SCRATCHES)
        found.append(likelihood[PATCH_CHAINS.index(rest)] + (ratio if SCRATCHES in chain else 0.0))
    return torch.stack(found)
