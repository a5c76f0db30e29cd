"""Reading files of weights without executing their content: kinds of files, archives, pickles.

To add a kind of file, describe it in ``file_kinds`` and read it in ``read``.
"""
