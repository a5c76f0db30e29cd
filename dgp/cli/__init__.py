"""The command line: `dgp.cli.main:main`. Nothing here is imported by the engine."""
