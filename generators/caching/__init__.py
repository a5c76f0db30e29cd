"""Where computed and fetched things lie on disk, and how they are written whole.

To add a cached tensor, call ``disk_cache`` with a path, a check and a function that makes it.
"""
