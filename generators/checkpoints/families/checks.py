"""What is said where a file's shapes do not fit the arithmetic of its layout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from generators.errors import WeightsError


@contextmanager
def report_bad_shapes(source: str, what: str) -> Iterator[None]:
    """Turns whatever goes wrong within into a WeightsError of one line: shapes of all kinds come in files.

    source: the file.  what: it should hold, "BigGAN-deep generator".
    """
    try:
        yield
    except WeightsError:
        raise
    except KeyError as error:
        missing = error.args[0]
        raise WeightsError(f"{source}: 1 missing ({missing}); is the file whole, and of this architecture?") from None
    except Exception:
        raise WeightsError(f"{source}: the shapes of its tensors do not make up a {what}; is the file whole?") from None
