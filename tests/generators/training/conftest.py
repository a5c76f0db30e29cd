"""Statistics of fewer samples, so that tests do not wait for them."""

import pytest

from generators.training import command
from generators.training.export import save


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr(save, "BATCHES", 2)
    monkeypatch.setattr(command, "SHEET_BATCHES", 1)
