"""`dgp`: the group of all commands; each is imported when it is called, so that help and version are fast."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from importlib import import_module

import click

from dgp.cli.console import START_TIME
from dgp.cli.failures import exit_code, one_line, print_error
from dgp.cli.groups import Group
from dgp.memory import keep_freed_memory

# PyTorch's threads would otherwise spin while they wait for each other, which makes runs on a busy machine several
# times slower. The setting is read when PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

CONTEXT = {"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 100}

# name of the command, which is also the name of the function -> (module, summary in `dgp -h`)
COMMANDS = {
    "restore": ("dgp.cli.restore", "Restore degraded pictures (the main command)."),
    "colorize": ("dgp.cli.restore", "Colorize grey pictures."),
    "inpaint": ("dgp.cli.restore", "Fill missing regions of pictures."),
    "upscale": ("dgp.cli.restore", "Enlarge small pictures."),
    "invert": ("dgp.cli.restore", "Invert intact pictures: find the latents and weights that reproduce them."),
    "batch": ("dgp.cli.batch.commands", "Restore many pictures, on several processes or machines."),
    "align": ("dgp.cli.align", "Cut the faces out of photographs, upright and placed as in FFHQ."),
    "evaluate": ("dgp.cli.evaluate", "Compare recipes on a set of clean pictures."),
    "priors": ("dgp.cli.priors.commands", "List, inspect, fetch, check, convert and sample generators."),
    "degradations": ("dgp.cli.degradations.commands", "List, inspect, preview, write and check degradations."),
    "recipes": ("dgp.cli.recipes", "List and show recipes, the methods of restoration."),
    "doctor": ("dgp.cli.doctor", "Check that the installation works."),
}


class Commands(Group):
    """The commands by name; errors that they raise become an exit code and a line on stderr."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        return getattr(import_module(COMMANDS[name][0]), name)

    def invoke(self, ctx):
        ctx.meta[START_TIME] = time.perf_counter()
        return super().invoke(ctx)

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def main(self, args=None, prog_name=None, complete_var=None, standalone_mode=True, **extra):
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        if args is None:  # a process of its own, not a call from within another program
            keep_freed_memory()
            # Pillow warns at half of what --max-pixels allows, whenever it cuts a part out of a picture.
            warnings.filterwarnings("ignore", message="Image size .* could be decompression bomb")
        args = list(sys.argv[1:] if args is None else args)
        extra.setdefault("obj", tuple(args))  # recorded in result.json as `argv`
        try:
            code = super().main(args, prog_name or "dgp", complete_var, False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  no error may leave the program as a traceback
            print_error(error, verbose=not {"-v", "--verbose"}.isdisjoint(args))
            if "--json" in args:
                click.echo(json.dumps({"status": "failed", "error": one_line(error)}))
            sys.exit(exit_code(error))
        sys.exit(code if isinstance(code, int) else 0)


def _version(ctx, parameter, value):
    if value and not ctx.resilient_parsing:
        import dgp

        click.echo(f"dgp {dgp.__version__}")
        ctx.exit()


@click.group(
    cls=Commands,
    context_settings=CONTEXT,
    epilog="""\b
Examples:
  dgp colorize photo.png                 the result is in out/photo/
  dgp inpaint photo.png --mask hole.png
  dgp upscale small.png --factor 4
  dgp COMMAND -h                         the options and examples of a command

\b
Exit codes: 0 done, 1 the run failed, 2 bad usage or input, 3 weights or a plugin cannot be used,
4 some of several pictures failed, 130 interrupted.""",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    show_default=False,
    help="Show the version and exit.",
)
def main():
    """Restore pictures by inverting a pretrained generator.

    dgp searches for the output of the generator that, after the same degradation, matches the input. Details that the
    generator adds are plausible, but they are not evidence of the original.
    """
