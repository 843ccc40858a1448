"""Weights from Python packages: found without importing anything, checked against a pinned SHA-256,
read without executing anything.

A model file inside a package is somebody's upload. So it is located by the package's import
specification (importing it would run its code), compared with the digest that this file's authors
looked at, and only then read: safetensors where the package has it, and in the one case of a
PyTorch archive `torch.load(weights_only=True)`, which refuses everything but tensors. That is the
only `torch.load` of the project, and nothing that a user gives ever reaches it.
"""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import sha256_of_file

__all__ = ["PackagedFile", "read_safetensors", "read_torch_archive"]


@dataclass(frozen=True)
class PackagedFile:
    """A file inside an installed Python package.

    Attributes:
        distribution: What `pip install` calls the package.
        package: What `import` calls it.
        path: The file's path inside the package.
        sha256: The pinned digest, 64 hex digits.
    """

    distribution: str
    package: str
    path: str
    sha256: str

    def locate(self) -> Path:
        """The file's path, verified; the digest is computed once a process.

        Raises:
            ModelError: If the package or the file is missing, or the digest is another.
        """
        spec = importlib.util.find_spec(self.package)
        folders = list(spec.submodule_search_locations or []) if spec else []
        path = next((p for folder in folders if (p := Path(folder) / self.path).is_file()), None)
        if path is None:
            raise ModelError(
                f"{self.path} of package {self.distribution} is not here; install it with: pip "
                f"install {self.distribution}"
            )
        status = path.stat()
        digest = _digest(path, status.st_size, status.st_mtime_ns)
        if digest != self.sha256:
            raise ModelError(
                f"{path} has SHA-256 {digest[:16]}…, expected {self.sha256[:16]}…; "
                "it is damaged or another release: pip install --force-reinstall "
                f"{self.distribution}"
            )
        return path


@lru_cache(maxsize=32)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    """Size and time are part of the key, so that a file that is replaced while the process runs is
    looked at again.
    """
    return sha256_of_file(path)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name.

    Raises:
        ModelError: If the file is missing or not one.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path} cannot be read as safetensors ({error}); fetch or train it again"
        ) from error


def read_torch_archive(file: PackagedFile) -> dict[str, Tensor]:
    """The tensors of a packaged PyTorch archive, after its digest was checked; nothing in it is
    executed.

    Raises:
        ModelError: If it is missing or not the pinned file.
    """
    state: dict[str, Tensor] = torch.load(file.locate(), map_location="cpu", weights_only=True)
    return state
