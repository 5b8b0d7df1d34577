"""The language of a text, offline and the same on every call."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langdetect import DetectorFactory

__all__ = ["detect_language", "known_languages"]


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of a text's language as ``langdetect`` sees it (Chinese: ``zh-cn`` or ``zh-tw``).

    Returns:
        The code, or None where there is nothing to go by, as in a text without letters. Of words in capitals the
        detector reads the first letter only.

    >>> detect_language("Les enfants rentrent à la maison.")
    'fr'
    """
    from langdetect import LangDetectException

    detector = _factory().create()
    try:
        detector.append(text)
        return detector.detect()
    except LangDetectException:
        return None


def known_languages() -> frozenset[str]:
    """The codes that ``detect_language`` can answer."""
    return frozenset(_factory().get_lang_list())


@cache
def _factory() -> DetectorFactory:
    """A factory of our own: the seed of the library's is global, and unset it answers differently from call to call."""
    from langdetect import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.set_seed(0)
    factory.load_profile(PROFILES_DIRECTORY)
    return factory
