"""`dgp doctor`: check that `dgp restore` can run, and list the optional parts that are missing."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from dgp.cli.complete import DEFAULT_PRIOR
from dgp.cli.console import Console, console_options
from dgp.cli.failures import one_line

TINY = ("searches.0.count=8", "stages.*.steps=1")


@dataclass(frozen=True)
class CheckResult:
    """The result of a check, as it appears in the JSON output.

    Attributes:
        name: the part that was checked.
        ok: whether it works.
        needed: whether `dgp restore` depends on it.
        says: details, or what is wrong.
    """

    name: str
    ok: bool
    needed: bool
    says: str


class _Missing(Exception):
    """An optional part is missing; the message is the warning."""

    exit_code = 1


@click.command(
    epilog="""\b
Examples:
  dgp doctor
  dgp doctor --json

\b
Exit code 0 when `dgp restore` can run; optional parts that are missing give a warning."""
)
@console_options
def doctor(console: Console):
    """Check that the installation works."""
    from dgp.output.run_folder import versions

    checks: tuple[tuple[str, bool, Callable[[], str]], ...] = (
        (f"prior {DEFAULT_PRIOR}", True, _bundled_prior),
        ("a run of a few steps", True, _tiny_run),
        ("device", False, _device),
        ("packages", False, _packages),
        ("threads", False, _threads),
        ("LPIPS", False, _lpips),
        ("EfficientNet-Lite0", False, _efficientnet),
        ("torchvision", False, _torchvision),
    )
    results = [_run_check(*check) for check in checks]
    usable = all(result.ok for result in results if result.needed)
    found = versions() | required_versions()
    console.print_json(
        {
            "status": "ok" if usable else "failed",
            "versions": found,
            "checks": [vars(result) for result in results],
        }
    )
    if not console.as_json:
        console.print(", ".join(f"{name} {number or 'missing'}" for name, number in found.items()))
        for result in results:
            mark = "ok" if result.ok else "FAILED" if result.needed else "warning"
            console.print(f"{mark:8} {result.name}: {result.says}")
        console.print(
            "The main job can run."
            if usable
            else "The main job cannot run; install again: pip install deep-generative-prior"
        )
    if not usable:
        click.get_current_context().exit(1)


def required_versions() -> dict[str, str | None]:
    """Return the version of each required package, or None for one that is missing.

    The result is empty if dgp is not installed as a package, as only its metadata lists the requirements.
    """
    from importlib.metadata import PackageNotFoundError, requires, version

    def version_of(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    try:
        required = requires("deep-generative-prior") or []
    except PackageNotFoundError:
        return {}
    names = [re.match(r"[\w.-]+", text)[0] for text in required if "extra ==" not in text]
    return {name: version_of(name) for name in names}


def _packages() -> str:
    found = required_versions()
    if not found:
        raise _Missing("this source tree is not installed, so its requirements cannot be checked; pip install .")
    if missing := [name for name, number in found.items() if number is None]:
        raise _Missing(f"missing: {', '.join(missing)}; pip install {' '.join(missing)}")
    return f"all {len(found)} required packages are installed"


def _run_check(name: str, needed: bool, check: Callable[[], str]) -> CheckResult:
    """Run a check, which returns details or raises an error."""
    from generators.progress import waiting

    try:
        with waiting(f"checking {name}"):
            return CheckResult(name, True, needed, check())
    except Exception as error:  # noqa: BLE001  any error is a result of the check
        return CheckResult(name, False, needed, one_line(error))


def _bundled_prior() -> str:
    import generators

    prior = generators.load(DEFAULT_PRIOR)
    return f"sha256 {prior.sha256[:16]}... as published"


def _tiny_run() -> str:
    import dgp
    from dgp.recipes.load import load_recipe
    from generators import load

    prior = load("toy")
    latents = prior.generator.sample(1)
    recipe = load_recipe("latent-mse", TINY)
    result = dgp.restore(prior.generator(latents), "gray", prior, recipe=recipe, simulate=True)
    with tempfile.TemporaryDirectory() as folder:
        result.save(folder)
        files = sorted(path.name for path in Path(folder).iterdir())
    return f"{recipe.steps} steps on the toy prior, {len(files)} files written"


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        raise _Missing(f"no CUDA device; runs use the CPU with {torch.get_num_threads()} threads")
    return f"CUDA, {torch.cuda.get_device_name(0)}"


def _threads() -> str:
    """Return the number of CPU threads, and check that they sleep while they wait for each other."""
    import torch

    count = torch.get_num_threads()
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    if count > 1 and policy.upper() != "PASSIVE":
        raise _Missing(
            f"{count}, which spin while they wait (OMP_WAIT_POLICY={policy or 'unset'}), so that runs are slow while "
            "other programs run; set OMP_WAIT_POLICY=PASSIVE before Python starts"
        )
    if count == 1:
        return "1"
    return f"{count}, which sleep while they wait; in Python this requires that dgp is used before torch is imported"


def _lpips() -> str:
    import torch

    from dgp.output.metrics import lpips_or_reason

    value, reason = lpips_or_reason(torch.zeros(3, 64, 64), torch.zeros(3, 64, 64))
    if value is None:
        raise _Missing(f"not computed: {reason}")
    return "its weights are present"


def _efficientnet() -> str:
    from dgp.losses.feature_networks.efficientnet import explain_absence

    if reason := explain_absence():
        raise _Missing(f"no perceptual distances by it: {reason}")
    return "its weights are present"


def _torchvision() -> str:
    import torchvision

    return torchvision.__version__
