import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.judging.cache import CachedReply, ReplyCache, request_key

MESSAGES = [{"role": "user", "content": "Häh? \ud800"}]
KEY = request_key("m", MESSAGES, temperature=0, max_tokens=512)
REPLY = CachedReply(text="Gut. \ud800\n[[7]]", model="m-0613", prompt_tokens=10, completion_tokens=3)

WRITER = """
import sys
from pathlib import Path
from reset_pl.judging.cache import CachedReply, ReplyCache, request_key
cache, text = ReplyCache(Path(sys.argv[1])), sys.argv[2] * int(sys.argv[3])
print("ready", flush=True)
for _ in range(int(sys.argv[4])):
    for i in range(50):
        key = request_key("m", [{"role": "user", "content": str(i)}])
        cache.put(key, CachedReply(text=text, model=sys.argv[2], prompt_tokens=1, completion_tokens=1))
"""
KEYS = [request_key("m", [{"role": "user", "content": str(i)}]) for i in range(50)]


def start_writer(directory: Path, word: str, length: int, times: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(directory), word, str(length), str(times)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def entry_file(directory: Path, key: str = KEY) -> Path:
    (path,) = directory.glob(f"*/{key}.json")
    return path


# ---------------------------------------------------------------------- keys and entries


def test_what_is_stored_comes_back_in_every_process(tmp_path: Path) -> None:
    assert ReplyCache(tmp_path / "a" / "b").get(KEY) is None
    ReplyCache(tmp_path / "a" / "b").put(KEY, REPLY)
    assert ReplyCache(tmp_path / "a" / "b").get(KEY) == REPLY


@pytest.mark.parametrize(
    "other",
    [
        request_key("n", MESSAGES, temperature=0, max_tokens=512),
        request_key("m", MESSAGES, temperature=0, max_tokens=256),
        request_key("m", MESSAGES, temperature=0),
        request_key("m", [{"role": "system", "content": "Häh? \ud800"}], temperature=0, max_tokens=512),
        request_key("m", MESSAGES * 2, temperature=0, max_tokens=512),
        request_key("m", [{"role": "user", "content": "Häh?"}], temperature=0, max_tokens=512),
    ],
)
def test_all_that_a_reply_depends_on_is_in_the_key(other: str) -> None:
    assert other != KEY
    assert len(other) == 64


def test_files_lie_under_256_folders(tmp_path: Path) -> None:
    ReplyCache(tmp_path).put(KEY, REPLY)
    assert entry_file(tmp_path).parent.name == KEY[:2]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([KEY[:2], "cache.json"])


def damage_checksum(content: bytes) -> bytes:
    return content.replace(b"[[7]]", b"[[9]]")


def other_fields(content: bytes) -> bytes:
    """Whole, with a right checksum, and not ours."""
    entry = {"key": KEY, "said": "[[7]]"}
    checksum = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
    return json.dumps({**entry, "checksum": checksum}).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content + b"}",
        lambda content: b"\xff" + content,
        lambda content: b"\0" * len(content),
        lambda _: b"[1, 2]",
        lambda _: b"{}",
        lambda _: b"[" * 100_000,
        damage_checksum,
        other_fields,
    ],
    ids=["empty", "truncated", "extended", "bytes", "zeros", "list", "no fields", "deep", "checksum", "foreign"],
)
def test_a_damaged_entry_is_none_and_is_written_anew(tmp_path: Path, damage: "object") -> None:
    cache = ReplyCache(tmp_path)
    cache.put(KEY, REPLY)
    path = entry_file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert cache.get(KEY) is None
    cache.put(KEY, REPLY)
    assert cache.get(KEY) == REPLY


def test_an_entry_under_another_name_is_none(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path)
    cache.put(KEY, REPLY)
    other = KEY[:-1] + ("0" if KEY[-1] != "0" else "1")
    entry_file(tmp_path).rename(tmp_path / KEY[:2] / f"{other}.json")
    assert cache.get(other) is None


# ---------------------------------------------------------------------- the folder


@pytest.mark.parametrize("marker", ['{"format": 99}', "", "[]", '{"what": 1}', '{"format": "1"}'])
def test_another_format_is_refused_in_one_line(tmp_path: Path, marker: str) -> None:
    ReplyCache(tmp_path)
    (tmp_path / "cache.json").write_text(marker)
    with pytest.raises(InputError, match=r"expected the judgement cache .* format 1, but got .*cache_dir.*") as error:
        ReplyCache(tmp_path)
    assert "\n" not in str(error.value)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the judgement cache .*cache_dir"):
        ReplyCache(tmp_path / "file" / "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_refused_before_a_request(tmp_path: Path) -> None:
    ReplyCache(tmp_path)
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot write the judgement cache .*Permission denied"):
        ReplyCache(tmp_path)


def test_nobody_may_write_everywhere() -> None:
    with pytest.raises(InputError, match="cannot write the judgement cache /proc/x"):
        ReplyCache(Path("/proc/x"))


def test_what_cannot_be_stored_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path)
    (tmp_path / KEY[:2] / f"{KEY}.json").mkdir(parents=True)
    assert cache.get(KEY) is None
    with pytest.raises(InputError, match="cannot write the judgement cache"):
        cache.put(KEY, REPLY)
    assert [path.name for path in (tmp_path / KEY[:2]).iterdir()] == [f"{KEY}.json"]


@pytest.mark.parametrize(("home", "folder"), [("", "~/.cache"), ("/x/y", "/x/y")])
def test_the_folder_of_this_user(home: str, folder: str) -> None:
    code = "from reset_pl.judging.cache import DEFAULT_CACHE; print(DEFAULT_CACHE)"
    environment = {**os.environ, "XDG_CACHE_HOME": home}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == f"{folder}/reset_pl/judgements"


# ---------------------------------------------------------------------- other processes


@pytest.mark.integration
def test_two_processes_write_the_same_keys(tmp_path: Path) -> None:
    """A reader beside them sees whole entries of the one or the other, and never none once there was one."""
    ReplyCache(tmp_path)
    writers = [start_writer(tmp_path, word, 5_000, 20) for word in ("a", "b")]
    cache, seen = ReplyCache(tmp_path), set()
    while any(writer.poll() is None for writer in writers):
        for key in KEYS:
            reply = cache.get(key)
            assert reply is not None or key not in seen
            if reply is not None:
                seen.add(key)
                assert reply.text == reply.model * 5_000
    assert [writer.returncode for writer in writers] == [0, 0]
    assert all(cache.get(key) is not None for key in KEYS)
    assert not list(tmp_path.glob("*/.*"))


@pytest.mark.integration
def test_a_kill_in_mid_write_leaves_whole_entries_or_none(tmp_path: Path) -> None:
    cache = ReplyCache(tmp_path)
    for k in range(6):
        writer = start_writer(tmp_path, "abcdef"[k], 200_000, 1_000)
        time.sleep(0.03 + 0.02 * k)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        for path in tmp_path.glob("*/*.json"):
            reply = cache.get(path.stem)
            assert reply is not None
            assert reply.text == reply.model * 200_000
    assert cache.get(KEYS[0]) is not None
    for key in KEYS:
        cache.put(key, REPLY)
    assert {cache.get(key) for key in KEYS} == {REPLY}
