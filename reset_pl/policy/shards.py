"""Safetensors files written tensor by tensor: no more than one of them is ever held for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import torch

SHARD_BYTES = 5 * 10**9
"""Files are closed before they are larger, but for a tensor that is larger itself."""

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}

Specs = Mapping[str, tuple[torch.Size, torch.dtype]]
"""Shape and type of each tensor, by name."""


def num_bytes(specs: Specs) -> int:
    """What the tensors take, in bytes."""
    return sum(shape.numel() * dtype.itemsize for shape, dtype in specs.values())


class ShardWriter:
    """Writes tensors, in any order, to places that are known beforehand: the header of a file says them, and is first.

    The format: eight bytes that are the header's length, the header as JSON, the values
    (https://huggingface.co/docs/safetensors). Several files have an index beside them, as transformers reads it.

    Args:
        folder: Where to write.
        specs: All tensors to come.
        stem: Name of the file, or of the files before their numbers.
    """

    def __init__(self, folder: Path, specs: Specs, stem: str = "model") -> None:
        self._specs = specs
        self._places: dict[str, tuple[IO[bytes], int]] = {}
        self._files = ExitStack()
        shards = _shards(specs)
        of_tensor: dict[str, str] = {}
        for number, names in enumerate(shards, start=1):
            suffix = f"-{number:05d}-of-{len(shards):05d}" if len(shards) > 1 else ""
            file_name = f"{stem}{suffix}.safetensors"
            of_tensor.update(dict.fromkeys(names, file_name))
            self._start(folder / file_name, names)
        if len(shards) > 1:
            index = {"metadata": {"total_size": num_bytes(specs)}, "weight_map": dict(sorted(of_tensor.items()))}
            (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Put a tensor, in the type that was said, into its place.

        Args:
            name: One of the names said beforehand, once each.
            tensor: Of the shape said, anywhere.

        Raises:
            OSError: The disk is full or cannot be written.
        """
        file, offset = self._places.pop(name)
        shape, dtype = self._specs[name]
        assert tensor.shape == shape, f"{name} is {tuple(tensor.shape)}, not {tuple(shape)} as planned"
        file.seek(offset)
        values = tensor.detach().to(device="cpu", dtype=dtype).contiguous().reshape(-1)
        file.write(values.view(torch.uint8).numpy().data)

    def finish(self) -> None:
        """Give everything to the system.

        Raises:
            OSError: The disk is full or cannot be written.
        """
        assert not self._places, f"never written: {', '.join(sorted(self._places))}"
        self.close()

    def close(self) -> None:
        """Let go of the files, finished or not."""
        self._files.close()

    def _start(self, path: Path, names: list[str]) -> None:
        """Open a file and write its header."""
        # Wider types first: every value then lies at a multiple of its width, as readers that map the file need it.
        ordered = sorted(names, key=lambda name: -self._specs[name][1].itemsize)
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        offset = 0
        offsets = {}
        for name in ordered:
            shape, dtype = self._specs[name]
            end = offset + shape.numel() * dtype.itemsize
            header[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [offset, end]}
            offsets[name], offset = offset, end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        file = self._files.enter_context(path.open("wb"))
        file.write(len(text).to_bytes(8, "little") + text)
        self._places.update({name: (file, 8 + len(text) + start) for name, start in offsets.items()})


def _shards(specs: Specs) -> list[list[str]]:
    """Names of the tensors of each file, in the order given."""
    shards: list[list[str]] = [[]]
    size = 0
    for name in specs:
        own = num_bytes({name: specs[name]})
        if shards[-1] and size + own > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += own
    return shards
