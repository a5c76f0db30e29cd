"""Modules whose parameters are declared: checked, written as text, bound to rows, or left to be estimated."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Self

import torch
from PIL import Image
from torch import Tensor, nn

from degradations.core.equality import are_equal
from degradations.core.parameter import Parameter
from degradations.core.unknown import Unknown
from degradations.errors import SizeError, SpecError

LONGEST_REPR = 300  # characters of the spec in ``repr``


class Parametrized(nn.Module):
    """A module with the parameters that ``parameters_spec`` declares, each an attribute of the same name.

    The attribute is a number or a word, or after ``bind`` a tensor (N, 1, 1, 1) with one value for each row.
    """

    parameters_spec: tuple[Parameter, ...] = ()
    example: str | None = None
    name: str | None = None

    def __init__(self, **parameters):
        """Check the given values and keep them as attributes.

        Raises:
            SpecError: a name that ``parameters_spec`` lacks, a value that it does not allow, or a required value that
                is missing.
        """
        super().__init__()
        self.asked: str | None = None
        self.assets: dict[str, dict] = {}
        self.remarks: tuple[str, ...] = ()
        self._bound: tuple[str, ...] = ()
        self._unknown: dict[str, Unknown] = {}
        self._ranges: dict[str, Unknown] = {}
        undeclared = set(parameters) - {p.name for p in self.parameters_spec}
        if undeclared:
            known = ", ".join(p.name for p in self.parameters_spec) or "none"
            raise SpecError(f"{self._title()} has no parameter {min(undeclared)!r}; it has {known}")
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

    @classmethod
    def parameter(cls, name: str) -> Parameter | None:
        """Return the parameter that a spec calls by this name, or None."""
        return next((p for p in cls.parameters_spec if p.name == name), None)

    # ---- as text

    @property
    def spec(self) -> str:
        """Canonical text, which ``parse`` turns into an equal operator.

        Raises:
            SpecError: the operator is bound to values for each row, which text cannot express.
        """
        if self._bound:
            raise SpecError(
                f"{self._title()} is bound to values of {', '.join(self._bound)} per row, which a spec cannot express"
            )
        values = [(p, self._unknown.get(p.name, getattr(self, p.name))) for p in self.parameters_spec]
        values = [(p, value) for p, value in values if value is not None and (p.required or value != p.default)]
        if len(values) == 1 and values[0][0] is self.parameters_spec[0] and values[0][0].required:
            return f"{self._title()}:{values[0][0].write(values[0][1])}"
        written = ",".join(f"{p.name}={p.write(value)}" for p, value in values)
        return f"{self._title()}:{written}" if written else self._title()

    def extra_repr(self) -> str:
        names = ", ".join(self.bound_values())
        return f"bound to rows: {names}" if names else self.spec

    def __repr__(self) -> str:
        """Return the class and the spec; ``children()`` lists inner modules, ``links`` those of a chain."""
        text = self.extra_repr()
        return f"{type(self).__name__}({text if len(text) <= LONGEST_REPR else text[: LONGEST_REPR - 4] + ' ...'})"

    # ---- with one value for each row

    def bind(self, values: Mapping[str, Tensor]) -> Self:
        """Return a copy with one parameter value for each row. This is how unknown parameters are optimised.

        Args:
            values: parameter name -> (N,) or (N, 1, 1, 1) float. They are kept as (N, 1, 1, 1), so that they multiply
                pictures, and gradients flow into them. Other parameters keep their values.

        Raises:
            SpecError: a parameter that does not exist or cannot differ from row to row.
            SizeError: values of another shape, or for different numbers of rows.
        """
        bindable = [p.name for p in self.parameters_spec if p.bindable]
        bound = self._shallow_copy()
        for name, value in values.items():
            if name not in bindable:
                raise SpecError(f"{self._title()} cannot bind {name!r}; it can bind {', '.join(bindable) or 'nothing'}")
            if value.ndim not in (1, 4) or value.numel() != len(value):
                raise SizeError(f"got values of shape {tuple(value.shape)} for {name}; expected (N,), one for each row")
            bound.__dict__[name] = value.reshape(-1, 1, 1, 1)
            if name in bound._unknown:
                bound._ranges = bound._ranges | {name: bound._unknown.pop(name)}
        bound._bound = tuple(dict.fromkeys((*self._bound, *values)))
        rows = {len(getattr(bound, name)) for name in bound._bound} - {1}
        if len(rows) > 1:
            raise SizeError(
                f"got values for {' and '.join(map(str, sorted(rows)))} rows; expected the same number for all"
            )
        return bound

    def bound_values(self) -> dict[str, Tensor]:
        """Return the parameters that were given to ``bind``, each (N, 1, 1, 1)."""
        return {name: getattr(self, name) for name in self._bound}

    def upper_bound(self, name: str) -> float:
        """Return a number that a parameter does not exceed in any row, such as sizes of kernels are computed from.

        On the CPU it is the greatest value. To read that from another device would wait for it, so that there it is the
        end of the range, where the parameter was unknown before it was bound.
        """
        value = getattr(self, name)
        if not isinstance(value, Tensor):
            return value
        if name in self._ranges and value.device.type != "cpu":
            return self._ranges[name].high
        return float(value.detach().max())

    def _count_bound_rows(self) -> int:
        return max(map(len, self.bound_values().values()), default=1)

    # ---- unknown parameters

    def unknowns(self) -> dict[str, Unknown]:
        """Return the parameters to be estimated, by the names that ``bind`` takes.

        Until they are known, they have the value in the middle of their range.
        """
        return dict(self._unknown)

    def with_values(self, values: Mapping[str, float]) -> Self:
        """Return a copy in which some unknown parameters have known values, which its spec contains.

        Raises:
            SpecError: a value out of bounds, or a parameter that is not unknown.
        """
        if strange := sorted(values.keys() - self._unknown.keys()):
            known = ", ".join(self._unknown) or "nothing"
            raise SpecError(f"{self._title()} has no unknown parameter {strange[0]!r}; its unknown ones: {known}")
        twin = self._shallow_copy()
        for parameter in self.parameters_spec:
            if parameter.name in values:
                twin.__dict__[parameter.name] = parameter.check(values[parameter.name])
                del twin._unknown[parameter.name]
        return twin

    def with_initial_values(self, values: Mapping[str, float]) -> Self:
        """Return a copy whose unknown parameters start at these values, and are still to be estimated.

        Raises:
            SpecError: as ``with_values``.
        """
        twin = self.with_values(values)
        twin._unknown = dict(self._unknown)
        return twin

    def _scale_parameters(self, factor: float) -> Self:
        """Return a copy in which each parameter follows its law (``Parameter.scale``), known, bound or unknown."""
        twin = self._shallow_copy()
        twin.asked, twin.assets, twin.remarks = None, {}, ()
        for parameter in self.parameters_spec:
            name = parameter.name
            twin.__dict__[name] = parameter.scale(getattr(self, name), factor)
            if name in self._ranges:
                twin._ranges = twin._ranges | {name: parameter.scale(self._ranges[name], factor)}
            if name in self._unknown:
                twin._unknown[name] = parameter.scale(self._unknown[name], factor)
                twin.__dict__[name] = twin._unknown[name].middle
        ranges = twin._ranges | twin._unknown
        twin.parameters_spec = tuple(p.admit(ranges[p.name]) if p.name in ranges else p for p in self.parameters_spec)
        if twin.parameters_spec == self.parameters_spec:
            del twin.parameters_spec
        return twin

    def file_metadata(self, picture: Image.Image) -> dict[str, float]:
        """Return the parameters that an opened file states itself, by name. Default: none.

        A JPEG file, for example, states its quality through its quantisation tables.
        """
        return {}

    # ---- copies and comparison

    def same_as(self, other: object) -> bool:
        """Return whether rows of one operator may be processed by the other.

        They have the same class, and equal attributes, buffers and bound values, whether or not the spec shows them;
        how they were written and where their files came from does not count. When in doubt, False.
        """
        return isinstance(other, Parametrized) and are_equal(self, other, ignore=("asked", "assets", "remarks"))

    def _shallow_copy(self) -> Self:
        """Return a copy that shares every tensor."""
        twin = copy.copy(self)
        for table in ("_buffers", "_parameters", "_modules"):
            twin.__dict__[table] = self.__dict__[table].copy()
        twin.assets, twin._unknown = dict(self.assets), dict(self._unknown)
        return twin

    def _in_double(self) -> Self:
        """Return a detached float64 copy, for computations that need the precision."""
        twin = self._shallow_copy()
        for name in self._bound:
            twin.__dict__[name] = getattr(self, name).detach().double()
        return copy.deepcopy(twin).double()

    def _load_from_state_dict(self, state_dict, prefix, *args):
        """Load tensors that ``build`` creates later, such as masks, into an operator that was not built."""
        for name, buffer in self._buffers.items():
            if buffer is None and prefix + name in state_dict:
                self._buffers[name] = torch.empty_like(state_dict[prefix + name])
        super()._load_from_state_dict(state_dict, prefix, *args)
