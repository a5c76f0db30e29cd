"""``-d auto``: which chain of damages made a picture what it is.

Pictures of the prior are damaged by every chain, and a small network learns how much likelier the statistics of a
picture are under one chain than under another. The prior of a chain falls with its length.
"""

from __future__ import annotations

import functools
from collections.abc import Set
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dgp.identify.chains import Names, all_chains, traits
from dgp.identify.damages import COMMUTING, DAMAGES, LOW_RESOLUTION, NAMES, build_operator, get_damage
from dgp.identify.regression import Network, as_tensors, from_tensors, train
from dgp.identify.simulation import fingerprint, simulate_statistics
from dgp.identify.sources import sources
from dgp.identify.statistics import statistics
from generators import Prior
from generators.caching import folder as cache
from generators.caching.disk_cache import kept
from generators.progress import report, waiting

LONGEST = 3
CHAINS = tuple(all_chains(NAMES, COMMUTING, LONGEST))
PENALTY = 2.0  # nats for each link after the first; no damage at all is as likely as one, or nobody would ask
COUNTS = (320, 400, 80, 20)  # simulated pictures of each chain, by its length
WEIGHTS = (0.1, 0.45, 0.3, 0.15)  # in training, of all chains of a length together
POOL = 5000  # different pictures that are damaged
AT_ONCE = 20  # that share their chain and variants
SIDE = 64  # pixels; larger pictures are looked at in parts
STEPS = 2000
METHOD = 2  # to be raised with every change of what is trained


@dataclass(frozen=True)
class Candidate:
    """A chain of damages. spec: the degradation under which the picture would be restored; "identity" for none.

    probability: among all chains, given the picture.  damages: in the order in which they came.
    """

    spec: str
    probability: float
    damages: Names

    def record(self) -> dict:
        """As results hold it."""
        return {"spec": self.spec, "probability": round(self.probability, 4), "damages": list(self.damages)}


def rank(
    y: Tensor, prior: Prior, *, known: Set[str] = frozenset(), factor: float | None = None, seed: int = 0
) -> list[Candidate]:
    """All chains that may have made a picture what it is, the likeliest first.

    Args:
        y: (1, 3 or 1, R, R) in [-1, 1], the picture at the prior's resolution.
        known: damages that it has for certain; chains without them are left out.
        factor: by how much the picture was smaller than that: then it has lost resolution, and chains say so.
        seed: of what is simulated.

    The first call for a prior simulates and trains, half a minute at 32 pixels; others look it up on disk.
    """
    return rank_rows(y, prior, known=known, factor=factor, seed=seed)[0]


def rank_rows(
    y: Tensor, prior: Prior, *, known: Set[str] = frozenset(), factor: float | None = None, seed: int = 0
) -> list[list[Candidate]]:
    """``rank`` of every row of y (N, 3 or 1, R, R)."""
    parts = [_parts(row) for row in y.expand(-1, 3, -1, -1)]
    network = _network(prior, parts[0].shape[-1], seed)
    known = known if factor is None else {*known, LOW_RESOLUTION}
    with waiting("telling damages apart"):
        found = network(statistics(torch.cat(parts))).split([len(part) for part in parts])
    return [_candidates(evidence.mean(0), known, factor) for evidence in found]


def _candidates(evidence: Tensor, known: Set[str], factor: float | None) -> list[Candidate]:
    told, variants = _split(evidence[None])
    length = torch.tensor([len(chain) for chain in CHAINS])
    alike = torch.bincount(length)[length].log()
    score = told[0] - PENALTY * (length - 1).clamp_min(0) - alike
    score[torch.tensor([not known <= set(chain) for chain in CHAINS])] = -torch.inf
    probability = score.double().softmax(0)
    strengths = {name: int(which[0].argmax()) for name, which in variants.items()}
    return [
        Candidate(_spec(CHAINS[k], strengths, factor), float(probability[k]), CHAINS[k])
        for k in score.argsort(descending=True, stable=True).tolist()
        if probability[k] > 0
    ]


