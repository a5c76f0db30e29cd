"""The command line that the scripts of this folder have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import generators
from degradations.errors import DegradationError
from dgp.errors import DgpError


def new_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser that shows the description as it is written."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_run_options(parser: argparse.ArgumentParser, output: str) -> None:
    """Add the options of the runs; `output` is the default of -o."""
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--at-once", type=int, default=1, help="how many pictures are inverted together")
    parser.add_argument("-o", "--output", type=Path, default=Path(output), help="the folder for results")


def run(reproduce: Callable[[argparse.Namespace], dict], options: argparse.Namespace, table: str) -> dict:
    """Compute the figures, print the table that was written to the output folder, and return the figures.

    Raises:
        SystemExit: with the message of an error of dgp, degradations or generators.
    """
    try:
        figures = reproduce(options)
    except (DgpError, DegradationError, generators.GeneratorError) as error:
        raise SystemExit(f"error: {error}") from None
    print((options.output / table).read_text())
    return figures
