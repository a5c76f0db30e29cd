"""The command line, `dgp`; its entry point is `dgp.cli.main:main`, and nothing else in dgp imports it.

To add a command, write it in a file of its own, as a click command of the same name, and list it in ``main.COMMANDS``.
"""