def _spec(chain: Names, strengths: dict[str, int], factor: float | None) -> str:
    def cure(name: str) -> str:
        if name == LOW_RESOLUTION and factor is not None:
            return f"sr:{factor:g}"
        return get_damage(name).cure[strengths.get(name, 0)]

    return "+".join(map(cure, chain)) or "identity"


def _parts(picture: Tensor) -> Tensor:
    """(3, R, R) -> (n, 3, s, s): the whole, or parts that begin at multiples of 8, where the blocks of a JPEG do."""
    side = picture.shape[-1]
    if side <= SIDE:
        return picture[None]
    starts = torch.linspace(0, (side - SIDE) // 8, -(-side // SIDE)).round().long().mul(8).tolist()
    return torch.stack([picture[:, i : i + SIDE, j : j + SIDE] for i in starts for j in starts])


# ---- what is learnt


def _with_variants() -> list[tuple[str, int]]:
    return [(damage.name, len(damage.seen)) for damage in DAMAGES if len(damage.seen) > 1]


@functools.cache
def _traits(chains: tuple[Names, ...]) -> Tensor:
    return traits(chains, NAMES, COMMUTING)


def _split(out: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """What the network says -> the evidence for each chain (N, chains), and for each strength of damages that vary by
    steps (N, steps)."""
    sizes = [size for _, size in _with_variants()]
    told, *rest = out.split([out.shape[1] - sum(sizes), *sizes], 1)
    named = dict(zip((name for name, _ in _with_variants()), rest, strict=True))
    return told @ _traits(CHAINS).T, named


def _network(prior: Prior, side: int, seed: int) -> Network:
    said = [DAMAGES, CHAINS, COUNTS, WEIGHTS, STEPS, side, seed, METHOD]
    probe = statistics(sources(prior, range(8), seed, side=side))

    def make() -> dict[str, Tensor]:
        return as_tensors(_learnt(*_table(prior, side, seed), seed))

    path = cache.folder() / "damages" / f"{fingerprint(probe, said)}.safetensors"
    return from_tensors(kept(path, lambda found: "last.weight" in found, make))


def _table(prior: Prior, side: int, seed: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """(statistics (n, F), numbers of the chains (n,), of damages that vary by steps which (n,), -1 for none)."""
    random = torch.Generator().manual_seed(seed)
    pool = sources(prior, range(POOL), seed, side=side)
    seen, truth, strengths = [], [], {name: [] for name, _ in _with_variants()}
    for number, chain in enumerate(CHAINS):
        for start in range(0, COUNTS[len(chain)], AT_ONCE):
            which = [int(torch.randint(len(get_damage(name).seen), (), generator=random)) for name in chain]
            operator = build_operator(chain, which)
            pictures = pool[torch.randint(len(pool), (AT_ONCE,), generator=random)]
            at = torch.rand(AT_ONCE, len(operator.unknowns()), generator=random)
            seen.append(simulate_statistics(operator, pictures, at, seed + number * 1000 + start, channels=3))
            truth += [number] * AT_ONCE
            for name, column in strengths.items():
                column += [which[chain.index(name)] if name in chain else -1] * AT_ONCE
        report("damaging pictures to learn from, once for this prior", number + 1, len(CHAINS))
    return torch.cat(seen), torch.tensor(truth), {name: torch.tensor(column) for name, column in strengths.items()}


def _learnt(seen: Tensor, truth: Tensor, strengths: dict[str, Tensor], seed: int) -> Network:
    length = torch.tensor([len(chain) for chain in CHAINS])
    share = (torch.tensor(WEIGHTS) / torch.bincount(length))[length]
    weight = (share / torch.bincount(truth, minlength=len(length)))[truth]
    weight = weight / weight.mean()
    outputs = _traits(CHAINS).shape[1] + sum(size for _, size in _with_variants())

    def loss(out: Tensor, index: Tensor) -> Tensor:
        told, variants = _split(out)
        value = F.cross_entropy(told + share.log(), truth[index], reduction="none")
        for name, logits in variants.items():
            value = value + F.cross_entropy(logits, strengths[name][index], reduction="none", ignore_index=-1)
        return (weight[index] * value).mean()

    return train(seen, outputs, loss, STEPS, seed, "learning to tell damages apart, once for this prior")
