"""``python -m dgp``: the command line where no script directory is on the path."""

from dgp.cli.main import main

main()
