"""The group `dgp batch`, whose first argument is a command, or else the first picture of a run."""

from __future__ import annotations

import difflib
import os

import click

from dgp.cli.batch.inspect import export, status, verify
from dgp.cli.batch.run import retry, run
from dgp.cli.groups import Group


class BatchGroup(Group):
    """A group that takes `dgp batch INPUT...` as `dgp batch run INPUT...`."""

    def parse_args(self, ctx, args):
        first = args[0] if args else "--help"
        near = difflib.get_close_matches(first.lower(), self.commands, 1, 0.75)
        if near and first not in self.commands and not os.path.lexists(first) and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command {first!r}. Did you mean {near[0]!r}?", ctx)
        return super().parse_args(ctx, self.complete_call(args, ctx.help_option_names))

    def complete_call(self, args: list[str], help_options: list[str]) -> list[str]:
        """Return the words after `dgp batch` with the command that they leave out."""
        return args if not args or args[0] in (*self.commands, *help_options) else ["run", *args]


@click.group(
    cls=BatchGroup,
    epilog="""\b
Examples:
  dgp batch scans/ -d gray -o out              all pictures in the folder and its subfolders
  dgp batch 'scans/**/*.jpg' -d auto --workers 4
  dgp batch --manifest pictures.jsonl -o out   pictures with settings of their own
  dgp batch scans/ -d gray -o out --shard 2/8  the second of eight parts, for any scheduler
  dgp batch status out
  dgp batch run -h                             the options of a run

\b
The same command goes on where an earlier one ended: complete results are kept. It may be started on several machines
that share a file system, and be killed at any time.""",
)
def batch():
    """Restore many pictures, on several processes or machines.

    `dgp batch INPUT...` is short for `dgp batch run INPUT...`.
    """


for command in (run, status, retry, verify, export):
    batch.add_command(command)
