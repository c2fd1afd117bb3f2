"""Reads files of weights without a model, to say whether they are whole and safe."""

from __future__ import annotations

from pathlib import Path

from pipeline.model.problem import Cancelled, DataError

_TENSORS = (".safetensors",)
_TORCH = (".pt", ".pth", ".bin", ".ckpt")


def read_through(name: str, path: Path) -> int:
    """Open every file of weights as what it is.

    Args:
        name: Of the backend, for the sentence.
        path: File or folder.

    Returns:
        Number of tensors.

    Raises:
        DataError: `bad_weights`: a file is cut, or would run code when it is read.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    count = 0
    for file in files:
        try:
            if file.suffix in _TENSORS:
                count += _safetensors(file)
            elif file.suffix in _TORCH:
                count += _torch(file)
        except (Cancelled, DataError, MemoryError):
            raise
        except Exception as error:
            # Readers of broken files raise anything.
            text = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise DataError(
                "bad_weights",
                f"{file.name} cannot be read as weights ({text[:200]}); fetch it again: "
                f"“demoscope models download {name}”.",
            ) from error
    if not count:
        raise DataError("bad_weights", f"{path} holds no weights of {name}.")
    return count


def _safetensors(file: Path) -> int:
    from safetensors import safe_open

    with safe_open(str(file), framework="numpy") as stream:
        return len(list(stream.keys()))


def _torch(file: Path) -> int:
    import zipfile

    import torch

    # The format before torch 1.6 cannot be mapped.
    mapped = zipfile.is_zipfile(file)
    values = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    return _tensors(values)


def _tensors(value: object) -> int:
    import torch

    if isinstance(value, torch.Tensor):
        return 1
    if isinstance(value, dict):
        return sum(_tensors(v) for v in value.values())
    if isinstance(value, list | tuple):
        return sum(_tensors(v) for v in value)
    return 0
