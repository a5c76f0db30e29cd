"""``-d auto``: the probability of every chain of damages, given a picture.

Pictures of the prior are damaged by every chain, and a small network is trained to predict the log-likelihood of each
chain, up to a constant, from statistics of the result. The prior probability of a chain falls with its length.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import torch
from torch import Tensor

from dgp.identify.chains import ChainOutputs, Names, all_chains
from dgp.identify.damages import COMMUTING, DAMAGES, LOW_RESOLUTION, NAMES, build_operator, get_damage
from dgp.identify.regression import Network, as_tensors, from_tensors, train
from dgp.identify.simulation import fingerprint, simulate_statistics
from dgp.identify.sources import sources
from dgp.identify.statistics import statistics
from dgp.observation.estimate import Candidate
from generators import Prior
from generators.caching import cache_folder, load_or_compute
from generators.progress import report, waiting

LONGEST = 3
CHAINS = tuple(all_chains(NAMES, COMMUTING, LONGEST))
OUTPUTS = ChainOutputs(
    CHAINS,
    NAMES,
    COMMUTING,
    variants=tuple((damage.name, len(damage.simulated)) for damage in DAMAGES if len(damage.simulated) > 1),
)
PENALTY = 2.0  # nats for each damage after the first; no damage is as likely as one, as users rarely ask without need
COUNTS = (320, 400, 80, 20)  # simulated pictures of each chain, by its length
WEIGHTS = (0.1, 0.45, 0.3, 0.15)  # in training, of all chains of a length together
POOL = 5000  # clean pictures to draw from
AT_ONCE = 20  # pictures simulated together, with the same chain and variants
SIDE = 64  # pixels; larger pictures are divided into parts
STEPS = 2000
METHOD = 2  # version of the method; raise it with every change, so that cached networks are not used any more


def rank(
    y: Tensor, prior: Prior, *, known: Set[str] = frozenset(), factor: float | None = None, seed: int = 0
) -> list[Candidate]:
    """Return all chains of damages that a picture may have suffered, the likeliest first.

    The first call for a prior trains a network, in about half a minute at 32 pixels; later ones read it from disk.

    Args:
        y: (1, 3 or 1, R, R) in [-1, 1], the picture at the prior's resolution.
        prior: the prior, whose pictures are used for training.
        known: damages that the picture has for certain; chains without them are excluded.
        factor: how many times smaller than y the picture was, so that low resolution is a known damage; None: it was
            not smaller.
        seed: seed of the simulation and the training.
    """
    return rank_rows(y, prior, known=known, factor=factor, seed=seed)[0]


def rank_rows(
    y: Tensor, prior: Prior, *, known: Set[str] = frozenset(), factor: float | None = None, seed: int = 0
) -> list[list[Candidate]]:
    """Apply ``rank`` to every row of y (N, 3 or 1, R, R)."""
    parts = [_parts(row) for row in y.expand(-1, 3, -1, -1)]
    network = _network(prior, parts[0].shape[-1], seed)
    known = known if factor is None else {*known, LOW_RESOLUTION}
    with waiting("identifying the damage"):
        found = network(statistics(torch.cat(parts))).split([len(part) for part in parts])
    candidates = []
    for evidence in found:
        likelihood, variants = OUTPUTS.split(evidence.mean(0, keepdim=True))
        logits = {name: which[0] for name, which in variants.items()}
        candidates.append(list_candidates(likelihood[0], logits, known, factor))
    return candidates


def list_candidates(
    likelihood: Tensor, variants: Mapping[str, Tensor], known: Set[str] = frozenset(), factor: float | None = None
) -> list[Candidate]:
    """Return the candidates, the likeliest first: log posterior = log-likelihood + log prior.

    Args:
        likelihood: log-likelihood of each of `CHAINS`, (chains,), up to a constant.
        variants: for each damage with several variants their logits, (variants,).
        known: damages that the picture has for certain.
        factor: of the low resolution, if it is known.
    """
    length = torch.tensor([len(chain) for chain in CHAINS])
    alike = torch.bincount(length)[length].log()
    score = likelihood - PENALTY * (length - 1).clamp_min(0) - alike
    score[torch.tensor([not known <= set(chain) for chain in CHAINS])] = -torch.inf
    probability = score.double().softmax(0)
    strengths = {name: int(logits.argmax()) for name, logits in variants.items()}
    return [
        Candidate(_spec(CHAINS[k], strengths, factor), float(probability[k]), CHAINS[k])
        for k in score.argsort(descending=True, stable=True).tolist()
        if probability[k] > 0
    ]


def _spec(chain: Names, strengths: dict[str, int], factor: float | None) -> str:
    """Return the degradation under which a picture with a chain of damages is restored."""

    def spec_of(name: str) -> str:
        if name == LOW_RESOLUTION and factor is not None:
            return f"sr:{factor:g}"
        return get_damage(name).restored[strengths.get(name, 0)]

    return "+".join(map(spec_of, chain)) or "identity"


def _parts(picture: Tensor) -> Tensor:
    """Return a picture (3, R, R), or parts of it that are aligned with the blocks of JPEG, as (n, 3, s, s)."""
    side = picture.shape[-1]
    if side <= SIDE:
        return picture[None]
    starts = torch.linspace(0, (side - SIDE) // 8, -(-side // SIDE)).round().long().mul(8).tolist()
    return torch.stack([picture[:, i : i + SIDE, j : j + SIDE] for i in starts for j in starts])


def _network(prior: Prior, side: int, seed: int) -> Network:
    """Return the trained network, from the cache if possible."""
    choices = [DAMAGES, CHAINS, COUNTS, WEIGHTS, STEPS, side, seed, METHOD]
    probe = statistics(sources(prior, range(8), seed, side=side))

    def make() -> dict[str, Tensor]:
        return as_tensors(_train(*_table(prior, side, seed), seed))

    path = cache_folder() / "damages" / f"{fingerprint(probe, choices)}.safetensors"
    return from_tensors(load_or_compute(path, lambda found: "last.weight" in found, make))


def _table(prior: Prior, side: int, seed: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Simulate the training data.

    Returns:
        Statistics (n, F); indices of the chains (n,); and for each damage with several variants the index of the
        variant (n,), -1 where the chain does not contain the damage.
    """
    random = torch.Generator().manual_seed(seed)
    pool = sources(prior, range(POOL), seed, side=side)
    seen, truth, strengths = [], [], {name: [] for name, _ in OUTPUTS.variants}
    for number, chain in enumerate(CHAINS):
        for start in range(0, COUNTS[len(chain)], AT_ONCE):
            which = [int(torch.randint(len(get_damage(name).simulated), (), generator=random)) for name in chain]
            operator = build_operator(chain, which)
            pictures = pool[torch.randint(len(pool), (AT_ONCE,), generator=random)]
            at = torch.rand(AT_ONCE, len(operator.unknowns()), generator=random)
            seen.append(simulate_statistics(operator, pictures, at, seed + number * 1000 + start, channels=3))
            truth += [number] * AT_ONCE
            for name, column in strengths.items():
                column += [which[chain.index(name)] if name in chain else -1] * AT_ONCE
        report("damaging pictures to learn from (only once for this prior)", number + 1, len(CHAINS))
    return torch.cat(seen), torch.tensor(truth), {name: torch.tensor(column) for name, column in strengths.items()}


def _train(seen: Tensor, truth: Tensor, strengths: dict[str, Tensor], seed: int) -> Network:
    loss = OUTPUTS.make_loss(truth, strengths, WEIGHTS)
    text = "learning to identify damage (only once for this prior)"
    return train(seen, OUTPUTS.count, loss, steps=STEPS, seed=seed, text=text)
