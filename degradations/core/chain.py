"""Operators applied one after the other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import nn

from degradations.core.base import Degradation, Size
from degradations.core.identity import Identity
from degradations.core.link_files import LinkFiles
from degradations.errors import SpecError
from degradations.noise.precision import ROUNDING
from degradations.scaling.links import ScalableLinks


def _bindable_names(link: Degradation) -> list[str]:
    return [parameter.name for parameter in link.parameters_spec if parameter.bindable]


def _is_nothing(operator: Degradation) -> bool:
    return type(operator) is Identity and operator.noise is None


class Chain(ScalableLinks, LinkFiles):
    """phi = last o ... o first, written ``first+...+last``. A chain within a chain is flattened.

    Attributes:
        links: the operators, in the order in which they damage the picture.
    """

    def __init__(self, links: Iterable[Degradation], keys: Iterable[Mapping[str, str]] | None = None):
        """Chain operators; ``keys`` are the names of each one's bindable parameters, if links were left out since."""
        super().__init__()
        flat = [operator for link in links for operator in link.operators()]
        if not flat:
            raise SpecError("a chain needs at least one degradation; for none at all use identity")
        self.links = nn.ModuleList(flat)
        if keys is None:
            named = self._qualify(_bindable_names)
            keys = [dict(zip(_bindable_names(link), names, strict=True)) for link, names in named]
        self._keys = tuple(keys)
        self._combine_attributes()

    def _combine_attributes(self) -> None:
        for name in (
            "linear",
            "smooth",
            "well_posed",
            "scales",
            "pointwise",
            "keeps_places",
            "keeps_size",
            "keeps_channels",
        ):
            setattr(self, name, all(getattr(link, name) for link in self.links))
        reach = 1.0
        for link in self.links:
            reach *= 1 + link.overshoot
        self.overshoot = reach - 1
        self.noise = self.links[-1].noise
        self.remarks = tuple(remark for link in self.links for remark in link.remarks)
        for link, keys in self._qualify(lambda link: link.assets):
            self.assets.update(zip(keys, link.assets.values(), strict=True))

    def operators(self):
        return tuple(self.links)

    # ---- names of the links' parameters and assets

    def _qualify(self, names_of: Callable[[Degradation], Iterable[str]]) -> Iterator[tuple[Degradation, list[str]]]:
        """Yield each link with its names, qualified where several links have the same name.

        A name becomes ``operator.name``, and ``operator2.name`` for the second operator of its kind.
        """
        every = [name for link in self.links for name in names_of(link)]
        counts: dict[str, int] = {}
        for link in self.links:
            count = counts[link._title()] = counts.get(link._title(), 0) + 1
            title = link._title() + (str(count) if count > 1 else "")
            yield link, [name if every.count(name) == 1 else f"{title}.{name}" for name in names_of(link)]

    def _qualified_names(self) -> Iterator[tuple[int, str, str]]:
        """Yield (index of the link, its parameter, the chain's name of it) for every bindable parameter."""
        for number, keys in enumerate(self._keys):
            yield from ((number, name, key) for name, key in keys.items())

    def _split_values(self, values: Mapping) -> list[dict]:
        """Return the values of each link. SpecError for a name that fits no link, or several."""
        share: list[dict] = [{} for _ in self.links]
        for number, name, key in self._qualified_names():
            for written in {key, key if "." in key else f"{self.links[number]._title()}.{name}"} & set(values):
                share[number][name] = values[written]
        if len(values) != sum(map(len, share)):
            known = ", ".join(key for _, _, key in self._qualified_names()) or "nothing"
            raise SpecError(f"{self.spec} cannot bind {', '.join(values)}; it can bind {known}")
        return share

    # ---- copies

    def _with_links(self, links: Iterable[Degradation]) -> Chain:
        chain = Chain(links, self._keys)
        chain.asked = self.asked
        return chain

    def _change_links(self, change: Callable[[Degradation, dict], Degradation], values: Mapping) -> Chain:
        """Return a copy in which ``change(link, its values)`` replaces every link that has any of the values."""
        pairs = zip(self.links, self._split_values(values), strict=True)
        return self._with_links(change(link, own) if own else link for link, own in pairs)

    def _in_double(self):
        return Chain((link._in_double() for link in self.links), self._keys)

    # ---- the operator

    def forward(self, x):
        for link in self.links:
            x = link(x)
        return x

    @property
    def spec(self) -> str:
        return "+".join(link.spec for link in self.links)

    def channels(self, c):
        for link in self.links:
            c = link.channels(c)
        return c

    def size(self, hw):
        return self._sizes(hw)[-1]

    def _sizes(self, hw: Size) -> list[Size]:
        """Return the sizes before the first link, after it, ..., and after the last."""
        sizes = [tuple(hw)]
        for link in self.links:
            sizes.append(tuple(link.size(sizes[-1])))
        return sizes

    def build(self, picture=None, seed=0, size=None):
        """Build each link for its own size. Links whose y has the size of the picture are given the picture too."""
        shown = (picture.height, picture.width) if picture is not None else None
        here = size
        if here is None and shown is not None and all(self._keeps_size(link, shown) for link in self.links):
            here = shown
        built = []
        for i, link in enumerate(self.links):
            sees = shown is not None and all(self._keeps_size(after, shown) for after in self.links[i + 1 :])
            if here is None and sees and self._keeps_size(link, shown):
                here = shown
            link = link.build(picture if sees and (here is None or here == shown) else None, seed, here)
            built.append(link)
            here = tuple(link.size(here)) if here is not None else None
        return self._with_links(built)

    @staticmethod
    def _keeps_size(link: Degradation, size: Size) -> bool:
        return link.keeps_size or tuple(link.size(size)) == tuple(size)

    # ---- parameters

    def bind(self, values):
        """Bind the links' parameters. A name may be qualified (``blur.sigma``), and must be if it is ambiguous."""
        return self._change_links(lambda link, own: link.bind(own), values)

    def bound_values(self):
        own = [link.bound_values() for link in self.links]
        return {key: own[number][name] for number, name, key in self._qualified_names() if name in own[number]}

    def unknowns(self):
        own = [link.unknowns() for link in self.links]
        return {key: own[number][name] for number, name, key in self._qualified_names() if name in own[number]}

    def with_values(self, values):
        return self._change_links(lambda link, own: link.with_values(own), values)

    def with_initial_values(self, values):
        return self._change_links(lambda link, own: link.with_initial_values(own), values)

    def file_metadata(self, picture):
        """Return what the file states about the last link; a file does not record what happened before it."""
        last = self.links[-1].file_metadata(picture)
        names = [(name, key) for number, name, key in self._qualified_names() if number == len(self.links) - 1]
        return {key: last[name] for name, key in names if name in last}

    # ---- other scales

    def replace_links(self, change: Callable[[Degradation], Degradation]) -> Degradation:
        """Return the operator in which ``change(link)`` replaces each link, called in their order.

        Links that become Identity are left out; names of parameters stay those of the whole chain.
        """
        changed = [(change(link), keys) for link, keys in zip(self.links, self._keys, strict=True)]
        kept = [(one, keys) for new, keys in changed if not _is_nothing(new) for one in new.operators()]
        if not kept:
            return Identity()
        links, keys = zip(*kept, strict=True)
        alone = len(links) == 1 and all(name == key for name, key in keys[0].items())
        return links[0] if alone else Chain(links, keys)

    def without_holes(self):
        return self.replace_links(lambda link: link.without_holes())

    def _scaled(self, factor):
        """Scale each link for the size that it is given."""
        factors = itertools.accumulate(self.links, lambda size, link: link.scale_of_y(size), initial=factor)
        return self.replace_links(lambda link: link.scaled(next(factors)))

    # ---- simulation

    def measure(self, x, generator=None):
        for link in self.links:
            x = link.measure(x, generator)
        return x

    @torch.no_grad()
    def simulate(self, x, generator=None):
        for link in self.links[:-1]:
            x = link.measure(x, generator)
        return self.set_known_values(self.links[-1].simulate(x, generator))

    # ---- projection onto the observation

    @torch.no_grad()
    def merge(self, x, y):
        """Merge as one operator does, in some chains after each link has merged in its own way.

        The links go first where one of them removes colours, so that grey chains keep the chroma as ``gray`` does, and
        in chains that are neither linear nor smooth; a row keeps the result only if it comes closer to y. Chains that
        begin with an ill-posed link leave this out, as its y would mostly be out of its reach.
        """
        if len(self.links) == 1:
            return self.links[0].merge(x, y)
        apart = not (self.linear or self.smooth) or any(link.channels(3) != 3 for link in self.links)
        if apart and self.links[0].well_posed:
            exact, rest = self._in_double(), Chain(self.links[1:])
            y = self.set_known_values(y).expand(len(x), -1, -1, -1)
            middle = rest.merge(exact.links[0](x.double().clamp(-1, 1)), y.double())
            merged = self.links[0].merge(x.double(), middle).to(x)
            before, after = ((exact(z.double()) - y.double()).flatten(1).norm(dim=1) for z in (x.clamp(-1, 1), merged))
            near = 0 if self.well_posed else ROUNDING * y[0].numel() ** 0.5
            x = torch.where(((after <= before) & (before > near))[:, None, None, None], merged, x)
        return super().merge(x, y)

    # ---- visibility

    def propagate_unobserved(self, size, uninformative, channels=3):
        sizes, counts = self._sizes(size), [channels]
        for link in self.links:
            counts.append(link.channels(counts[-1]))
        for link, hw, c in reversed(list(zip(self.links, sizes, counts, strict=False))):
            uninformative = link.propagate_unobserved(hw, uninformative, c)
        return uninformative

    def mean_square_error(self, y):
        return sum(link.mean_square_error(y) for link in self.links)

    def undo(self, x, y, deviation):
        """Undo the links from the last to the first, each with its own guess and the noise that is left."""
        guesses = [x]
        for link in self.links[:-1]:
            guesses.append(link(guesses[-1]).clamp(-1, 1))
        for link, guess in zip(reversed(self.links), reversed(guesses), strict=True):
            y, deviation = link.undo(guess, y, deviation)
        return y, deviation

    @property
    def alignment(self):
        each = [link.alignment for link in self.links]
        return None if None in each else math.lcm(*each)

    def reach(self, size):
        each = [link.reach(size) for link in self.links]
        return None if None in each else sum(each)

    def part(self, box, size):
        each = [link.part(box, size) for link in self.links]
        return None if None in each else self._with_links(each)
