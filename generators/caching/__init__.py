"""The folder of computed and downloaded files, and tensors that are computed once and stored there.

To add a cached set of tensors, call ``load_or_compute`` with a path in ``cache_folder()``, a check and a function that
computes the tensors.
"""

from generators.caching.cache_folder import cache_folder, write_atomic
from generators.caching.disk_cache import load_or_compute

__all__ = ["cache_folder", "load_or_compute", "write_atomic"]
