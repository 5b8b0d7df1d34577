"""What can go wrong before a server answers. The real vLLM server answers in tests/test_vllm_server.py."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.encoding import Encoder
from reset_pl.errors import InputError
from reset_pl.sampling import server
from reset_pl.sampling.server import ServerSampler


@pytest.fixture
def taken() -> Any:
    """A port where somebody listens who never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def free() -> int:
    """A port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def test_nobody_listens(policy: Any, encoder: Encoder, free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "RETRIES", 0)
    sampler = ServerSampler(f"http://127.0.0.1:{free}/v1", "policy")
    with pytest.raises(InputError, match=rf"expected a server at http://127.0.0.1:{free}/v1 .* nobody answers there"):
        sampler.open(policy, encoder)


def test_a_server_that_is_silent(policy: Any, encoder: Encoder, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "RETRIES", 0)
    sampler = ServerSampler(f"http://127.0.0.1:{taken}/v1", "policy", deadline=0.3)
    with pytest.raises(InputError, match=r"within 0\.3 s \(ServerSampler\.deadline\), but none came"):
        sampler.open(policy, encoder)


def test_the_command_gets_the_policys_folder(
    policy: Any, encoder: Encoder, free: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(server, "RETRIES", 0)
    copy, weights = tmp_path / "copy", tmp_path / "weights of it"
    sampler = ServerSampler(
        f"http://127.0.0.1:{free}/v1",
        "policy",
        on_weights=f"cp -r {{folder}} {copy}; sleep 60 &",  # a server that stays
        export_dir=str(weights),
    )
    with pytest.raises(InputError, match="nobody answers there"):
        sampler.open(policy, encoder)
    handed = dict(AutoModelForCausalLM.from_pretrained(copy).named_parameters())
    assert all(parameter.equal(handed[name]) for name, parameter in policy.named_parameters())
    assert not list(weights.iterdir())


def test_a_port_in_use_stops_the_command_and_the_run(policy: Any, encoder: Encoder, taken: int, tmp_path: Path) -> None:
    script = f"import socket; socket.create_server(('127.0.0.1', {taken}))"
    sampler = ServerSampler(
        f"http://127.0.0.1:{taken}/v1",
        "policy",
        on_weights=f'{sys.executable} -c "{script}"',
        export_dir=str(tmp_path),
    )
    with pytest.raises(InputError, match=r"(?s)on_weights to return 0, but it returned 1.*Address already in use"):
        sampler.open(policy, encoder)


def test_a_command_that_does_not_return(policy: Any, encoder: Encoder, tmp_path: Path) -> None:
    sampler = ServerSampler(
        "http://127.0.0.1:1/v1", "policy", on_weights="sleep 60", export_dir=str(tmp_path), start_deadline=0.3
    )
    with pytest.raises(InputError, match=r"on_weights to return within 0\.3 s \(start_deadline\): sleep 60"):
        sampler.open(policy, encoder)


def test_settings_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    with pytest.raises(InputError, match=r"the server's key in \$NO_KEY"):
        ServerSampler("http://h/v1", "policy", api_key_env="NO_KEY")
    with pytest.raises(InputError, match="concurrency of at least 1, but got 0"):
        ServerSampler("http://h/v1", "policy", concurrency=0)
