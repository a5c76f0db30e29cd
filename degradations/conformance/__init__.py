"""The contract of an operator as a function, for our tests and for plugin authors.

    from degradations.conformance import check, survey

    assert not check(MyDegradation(), size=(37, 31))
    assert not survey("mine:0.5")  # at several sizes, alone and in chains

To add one, write a generator of findings and name it in ``PARTS``, with an advice in ``advice.ADVICE``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.conformance import binding, files, mapping, merging, noise, scales, surrogate
from degradations.core.base import Degradation, Size
from degradations.core.spec import parse
from degradations.errors import DegradationError, SizeError, summarize

PARTS = {
    "forward": mapping.forward,
    "rows": mapping.rows,
    "adjoint": mapping.adjoint,
    "gradient": mapping.gradient,
    "lift": mapping.lift,
    "files": files.files,
    "text": files.text,
    "merge": merging.merge,
    "unobserved": mapping.unobserved,
    "noise": noise.noise,
    "surrogate": surrogate.surrogate,
    "binding": binding.binding,
    "unknown": binding.unknown,
    "scaled": scales.scaled,
}
SIZES: tuple[Size, ...] = ((32, 32), (37, 31))
CHAINS = ("gray+{}", "{}+sr:2", "sr:2+{}+inpaint:center=1/3")


def check(
    operator: Degradation,
    size: Size = (32, 32),
    *,
    rows: int = 3,
    seed: int = 0,
    merge_tolerance: float = 1e-5,
) -> list[str]:
    """Test a built operator on random pictures.

    Args:
        operator: for any number of rows: nothing is bound, and a mask is the same for all rows.
        size: (H, W) of the pictures.
        rows: number of pictures.
        seed: of the pictures.
        merge_tolerance: for linear operators, how far phi(merge(x, y)) may be from the y of a real picture, and merging
            twice from merging once.

    Returns:
        Violations of the contract, in words; empty if there are none.
    """
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int, dtype=torch.float32) -> Tensor:
        return torch.rand(*shape, generator=random, dtype=dtype) * 2 - 1

    x = draw(rows, 3, *size)
    findings = []
    for title, part in PARTS.items():
        if title == "merge" and any(finding.startswith("adjoint") for finding in findings):
            continue  # merge relies on the adjoint, which is wrong
        try:
            for finding in part(operator, x, draw, merge_tolerance):
                findings.append(f"{title}: {finding}")  # one by one, so that findings before an exception are kept
        except Exception as error:  # noqa: BLE001  third-party code may fail in any way
            findings.append(f"{title}: raised {summarize(error)}")
            if title == "forward":  # all other parts would fail alike
                break
    return findings


def survey(spec: str, *, seed: int = 0, merge_tolerance: float = 1e-3) -> dict[str, list[str]]:
    """Run ``check`` on an operator given by its spec, at two sizes and in chains of two and three operators.

    Chains are tried if the operator alone passes; a chain that an operator refuses with a SizeError (``gray+`` in front
    of one that needs colours) is left out.

    Args:
        spec: of the operator.
        seed: of the pictures.
        merge_tolerance: as in ``check``.

    Returns:
        What was tried ("mine:0.5 at 37x31", height first) -> the violations found.
    """
    found = {
        f"{spec} at {h}x{w}": check(_build(spec, (h, w), seed), (h, w), seed=seed, merge_tolerance=merge_tolerance)
        for h, w in SIZES
    }
    if any(found.values()):
        return found
    h, w = SIZES[-1]
    for chain in (pattern.format(spec) for pattern in CHAINS):
        try:
            operator = _build(chain, (h, w), seed)
            operator(torch.zeros(1, 3, h, w))
        except SizeError:
            continue
        except DegradationError as error:
            found[f"{chain} at {h}x{w}"] = [f"forward: {error}"]
            continue
        found[f"{chain} at {h}x{w}"] = check(operator, (h, w), seed=seed, merge_tolerance=merge_tolerance)
    return found


def find_skipped(spec: str) -> list[str]:
    """Return the parts of the contract that ``survey`` leaves out: "scaled", if the operator is tied to one size."""
    return [] if scales.can_be_scaled(_build(spec, SIZES[0], 0)) else ["scaled"]


def _build(spec: str, size: Size, seed: int) -> Degradation:
    return parse(spec).build(seed=seed, size=size)
