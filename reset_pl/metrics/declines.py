"""Does an answer decline, that is, say that the passages do not answer the question, and nothing else?

The forms below are ours (the paper has no unanswerable questions). They are about the passages, or about the question:
``I don't know`` speaks of the speaker and ``unknown`` may be a fact, so neither is one.
"""

from __future__ import annotations

import re
from functools import lru_cache

from reset_pl.metrics.normalize import normalize_text
from reset_pl.metrics.sentences import split_sentences

__all__ = ["declines"]

_LONGEST = 400
"""Characters; no statement of these forms is longer, and long answers need not be looked through."""

_ENDS = re.compile(r"^\W+|\W+$")
_CLAUSE_BREAK = re.compile(r"[,;:()]|—|\s[-–]\s")
_SOURCE = (
    r"(?:(?:given|provided|available|above|retrieved|any of|these|this) )*"
    r"(?:passage|context|text|document|article|paragraph|excerpt|source|information)s?(?: (?:given|provided|above))?"
)
_QUESTION = r"(?:(?:this|your) )?question"
_CANNOT = r"(?:can ?not|cant|could not|couldnt)"
_DO_NOT = rf"(?:(?:do|does|did) not|(?:do|does|did) ?nt|{_CANNOT})"
_STATES = r"(?:answer|mention|state|specify|say|tell|reveal|indicate|address|explain)s?"
_HOLDS = r"(?:contain|provide|include|give|offer|have)s?"
_ANSWER = r"(?:(?:any|enough|sufficient|relevant) )*(?:answer|information|detail|mention|evidence|indication)s?"
_FOUND = r"(?:answered|mentioned|stated|given|provided|specified|found|contained|included|present|available|answerable)"
# What is not said ("… who built the mill"): to the end of the sentence, unless another statement begins.
_REST = (
    r"(?: (?!(?:but|however|though|although|yet|only|except|besides|instead|rather|while|whereas|so|thus|because)\b"
    r"|and (?!who|what|when|where|why|how|which))\w+)*"
)
_IN_SOURCE = rf"(?: (?:in|by|from|with|using|based on) {_SOURCE})"

_FORMS = (
    rf"{_SOURCE} {_DO_NOT} {_STATES}(?! that\b){_REST}",  # the passages do not say who built it
    rf"{_SOURCE} (?:{_DO_NOT} {_HOLDS}|{_HOLDS} no) {_ANSWER}{_REST}",  # the passages do not contain the answer
    rf"(?:none|neither) of {_SOURCE} (?:{_STATES}(?! that\b)|{_HOLDS} {_ANSWER}){_REST}",
    rf"(?:(?:{_QUESTION}|answer|(?:this )?information|this|it) (?:is|was) )?not (?:{_FOUND} )?(?:in|by|from) {_SOURCE}",
    rf"(?:{_QUESTION}|answer|it) {_CANNOT} be (?:{_FOUND}|determined|inferred){_IN_SOURCE}",
    rf"(?:{_QUESTION} )?{_CANNOT} be answered{_IN_SOURCE}?",
    rf"(?:{_QUESTION} is )?(?:unanswerable|not answerable){_IN_SOURCE}?",
    r"not (?:mentioned|stated|specified)",
    rf"(?:there is )?no answer(?: (?:present|found|given|available|possible|provided))?{_IN_SOURCE}?",
    rf"(?:there is )?no (?:information|mention){_REST} in {_SOURCE}",
    rf"i (?:{_CANNOT}|am unable to) (?:answer {_QUESTION}{_IN_SOURCE}?|find (?:{_ANSWER}|it){_IN_SOURCE})",
)
_LEAD = rf"(?:(?:(?:i am|im) )?sorry |unfortunately |(?:based on|according to|from|given) {_SOURCE} )?(?:but )*"
_DECLINE = re.compile(rf"{_LEAD}(?:{'|'.join(_FORMS)})")


@lru_cache(maxsize=1024)  # the judges, the selector and the counts ask of the same few answers one after the other
def declines(text: str) -> bool:
    """Whether an answer says that the passages do not answer the question, and says nothing else.

    It may say so in one sentence or in several, but every sentence must be such a statement: a decline followed by an
    answer is an answer, and so is a bare ``No.``. Case, punctuation and articles do not count.

    Args:
        text: The answer.

    >>> declines("The passages do not answer the question."), declines("Unanswerable"), declines("No.")
    (True, True, False)
    >>> declines("The passages do not say when he died, but in 1990 he moved to Ulm.")
    False
    """
    if len(text) > _LONGEST:
        return False
    # A comma or a dash may begin another statement, as "but" does: it is read as one.
    inner = (_ENDS.sub("", sentence) for sentence in split_sentences(text))
    sentences = [normalize_text(_CLAUSE_BREAK.sub(" but ", sentence)) for sentence in inner if sentence]
    return bool(sentences) and all(_DECLINE.fullmatch(sentence) for sentence in sentences)
