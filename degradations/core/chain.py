"""Operators one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import nn

from degradations.core.base import ROUNDING, Degradation
from degradations.errors import SpecError
from degradations.operators.inpaint import Inpaint


def _bindable(link: Degradation) -> list[str]:
    return [parameter.name for parameter in link.parameters_spec if parameter.bindable]


class Chain(Degradation):
    """phi = last o ... o first, written ``first+...+last``. Chains within are flattened.

    Attributes:
        links: the operators, in the order in which they damage the picture.
    """

    def __init__(self, links: Iterable[Degradation]):
        super().__init__()
        flat = [one for link in links for one in (link.links if isinstance(link, Chain) else [link])]
        if not flat:
            raise SpecError("a chain needs at least one degradation; for none at all use identity")
        self.links = nn.ModuleList(flat)
        self._describe()

    def _describe(self) -> None:
        self.linear = all(link.linear for link in self.links)
        self.smooth = all(link.smooth for link in self.links)
        self.well_posed = all(link.well_posed for link in self.links)
        self.scales = all(link.scales for link in self.links)
        self.pointwise = all(link.pointwise for link in self.links)
        reach = 1.0
        for link in self.links:
            reach *= 1 + link.overshoot
        self.overshoot = reach - 1
        self.noise = self.links[-1].noise
        self.remarks = tuple(remark for link in self.links for remark in link.remarks)
        for link, keys in self._keys(lambda link: link.assets):
            self.assets.update(zip(keys, link.assets.values(), strict=True))

    def _keys(self, table) -> Iterator[tuple[Degradation, list[str]]]:
        """Names from the links' tables; ``operator.name`` (then ``operator2.name``) where several have a
        name."""
        every = [name for link in self.links for name in table(link)]
        seen: dict[str, int] = {}
        for link in self.links:
            count = seen[link._title()] = seen.get(link._title(), 0) + 1
            title = link._title() + (str(count) if count > 1 else "")
            yield link, [name if every.count(name) == 1 else f"{title}.{name}" for name in table(link)]

    def _copy(self, links: Iterable[Degradation]) -> Chain:
        chain = Chain(links)
        chain.asked = self.asked
        return chain

    def _in_double(self) -> Chain:
        return Chain(link._in_double() for link in self.links)

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

    def _sizes(self, hw):
        """Sizes before the first link, after it, ... after the last."""
        sizes = [tuple(hw)]
        for link in self.links:
            sizes.append(tuple(link.size(sizes[-1])))
        return sizes

    def _named(self) -> Iterator[tuple[int, str, str]]:
        """(number of the link, its parameter, the name that the chain gives it) of all that can be bound."""
        for number, (link, keys) in enumerate(self._keys(_bindable)):
            yield from ((number, name, key) for name, key in zip(_bindable(link), keys, strict=True))

    def _shared_out(self, values: Mapping) -> list[dict]:
        """To each link its own of the values. SpecError for a name that no link has, or more than one."""
        share: list[dict] = [{} for _ in self.links]
        for number, name, key in self._named():
            for asked in {key, key if "." in key else f"{self.links[number]._title()}.{name}"} & set(values):
                share[number][name] = values[asked]
        if len(values) != sum(map(len, share)):
            known = ", ".join(key for _, _, key in self._named()) or "nothing"
            raise SpecError(f"{self.spec} cannot bind {', '.join(values)}; it can bind {known}")
        return share

    def bind(self, values):
        """As for one operator. A name may be qualified (``blur.sigma``), and must be where several links have
        it."""
        share = self._shared_out(values)
        return self._copy(link.bind(own) if own else link for link, own in zip(self.links, share, strict=True))

    def unknowns(self):
        own = [link.unknowns() for link in self.links]
        return {key: own[number][name] for number, name, key in self._named() if name in own[number]}

    def standing(self, values):
        share = self._shared_out(values)
        return self._copy(link.standing(own) if own else link for link, own in zip(self.links, share, strict=True))

    def given(self, values):
        share = self._shared_out(values)
        return self._copy(link.given(own) if own else link for link, own in zip(self.links, share, strict=True))

    def told(self, picture):
        """Of the last link alone: what was done before it, a file does not say."""
        last = self.links[-1].told(picture)
        return {
            key: last[name] for number, name, key in self._named() if number == len(self.links) - 1 and name in last
        }

    def bound(self):
        return {
            key: link.bound()[name]
            for link, keys in self._keys(lambda link: link.bound())
            for key, name in zip(keys, link.bound(), strict=True)
        }

    def build(self, picture=None, seed=0, size=None):
        """Each link is built for its own size; those whose y has the picture's pixels see the picture as
        well."""
        shown = (picture.height, picture.width) if picture is not None else None
        here = size
        if here is None and shown is not None and all(self._keeps(link, shown) for link in self.links):
            here = shown
        built = []
        for i, link in enumerate(self.links):
            sees = shown is not None and all(self._keeps(after, shown) for after in self.links[i + 1 :])
            if here is None and sees and self._keeps(link, shown):
                here = shown
            link = link.build(picture if sees and (here is None or here == shown) else None, seed, here)
            built.append(link)
            here = tuple(link.size(here)) if here is not None else None
        return self._copy(built)

    @staticmethod
    def _keeps(link: Degradation, size) -> bool:
        return isinstance(link, Inpaint) or tuple(link.size(size)) == tuple(size)

    # ---- files: what the last link imposes, and the links before it as long as pixels stay where they are

    def _last_links(self) -> Iterator[Degradation]:
        for link in reversed(self.links):
            yield link
            if not link.pointwise:
                return

    def tone(self, picture):
        for link in self.links:
            if link.channels(3) == 1:
                return link.tone(picture)
        return super().tone(picture)

    def settle(self, y):
        for link in self._last_links():
            y = link.settle(y)
        return y

    def transparent(self, hw):
        masks = [mask for link in self._last_links() if (mask := link.transparent(hw)) is not None]
        return torch.stack(masks).any(0) if masks else None

    def _last_has(self, method: str) -> bool:
        return getattr(type(self.links[-1]), method) is not getattr(Degradation, method)

    def read(self, picture):
        return self.settle(self.links[-1].read(picture)) if self._last_has("read") else super().read(picture)

    def picture(self, y):
        if self._last_has("picture"):
            return self.links[-1].picture(y)
        if y.shape[-3] not in (1, 3):
            y = self.links[-1].lift(y[:1], tuple(y.shape[-2:]))
        return super().picture(y)

    def lift(self, y, size):
        """Each link's own way, from the last to the first; y is resized once for all those that have none."""
        sizes = self._sizes(size)
        for link, before, after in reversed(list(zip(self.links, sizes, sizes[1:], strict=False))):
            if type(link).lift is not Degradation.lift:
                y = y if tuple(y.shape[-2:]) == after else Degradation.lift(self, y, after)
                y = link.lift(y, before)
        return super().lift(y, size)

    def measure(self, x, generator=None):
        for link in self.links:
            x = link.measure(x, generator)
        return x

    @torch.no_grad()
    def simulate(self, x, generator=None):
        for link in self.links[:-1]:
            x = link.measure(x, generator)
        return self.settle(self.links[-1].simulate(x, generator))

    # ---- back onto the picture

    @torch.no_grad()
    def merge(self, x, y):
        """As for one operator. Where a link takes the colours away, each link's own way of merging is used
        first, so that grey chains keep chroma as ``gray`` does; so are those of chains that are not smooth, as
        far as they bring a row closer to y. What an ill-posed link is asked for on the way is mostly out of its
        reach, so a chain that begins with one goes without."""
        if len(self.links) == 1:
            return self.links[0].merge(x, y)
        apart = not (self.linear or self.smooth) or any(link.channels(3) != 3 for link in self.links)
        if apart and self.links[0].well_posed:
            exact, rest = self._in_double(), Chain(self.links[1:])
            y = self.settle(y).expand(len(x), -1, -1, -1)
            middle = rest.merge(exact.links[0](x.double().clamp(-1, 1)), y.double())
            merged = self.links[0].merge(x.double(), middle).to(x)
            before, after = ((exact(z.double()) - y.double()).flatten(1).norm(dim=1) for z in (x.clamp(-1, 1), merged))
            near = 0 if self.well_posed else ROUNDING * y[0].numel() ** 0.5
            x = torch.where(((after <= before) & (before > near))[:, None, None, None], merged, x)
        return super().merge(x, y)

    def blank(self, hw):
        masks = [mask for link in self._last_links() if (mask := link.blank(hw)) is not None]
        return torch.stack(torch.broadcast_tensors(*masks)).any(0) if masks else None

    def hidden(self, size, below, channels=3):
        sizes, counts = self._sizes(size), [channels]
        for link in self.links:
            counts.append(link.channels(counts[-1]))
        for link, hw, c in reversed(list(zip(self.links, sizes, counts, strict=False))):
            below = link.hidden(hw, below, c)
        return below
