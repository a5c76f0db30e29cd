"""The base of every operator. An author writes ``forward``; the rest has defaults that work."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from degradations.core import notebook
from degradations.core.equality import alike
from degradations.core.parameter import Parameter
from degradations.core.unknown import Unknown
from degradations.errors import DegradationError, SizeError, SpecError
from degradations.files.pictures import from_picture, luma, rounded, to_picture
from degradations.noise.model import Generators, NoiseModel
from degradations.solvers.near_projection import project_near
from degradations.solvers.nonlinear_projection import project_curved
from degradations.solvers.projection import project

Size = tuple[int, int]
LONGEST = 300  # characters of a spec in the text of an operator
ROUNDING = 2 / 255 / 12**0.5  # root mean square of what rounding to 8 bits changes, on the scale of [-1, 1]


class Degradation(nn.Module):
    """phi. x: (N, C, H, W) float in [-1, 1], usually C = 3 -> y: (N, c, h, w).

    y is in [-1, 1], give or take ``overshoot``.

    Rows (the leading axis) are independent: a row gives the same answer alone and among others.

    Attributes:
        linear, smooth: what the contract suite may test, and what ``merge`` may rely on.
        pointwise: each pixel of y comes from the same pixel of x, and mid-grey (0) stays mid-grey.
        well_posed: whether ``merge`` is to undo it exactly. Where it is not (blur), that would blow up the rounding of
            y, and near enough is ``ROUNDING``.
        scales: whether a y that is resized is the y of a resized x, so that pictures of any size can be fitted.
        overshoot: by how much y may leave [-1, 1].
        parameters_spec: its parameters, each an attribute; the first may be given without its name
            (``sr:4``).
        noise: None, or what ``measure`` adds (``sample``, ``nll``) and, if it can say ``within`` which bounds,
            ``merge`` need not explain.
        example: a spec for help texts and for the contract suite, where the name alone is not one.
        strengths: specs from weak to strong, three if there are, for the sheet of all operators; None: derived.
        name: given by ``register``.
        asked: the text that was parsed, or None.
        assets: what ``build`` read: name -> {"sha256": ..., "path": ... or None}.
        remarks: how ``build`` understood it, in words.
    """

    linear = False
    smooth = True
    pointwise = False
    well_posed = True
    scales = True
    overshoot = 0.0
    parameters_spec: tuple[Parameter, ...] = ()
    noise: NoiseModel | None = None
    example: str | None = None
    strengths: tuple[str, ...] | None = None
    name: str | None = None

    def __init__(self, **parameters):
        """SpecError for a name that ``parameters_spec`` lacks and for a value that it does not allow."""
        super().__init__()
        self.asked: str | None = None
        self.assets: dict[str, dict] = {}
        self.remarks: tuple[str, ...] = ()
        self._bound: tuple[str, ...] = ()
        self._unknown: dict[str, Unknown] = {}
        unknown = set(parameters) - {p.name for p in self.parameters_spec}
        if unknown:
            known = ", ".join(p.name for p in self.parameters_spec) or "none"
            raise SpecError(f"{self._title()} has no parameter {min(unknown)!r}; it has {known}")
        for parameter in self.parameters_spec:
            value = parameters.get(parameter.name)
            if value is None and parameter.required:
                hint = f", e.g. {self.example}" if self.example else ""
                raise SpecError(f"{self._title()} needs {parameter.name}: {parameter.expected}{hint}")
            if value is not None:
                try:
                    value = parameter.check(value)
                except SpecError as wrong:
                    raise SpecError(f"{self._title()}: {wrong}") from None
            if isinstance(value, Unknown):
                self._unknown[parameter.name] = value
                value = value.middle
            setattr(self, parameter.name, parameter.default if value is None else value)

    def _title(self) -> str:
        return self.name or type(self).__name__

    # ---- what an author writes

    def forward(self, x: Tensor) -> Tensor:
        """Deterministic, differentiable in x and in the parameters."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, x)")

    # ---- what it is

    @classmethod
    def parameter(cls, name: str) -> Parameter | None:
        """The parameter that a spec means by a name; None: it has none."""
        return next((p for p in cls.parameters_spec if p.name == name), None)

    @property
    def spec(self) -> str:
        """Canonical text, which parses back to an equal operator."""
        if self._bound:
            raise SpecError(
                f"{self._title()} is bound to values of {', '.join(self._bound)} per row, which a spec cannot express"
            )
        given = [(p, self._unknown.get(p.name, getattr(self, p.name))) for p in self.parameters_spec]
        given = [(p, value) for p, value in given if value is not None and (p.required or value != p.default)]
        if len(given) == 1 and given[0][0] is self.parameters_spec[0] and given[0][0].required:
            return f"{self._title()}:{given[0][0].write(given[0][1])}"
        written = ",".join(f"{p.name}={p.write(value)}" for p, value in given)
        return f"{self._title()}:{written}" if written else self._title()

    def extra_repr(self) -> str:
        bound = self.bound()
        return "bound to rows: " + ", ".join(bound) if bound else self.spec

    def __repr__(self) -> str:
        """Say which operator it is, by its spec; ``children()`` shows modules within, ``links`` those of a chain."""
        text = self.extra_repr()
        return f"{type(self).__name__}({text if len(text) <= LONGEST else text[: LONGEST - 4] + ' ...'})"

    def _repr_png_(self) -> bytes | None:
        return notebook.png(self)

    def _repr_html_(self) -> str:
        return notebook.text(self)

    def channels(self, c: int) -> int:
        """How many channels y has for an x of c. Default: by trying a small picture."""
        return self._probe(c, (32, 32)).shape[1]

    def size(self, hw: Size) -> Size:
        """(h, w) of y for an x of (H, W). Default: by trying."""
        return tuple(self._probe(3, hw).shape[-2:])

    def _probe(self, c: int, hw: Size) -> Tensor:
        rows = max(map(len, self.bound().values()), default=1)
        like = next((b for b in [*self.buffers(), *self.parameters()] if b.is_floating_point()), torch.zeros(()))
        with torch.no_grad():
            return self(torch.zeros(rows, c, *hw, dtype=like.dtype, device=like.device))

    def same_as(self, other: object) -> bool:
        """Whether rows of one may go through the other: same class, and equal in every attribute, buffer and bound
        value, whether or not the spec shows it. How they were asked for does not count. In doubt: no."""
        return isinstance(other, Degradation) and alike(self, other, but=("asked", "assets", "remarks"))

    # ---- with other values

    def bind(self, values: Mapping[str, Tensor]) -> Degradation:
        """A copy whose parameters are tensors, one value a row: how unknown parameters enter.

        Args:
            values: parameter name -> (N,) or (N, 1, 1, 1) float. Kept as (N, 1, 1, 1), so that they multiply
                pictures as they are; gradients flow into them. Names that are not given keep their value.
        """
        bindable = [p.name for p in self.parameters_spec if p.bindable]
        bound = self._shallow()
        for name, value in values.items():
            if name not in bindable:
                raise SpecError(f"{self._title()} cannot bind {name!r}; it can bind {', '.join(bindable) or 'nothing'}")
            if value.ndim not in (1, 4) or value.numel() != len(value):
                raise SizeError(f"got values of shape {tuple(value.shape)} for {name}; expected (N,), one a row")
            bound.__dict__[name] = value.reshape(-1, 1, 1, 1)
            bound._unknown.pop(name, None)
        bound._bound = tuple(dict.fromkeys((*self._bound, *values)))
        rows = {len(getattr(bound, name)) for name in bound._bound} - {1}
        if len(rows) > 1:
            raise SizeError(
                f"got values for {' and '.join(map(str, sorted(rows)))} rows; expected the same number for all"
            )
        return bound

    def bound(self) -> dict[str, Tensor]:
        """The parameters that ``bind`` gave, each (N, 1, 1, 1)."""
        return {name: getattr(self, name) for name in self._bound}

    def _shallow(self) -> Degradation:
        """A copy that shares every tensor."""
        twin = copy.copy(self)
        for table in ("_buffers", "_parameters", "_modules"):
            twin.__dict__[table] = self.__dict__[table].copy()
        twin.assets, twin._unknown = dict(self.assets), dict(self._unknown)
        return twin

    def unknowns(self) -> dict[str, Unknown]:
        """The parameters that are to be estimated, by the names that ``bind`` takes. Until they are bound, or
        ``given``, each stands in the middle of its range."""
        return dict(self._unknown)

    def standing(self, values: Mapping[str, float]) -> Degradation:
        """A copy whose unknown parameters stand at other values than the middle of their ranges, unknown as before."""
        twin = self.given(values)
        twin._unknown = dict(self._unknown)
        return twin

    def given(self, values: Mapping[str, float]) -> Degradation:
        """A copy in which some unknown parameters have been found, and are numbers in its spec. SpecError for values
        out of bounds, and for names that are not unknown."""
        if strange := sorted(values.keys() - self._unknown.keys()):
            known = ", ".join(self._unknown) or "nothing"
            raise SpecError(f"{self._title()} has no unknown parameter {strange[0]!r}; its unknown ones: {known}")
        found = self._shallow()
        for parameter in self.parameters_spec:
            if parameter.name in values:
                found.__dict__[parameter.name] = parameter.check(values[parameter.name])
                del found._unknown[parameter.name]
        return found

    def told(self, picture: Image.Image) -> dict[str, float]:
        """What an opened file itself says of parameters, by name: a JPEG's tables say its quality. Default: nothing."""
        return {}

    def _in_double(self) -> Degradation:
        """A detached float64 copy, for computations that need the digits."""
        twin = self._shallow()
        for name in self._bound:
            twin.__dict__[name] = getattr(self, name).detach().double()
        return copy.deepcopy(twin).double()

    def build(self, picture: Image.Image | None = None, seed: int = 0, size: Size | None = None) -> Degradation:
        """Resolve what needs the opened file, a seed or a size; returns an operator (default: itself).

        Args:
            picture: the degraded picture as it was opened, alpha and all.
            seed: for random parts that bring no seed of their own.
            size: (H, W) of x; default: as the picture tells.
        """
        return self

    # ---- linear algebra

    def adjoint(self, y: Tensor, size: Size) -> Tensor:
        """A^T y: (N, c, h, w) -> (N, C, H, W), for linear operators. C is 3 where the operator takes 3 to c,
        else c."""
        if not self.linear:
            raise DegradationError(f"{self._title()} is not linear, so it has no adjoint; differentiate it instead")
        c = 3 if self.channels(3) == y.shape[1] else y.shape[1]
        with torch.enable_grad():
            x = y.new_zeros(len(y), c, *size, requires_grad=True)
            return torch.autograd.grad(self(x), x, y, create_graph=y.requires_grad)[0]

    def lift(self, y: Tensor, size: Size) -> Tensor:
        """y -> (N, 3, H, W), linear: what a discriminator looks at. Default: bilinear to the size, grey
        repeated."""
        if y.shape[1] not in (1, 3):
            raise SizeError(
                f"{self._title()} gives y of {y.shape[1]} channels, and pictures have 1 or 3; "
                "define lift(self, y, size), which shows such a y"
            )
        if tuple(y.shape[-2:]) != tuple(size):
            y = F.interpolate(y, size=tuple(size), mode="bilinear", align_corners=False)
        return y.expand(-1, 3, -1, -1)

    # ---- files

    def tone(self, picture: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 1, H, W): how a colour file becomes the grey y that was asked for."""
        return luma(picture)

    def settle(self, y: Tensor) -> Tensor:
        """What reading a file imposes on y (a hole is exactly mid-grey, which no 8-bit level is)."""
        return y

    def transparent(self, hw: Size) -> Tensor | None:
        """(h, w) bool, the pixels of y that files keep as transparent, or None: no alpha channel."""
        return None

    def read(self, picture: Image.Image) -> Tensor:
        """An opened file, as people store such pictures -> y (1, c, h, w) float32.

        Raises:
            SizeError: y has other than 1 or 3 channels, and how such a y is stored is for the operator to say.
        """
        c = self.channels(3)
        if c not in (1, 3):
            raise SizeError(
                f"{self._title()} gives y of {c} channels, and picture files have 1 or 3; define read(self, picture), "
                "which makes such a y of a file, or simulate"
            )
        y = from_picture(picture, matte=self.transparent((picture.height, picture.width)) is None)
        if c == 1 and y.shape[1] == 3:
            y = self.tone(y)
        elif c == 3 and y.shape[1] == 1:
            y = y.expand(-1, 3, -1, -1).contiguous()
        return self.settle(y)

    def picture(self, y: Tensor) -> Image.Image:
        """The first row of y as the 8-bit picture that a file would hold; ``read`` gives it back. Of other than 1 or
        3 channels: what ``lift`` shows."""
        if y.shape[-3] not in (1, 3):
            y = self.lift(y[:1], tuple(y.shape[-2:]))
        return to_picture(y, self.transparent(tuple(y.shape[-2:])))

    def measure(self, x: Tensor, generator: Generators = None) -> Tensor:
        """The true observation of x, before rounding: the operator (or the true filter or codec), then noise.

        Args:
            generator: one torch.Generator, or a list of N.
        """
        y = self(x)
        return y if self.noise is None else self.noise.sample(y, generator)

    @torch.no_grad()
    def simulate(self, x: Tensor, generator: Generators = None) -> Tensor:
        """``measure`` as an 8-bit file would hold it; equals ``read(picture(y))``."""
        return self.settle(rounded(self.measure(x, generator)))

    # ---- back onto the picture

    @torch.no_grad()
    def merge(self, x: Tensor, y: Tensor) -> Tensor:
        """The smallest change of x that brings phi(x) to within the noise of y. (N, C, H, W) in [-1, 1].

        Linear operators: the nearest picture in [-1, 1] (``projection``), in float64; where they are not
        ``well_posed``, a near one (``near_projection``) that brings phi(x) to within the noise and the rounding of y.
        Smooth ones: the nearest to be found by damped steps (``curved_projection``). Others cannot be merged, and x is
        returned.
        """
        exact = self._in_double()
        picture = x.double().clamp(-1, 1)
        y = self.settle(y).double().expand(len(x), -1, -1, -1)
        near = None if self.well_posed else self._noise_floor(exact(picture))
        floor = _known_to(y, self.noise)
        if self.well_posed and hasattr(self.noise, "within"):
            y = self.noise.within(exact(picture), y)
        if self.linear:
            hw = tuple(x.shape[-2:])
            pull = lambda v: exact.adjoint(v, hw)  # noqa: E731
            if x.shape[1] != (3 if self.channels(3) == y.shape[1] else y.shape[1]):
                pull = lambda v: torch.func.vjp(exact, picture)[1](v)[0]  # noqa: E731
            if near is not None:
                return project_near(exact, pull, picture, y, near).to(x)
            return project(exact, pull, picture, y, floor=floor).to(x)
        if self.smooth:
            picture = project_curved(exact, picture, y, within=near)
        return picture.to(x)

    def _noise_floor(self, y_hat: Tensor) -> Tensor:
        """(N,), the root mean square of y - y_hat for the true picture: what rounding to 8 bits and the noise make."""
        known = getattr(self.noise, "mean_square", lambda _: None)(y_hat)
        noise = y_hat.new_zeros(len(y_hat)) if known is None else known
        return (noise + ROUNDING**2).sqrt()

    def unobserved(self, size: Size) -> Tensor | None:
        """Where nothing of x was seen: (N or 1, H, W) bool, or None when all was."""
        hidden = self.hidden(tuple(size), None)
        return hidden if hidden is not None and bool(hidden.any()) else None

    def blank(self, hw: Size) -> Tensor | None:
        """The pixels of y that tell nothing of x: (N or 1, h, w) bool for a y of (h, w), or None. Default: those of
        missing pixels, where each pixel of y comes from the same one of x."""
        return self.unobserved(hw) if self.pointwise else None

    def hidden(self, size: Size, below: Tensor | None, channels: int = 3) -> Tensor | None:
        """The pixels of x that only unseen pixels of y depend on.

        Args:
            below: (N or 1, h, w) bool, the unseen pixels of y; None when all are seen.
            channels: of x.

        Returns:
            (N or 1, H, W) bool or None. Default: where random gradients vanish; None for operators that have
            none.
        """
        if not (self.linear or self.smooth):
            return None
        exact, random = self._in_double(), torch.Generator().manual_seed(0)
        rows = max(
            [len(b) for b in [below] if b is not None] + [len(getattr(self, n)) for n in self._bound],
            default=1,
        )
        device = next((b.device for b in self.buffers()), below.device if below is not None else torch.device("cpu"))
        unseen = None
        for _ in range(2):
            x = (torch.rand(rows, channels, *size, generator=random, dtype=torch.float64) - 0.5).to(device)
            with torch.enable_grad():
                y = exact(x.requires_grad_())
                weight = torch.randn(y.shape, generator=random, dtype=torch.float64).to(device)
                if below is not None:
                    weight = weight * ~below[:, None]
                gone = torch.autograd.grad(y, x, weight)[0].abs().amax(1) == 0
            unseen = gone if unseen is None else unseen & gone
        return unseen


def _known_to(y: Tensor, noise: NoiseModel | None) -> Tensor:
    """(N,): to within which root mean square y (N, c, h, w) is known. A tenth of the noise, as ``within`` has brought y
    to its verge; half a level's rounding for what lies on the 256 levels of a file; else nothing."""
    stated = noise.mean_square(y) if hasattr(noise, "mean_square") else None
    levels = (y + 1) * 127.5
    on_levels = ((levels - levels.round()).abs() < 1e-3).flatten(1).all(1)
    rounding = torch.where(on_levels, ROUNDING, 0.0).to(y)
    return rounding if stated is None else torch.maximum(rounding, 0.1 * stated.to(y).sqrt())
