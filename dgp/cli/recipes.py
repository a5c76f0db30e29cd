"""`dgp recipes`: list recipes, and show one as it is written or as it runs on a prior."""

from __future__ import annotations

import click

from dgp.cli import complete
from dgp.cli.console import Console, console_options
from dgp.cli.groups import Group
from dgp.cli.options import set_option
from dgp.cli.plugins import plugin_option
from dgp.runs.plugins import load_plugins


@click.group(
    cls=Group,
    epilog="""\b
Examples:
  dgp recipes list
  dgp recipes show default
  dgp recipes show dgp-colorization --prior biggan-cifar10""",
)
def recipes():
    """List and show recipes, the methods of restoration."""


@recipes.command(
    "list",
    epilog="""\b
Examples:
  dgp recipes list
  dgp recipes list --json""",
)
@console_options
def list_(console: Console):
    """List all recipes, with the number of steps and a summary of each."""
    import dgp

    found = [dgp.load_recipe(name) for name in dgp.recipe_names()]
    console.print_json(
        {
            "recipes": [
                {
                    "name": r.name,
                    "summary": r.summary,
                    "serves": list(r.serves),
                    "requires": list(r.requires),
                    "steps": r.steps,
                    "cites": list(r.cites),
                }
                for r in found
            ]
        }
    )
    if not console.as_json:
        width = max(len(r.name) for r in found)
        for recipe in found:
            console.print(f"{recipe.name:{width}}  {recipe.steps:5} steps  {recipe.summary}")


@recipes.command(
    epilog="""\b
Examples:
  dgp recipes show
  dgp recipes show dgp-sr-d --prior biggan-cifar10      as it runs on that network, with the changes
  dgp recipes show default --set 'stages.*.lr=0.01' --json"""
)
@click.argument("name", metavar="[NAME|FILE]", default="default", shell_complete=complete.recipes)
@click.option(
    "-p",
    "--prior",
    metavar="NAME|FILE",
    shell_complete=complete.priors,
    show_default=False,
    help="Show the recipe as it is adapted to this prior.",
)
@set_option
@plugin_option
@console_options
def show(name: str, prior: str | None, overrides: tuple[str, ...], plugins: tuple[str, ...], console: Console):
    """Show all settings of a recipe, and its sources.

    Each line is a key and a value as --set takes them. Stages are counted from 0; stages.* means all stages.
    """
    import dgp
    from dgp.planning.budget import cost
    from dgp.planning.stand_in import find_stand_in
    from dgp.recipes.unused_overrides import rate_notes

    load_plugins(plugins)
    adapted_to = dgp.load_prior(prior) if prior else None
    recipe, notes = dgp.load_recipe(find_stand_in(name, adapted_to) if prior else name, overrides), []
    for note in rate_notes(overrides, recipe):
        console.note(note)
    if prior:
        from dgp.planning.adapt import adapt_recipe

        recipe, notes = adapt_recipe(recipe, adapted_to)
    resolved, spent = recipe.model_dump(mode="json"), cost(recipe)
    console.print_json(
        {
            "name": recipe.name,
            "sha256": recipe.sha256,
            "prior": prior,
            "cost": spent,
            "mapping": notes,
            "resolved": resolved,
        }
    )
    if not console.as_json:
        console.print("\n".join(_lines(resolved)))
        console.print(
            f"# costs {spent} evaluations per solution (forward pass through a network: 1, forward and backward: 3)"
        )
        for note in notes if prior else ():
            console.print(f"# on {prior}: {note}")
        if prior and not notes:
            console.print(f"# on {prior}: runs unchanged")


def _lines(value: object, key: str = "") -> list[str]:
    """Return ``key.path = value`` for every leaf of nested tables, as --set takes them, without null values."""
    if isinstance(value, dict):
        return [line for name, item in value.items() for line in _lines(item, f"{key}.{name}" if key else name)]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [line for number, item in enumerate(value) for line in _lines(item, f"{key}.{number}")]
    return [] if value is None else [f"{key} = {_toml(value)}"]


def _toml(value: object) -> str:
    """Return a value as TOML, which for lists and scalars is the same as JSON."""
    import json

    return json.dumps(value, ensure_ascii=False)
