"""Replies that have been paid for, kept on disk for every run and process that asks the same again."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reset_pl.errors import InputError
from reset_pl.judging.rating import Message

__all__ = ["DEFAULT_CACHE", "CachedReply", "ReplyCache", "request_key"]

DEFAULT_CACHE = str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "reset_pl" / "judgements")
"""Where replies are kept when nothing else is said."""

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class CachedReply:
    """What a model answered."""

    text: str
    """Its message."""
    model: str
    """The model that answered, as its endpoint named it."""
    prompt_tokens: int
    """Tokens of the request."""
    completion_tokens: int
    """Tokens of the reply."""


def request_key(model: str, messages: Sequence[Message], **parameters: Any) -> str:
    """SHA-256 of all that a reply depends on: the model asked for, its parameters and the messages, prompt included.

    A judge's name and the scale of its scores are not in it: they do not change a reply, which is read anew each time.
    """
    content = json.dumps([_FORMAT, model, parameters, list(messages)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


class ReplyCache:
    """A folder with one small file a reply, named by ``request_key``.

    There is no lock and no index, so it works on file systems whose locks cannot be trusted, what one process stores
    the others see at once, and memory stays flat. A file is written under a name of its own and renamed: a process that
    is killed leaves a whole file or none, because what it had written is the kernel's by then. Only a crash of the
    machine can leave a torn one; waiting for the disk (fsync) at each reply would cost more than asking again for the
    few that a crash tears, and a checksum finds them.

    Args:
        directory: The folder; made when it is not there.

    Raises:
        InputError: It cannot be made or written, or is a cache of another format.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.expanduser()
        self._open()

    def get(self, key: str) -> CachedReply | None:
        """The reply stored under a key; none where there is none, or none that is whole and belongs here."""
        try:
            entry = json.loads(self._path(key).read_bytes())
            checksum = entry.pop("checksum")
            if checksum != _checksum(entry) or entry.pop("key") != key:
                return None
            return CachedReply(**entry)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def put(self, key: str, reply: CachedReply) -> None:
        """Store a reply, over whatever lies there.

        Raises:
            InputError: It cannot be written.
        """
        entry = {"key": key, **vars(reply)}
        self._write(self._path(key), {**entry, "checksum": _checksum(entry)})

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / f"{key}.json"

    def _open(self) -> None:
        marker = self.directory / "cache.json"
        try:
            found = json.loads(marker.read_bytes())["format"]
        except (FileNotFoundError, NotADirectoryError):
            found = _FORMAT
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            found = f"one that cannot be read ({error})"
        if found != _FORMAT:
            raise InputError(
                f"expected the judgement cache {self.directory} to have format {_FORMAT}, but got {found}: give "
                "cache_dir another folder, or delete this one to ask for its replies again"
            )
        self._write(marker, {"format": _FORMAT})  # an old one too: shows that there is a right to write

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        writer = f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
        temporary = path.with_name(f".{path.name}.{writer}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(content))
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise InputError(
                f"cannot write the judgement cache {self.directory}: {error.strerror or error}; free some space, or "
                "give cache_dir a folder that can be written (null for none)"
            ) from error


def _checksum(entry: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
