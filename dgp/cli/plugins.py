"""The option --plugin: Python files that register degradations, priors, terms, searches and the like."""

from __future__ import annotations

import click

from dgp.cli import complete

plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    shell_complete=complete.files,
    show_default=False,
    help="A Python file that registers degradations, priors or other plugins; its code is executed. Repeatable.",
)
