"""Every notebook runs from top to bottom, and is stored without outputs."""

import os
import re
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


# Run before the first cell: nothing is left of another notebook, and every recipe gets a small budget.
BEGIN = """
%reset -f
import dgp.inversion, dgp.recipes.load, dgp.api

def short(recipe, overrides=(), load=dgp.recipes.load.load_recipe):
    return load(recipe, (*overrides, "budget=150"))

dgp.inversion.load_recipe = dgp.api.load_recipe = short
del dgp, short
"""


@pytest.fixture(scope="module")
def kernel():
    """One for all notebooks: what it imports takes longer than what they do."""
    manager = pytest.importorskip("jupyter_client").KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(NOTEBOOKS[0].parent), env=os.environ | {"OMP_NUM_THREADS": "1"})
    yield manager
    manager.shutdown_kernel(now=True)


def shortened(source: str) -> str:
    """A cell that trains, in a few steps."""
    return re.sub(r"(?<=^for _ in range\()1\d{3}(?=\):)", "20", source, flags=re.MULTILINE)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path, kernel):
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        cell.source = shortened(cell.source) if cell.cell_type == "code" else cell.source
    book.cells.insert(0, nbformat.v4.new_code_cell(BEGIN))
    nbclient.NotebookClient(book, km=kernel, timeout=300).execute()
    assert all(cell.execution_count for cell in book.cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_without_outputs(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells and not any(cell.outputs or cell.execution_count for cell in cells)
