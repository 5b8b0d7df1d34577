import base64
import gzip
import random
import re

from hypothesis import given
from hypothesis import strategies as st

from reset_pl.report.packing import Packer, pack


def unpack(packed: str, words: list[str]) -> str:
    """As ``browser_data.js`` does it; that one is tested in a browser."""
    text = gzip.decompress(base64.b64decode(packed)).decode()
    code = re.compile("\ue000(.)|[\ue001-\uf8ff]", re.DOTALL)
    return code.sub(lambda match: match[1] or words[ord(match[0]) - 0xE001], text)


@given(st.lists(st.text(alphabet="ab c\ue000\ue001\ue002\uf8ff\n", max_size=40), max_size=6))
def test_what_is_packed_comes_out_again_private_characters_too(texts: list[str]) -> None:
    packer = Packer(texts)
    for text in texts:
        assert unpack(packer.pack(text), packer.words) == text


@given(st.text())
def test_any_text(text: str) -> None:
    packer = Packer([text, text])
    assert unpack(packer.pack(text), packer.words) == text.encode("utf-8", "replace").decode()


def test_frequent_words_make_it_smaller_than_gzip_alone() -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("etaoinshrd", k=rng.randrange(3, 10))) for _ in range(3000)]
    texts = [" ".join(rng.choices(words, weights=[1 / (i + 1) for i in range(3000)], k=4000)) for _ in range(20)]
    packer = Packer(texts)
    assert sum(len(packer.pack(text)) for text in texts) < 0.9 * sum(len(pack(text)) for text in texts)


def test_a_packed_text_is_safe_in_a_page_and_the_same_each_time() -> None:
    text = "</script><!-- <script>"
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", pack(text))
    assert pack(text) == pack(text)
