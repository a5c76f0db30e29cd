"""The process that runs compute in: deterministic arithmetic, log files, peak memory.

To add something, write a context manager or a function in a file of its own; none of them changes the process for
longer than its caller asks.
"""
