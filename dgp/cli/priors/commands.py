"""`dgp priors`: list, inspect, check, convert and sample generators."""

from __future__ import annotations

from pathlib import Path

import click

from dgp.cli import complete
from dgp.cli.complete import DEFAULT_PRIOR
from dgp.cli.console import Console, console_options, printable_text
from dgp.cli.groups import Group
from dgp.cli.plugins import plugin_option
from dgp.cli.priors.fetch import facts, fetch
from dgp.cli.priors.sample import sample
from dgp.runs.plugins import load_plugins


@click.group(
    cls=Group,
    epilog="""\b
Examples:
  dgp priors list
  dgp priors info biggan-cifar10
  dgp priors fetch --list
  dgp priors verify G_ema.pth --sha256 0123...
  dgp priors convert ffhq.pkl -o ffhq.safetensors
  dgp priors sample biggan-cifar10 --count 16 --class horse -o horses.png""",
)
def priors():
    """List, inspect, fetch, check, convert and sample generators."""


for command in (fetch, sample):
    priors.add_command(command)


@priors.command(
    "list",
    epilog="""\b
Examples:
  dgp priors list
  dgp priors list --json""",
)
@console_options
def list_(console: Console):
    """List all priors.

    Wherever a command takes the name of a prior, it also takes a weights file or a folder.
    """
    import generators
    from generators.model_zoo import PUBLIC

    entries, public = [], [facts(entry) for entry in PUBLIC.values() if entry.generator]
    fetched = {entry["name"] for entry in public if entry["fetched"]}
    for name in generators.names():
        if name in fetched:  # listed below from the table, as loading them all would take long
            continue
        try:
            prior = generators.load(name)
        except generators.GeneratorError as error:
            entries.append({"name": name, "usable": False, "reason": str(error)})
            continue
        entries.append({"name": name, "usable": True, "default": name == generators.DEFAULT} | _facts(prior))
    console.print_json({"priors": entries, "public": public})
    if not console.as_json:
        for entry in entries:
            if entry["usable"]:
                about = f"{entry['resolution']} px, {len(entry['classes'])} classes, {entry['card']['data']}"
                console.print(f"{entry['name']:20}  {about}{' (default)' if entry['default'] else ''}")
            else:
                console.print(f"{entry['name']:20}  cannot be used: {entry['reason']}")
        for entry in public:
            if entry["fetched"]:
                console.print(f"{entry['name']:20}  {entry['about']}; fetched")
        others = [entry["name"] for entry in public if not entry["fetched"]]
        if others:
            console.print(f"`dgp priors fetch NAME` gets others: {', '.join(others)}")


@priors.command(
    epilog="""\b
Examples:
  dgp priors info
  dgp priors info weights/G_ema_128.pth --json"""
)
@click.argument("name", metavar="[NAME|FILE]", default=DEFAULT_PRIOR, shell_complete=complete.priors)
@plugin_option
@console_options
def info(name: str, plugins: tuple[str, ...], console: Console):
    """Show a prior's origin, licence, classes, latents and layers, and the assumptions made to read its file."""
    import generators

    load_plugins(plugins)
    facts = _facts(generators.load(name))
    console.print_json(facts)
    if console.as_json:
        return
    card = facts["card"]
    console.print(
        f"{facts['name']}: {facts['architecture']}, {facts['resolution']} px, "
        f"{facts['parameters'] / 1e6:.1f} million parameters, "
        f"{'with' if facts['discriminator'] else 'without'} discriminator"
    )
    console.print(f"sha256: {facts['sha256']}")
    for key in ("data", "licence", "origin", "limits"):
        console.print(f"{key}: {card[key]}")
    shown, count = facts["classes"][:20], len(facts["classes"])
    console.print(f"classes: {', '.join(shown) or 'none'}{f', ... ({count})' if count > len(shown) else ''}")
    console.print(f"charts: {', '.join(_describe_latent(chart) for chart in facts['charts'])}")
    console.print(f"layer groups, coarse to fine: {', '.join(facts['groups'])}")
    for assumed in facts["assumed"]:
        console.print(f"assumed: {assumed}")


