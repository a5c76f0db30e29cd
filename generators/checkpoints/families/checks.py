"""Errors for files whose tensors do not fit the layout that their names suggest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from generators.errors import WeightsError


@contextmanager
def report_bad_shapes(source: str, network: str) -> Iterator[None]:
    """Turn any error within the block into a WeightsError of one line: a damaged file may raise errors of any kind.

    Args:
        source: the file.
        network: what it was read as, such as "BigGAN-deep generator".
    """
    try:
        yield
    except WeightsError:
        raise
    except KeyError as error:
        missing = error.args[0]
        raise WeightsError(f"{source}: 1 missing ({missing}); is the file whole, and of this architecture?") from None
    except Exception:
        raise WeightsError(
            f"{source}: the shapes of its tensors do not make up a {network}; is the file whole?"
        ) from None


def check_class_count(classes: Sequence[str], count: int, source: str) -> None:
    """Raise WeightsError if there are class names, but not as many as the network has classes."""
    if classes and len(classes) != count:
        raise WeightsError(f"{source}: names {len(classes)} classes, but its tensors have {count}")
