"""Downloads of published weights, resumable and checked by sha256.

To add a network, list its files in ``generators.model_zoo``; to add another way to download (another protocol), write a
function beside ``download``.
"""

from generators.downloads.fetch import LocalFile, fetch, list_missing, verify

__all__ = ["LocalFile", "fetch", "list_missing", "verify"]
