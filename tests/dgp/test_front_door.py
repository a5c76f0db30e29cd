"""The names that users rely on, and what importing them costs."""

import subprocess
import sys

import dgp

PUBLIC = [
    "Checkpoint",
    "CheckpointError",
    "DgpError",
    "InputError",
    "Interrupted",
    "Inversion",
    "Observation",
    "OutputError",
    "Recipe",
    "RecipeError",
    "Restoration",
    "StepOutput",
    "__version__",
    "load_prior",
    "load_recipe",
    "observe",
    "recipe_names",
    "restore",
]


def test_public_names():
    assert dgp.__all__ == PUBLIC
    assert all(getattr(dgp, name) is not None for name in PUBLIC)


def test_import_is_light():
    code = "import sys, dgp; print(sorted({'torch', 'kornia', 'skimage', 'lpips', 'nevergrad'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_operators_and_generators_know_nothing_of_dgp():
    code = "import sys, degradations, generators; print([m for m in sys.modules if m == 'dgp' or m.startswith('dgp.')])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