@priors.command(
    epilog="""\b
Examples:
  dgp priors verify
  dgp priors verify weights/G_ema.pth --sha256 0123456789abcdef..."""
)
@click.argument("name", metavar="[NAME|FILE]", default=DEFAULT_PRIOR, shell_complete=complete.priors)
@click.option(
    "--sha256", metavar="HEX", show_default=False, help="The sha256 that the generator's file is expected to have."
)
@console_options
def verify(name: str, sha256: str | None, console: Console):
    """Check that a prior is intact: its sha256 if one is known, every tensor, and a picture that it generates.

    The files of published weights (`dgp priors fetch --list`) are checked against the sha256 recorded at the
    first download. The exit code is 3 if the prior cannot be used.
    """
    import torch

    import generators
    from dgp.random_streams import random_stream
    from generators.downloads import verify as verify_files
    from generators.model_zoo import PUBLIC
    from generators.progress import waiting

    if name in PUBLIC:
        for file in verify_files(PUBLIC[name], sha256):
            console.detail(f"{file.path}: sha256 {file.sha256}{', recorded now' if file.recorded else ''}")
        if not PUBLIC[name].generator:
            console.print_json({"name": name, "sha256": file.sha256, "verified": True, "discriminator": False})
            console.print(f"{name}: intact, sha256 {file.sha256}")
            return
    prior = generators.load(name, sha256=sha256.lower() if sha256 else None)
    broken = [
        key
        for module in (prior.generator, prior.discriminator)
        if module is not None
        for key, value in module.state_dict().items()
        if value.is_floating_point() and not bool(value.isfinite().all())
    ]
    if broken:
        raise generators.WeightsError(f"{name}: {broken[0]} holds NaN or Infinity; get the file again")
    with waiting("generating a picture"), torch.no_grad():
        picture = prior.generator(prior.generator.sample(1, generator=random_stream(0, "verify", 0)))
        if prior.discriminator is not None:
            prior.discriminator.features(picture)
    if not bool(picture.isfinite().all()):
        raise generators.WeightsError(f"{name}: generates pictures with NaN or Infinity; get the file again")
    console.print_json(
        {
            "name": prior.name,
            "sha256": prior.sha256,
            "verified": True,
            "discriminator": prior.discriminator is not None,
        }
    )
    console.print(f"{prior.name}: intact, sha256 {prior.sha256}")


@priors.command(
    epilog="""\b
Examples:
  dgp priors convert ffhq.pkl                     writes ffhq.safetensors
  dgp priors convert weights/G_ema_128.pth -o biggan-128.safetensors --overwrite"""
)
@click.argument("name", metavar="NAME|FILE", shell_complete=complete.priors)
@click.argument("old_output", type=click.Path(path_type=Path), metavar="", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default=False,
    help="The file to write; the discriminator is written beside it (default: PRIOR.safetensors).",
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@console_options
def convert(name: str, old_output: Path | None, output: Path | None, overwrite: bool, console: Console):
    """Write a prior as safetensors: the generator, and its discriminator in a second file beside it.

    The written file generates the same pictures, bit for bit. Its header holds the architecture, configuration and
    licence.
    """
    import generators
    from dgp.files import sha256_of
    from generators.progress import waiting

    if old_output is not None:
        if output is not None:
            raise click.UsageError(f"got two files to write, {old_output} and -o {output}; give -o alone")
        console.note(f"`convert {name} {old_output}` is deprecated; use `dgp priors convert {name} -o {old_output}`")
        output = old_output
    prior = generators.load(name)
    with waiting("writing the files"):
        files = generators.convert(prior, output or Path(f"{prior.name}.safetensors"), overwrite=overwrite)
    console.print_json(
        {
            "prior": {"name": prior.name, "sha256": prior.sha256},
            "architecture": prior.generator.info.architecture,
            "files": [{"path": str(file), "sha256": sha256_of(file)} for file in files],
        }
    )
    console.print(f"{prior.name}: {prior.generator.info.architecture} -> {', '.join(map(printable_text, files))}")


def _facts(prior) -> dict:
    """Return the JSON record of a loaded prior."""
    info = prior.generator.info
    return {
        "name": prior.name,
        "architecture": info.architecture,
        "resolution": info.resolution,
        "classes": list(info.classes),
        "latents": [f"{s.name} {tuple(s.shape)}" for s in info.latents],
        "charts": [
            {"name": s.name, "shape": list(s.shape), "optimisable": s.optimisable, "sampled": s.sampled}
            for s in info.latents
        ]
        + [
            {
                "name": f"feature@0 to feature@{prior.generator.depth}",
                "shape": None,
                "optimisable": True,
                "sampled": False,
            }
        ],
        "groups": [group.name for group in prior.generator.groups()],
        "parameters": sum(p.numel() for p in prior.generator.parameters()),
        "discriminator": prior.discriminator is not None,
        "sha256": prior.sha256,
        "assumed": list(prior.assumed),
        "card": {key: getattr(prior.card, key) for key in ("name", "data", "licence", "origin", "limits", "text")},
    }


def _describe_latent(chart: dict) -> str:
    """Return a latent in words, such as "z (128,)" or "class (), fixed by its number"."""
    if chart["shape"] is None:
        return f"{chart['name']} (maps between blocks)"
    return f"{chart['name']} {tuple(chart['shape'])}{'' if chart['optimisable'] else ', fixed by its number'}"
