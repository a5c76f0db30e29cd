"""A click group that suggests the nearest command for a mistyped one."""

from __future__ import annotations

import difflib

import click


class Group(click.Group):
    """A click group with suggestions, which click itself only makes in some versions."""

    def resolve_command(self, ctx, args):
        name, names = args[0], self.list_commands(ctx)
        if name in names or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(name.lower(), names, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Expected one of: {', '.join(names)}."
        raise click.UsageError(f"No such command {name!r}. {hint}", ctx)
