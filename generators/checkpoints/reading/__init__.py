"""Reading files without running anything in them: kinds of files, archives, pickles.

To add a kind of file, name it in ``file_kinds`` and read it in ``read``.
"""
