"""Prompt–response pairs for all IFEval types: responses made to meet a constraint, to miss it, and unrelated ones."""

import json
import random
import re
import string
from collections.abc import Callable
from typing import Any

Arguments = dict[str, Any]
Made = tuple[Arguments, str]  # a constraint's arguments and a response

AT_LEAST, LESS_THAN = "at least", "less than"
WORDS = ["lantern", "gravel", "comet", "willow", "anchor", "velvet", "marble", "pepper", "saddle", "violin", "harbor"]
MEANS = ["Dr. Lee", "the U.S. embassy", "NASA", "a small crew", "my neighbour", "J. R. Smith", "Anna", "the old mayor"]
DOES = ["repaired", "sold", "painted, then hid,", "couldn't find", "WON", "carried", "(quietly) opened", "described"]
WHAT = [
    "the north gate",
    'a "new" bridge',
    "3.5 tons of rice",
    "two boats",
    "its own map",
    "an IBM-built clock",
    "it all",
]
ENDS = [".", ".", ".", "!", "?", "...", '."']
LANGUAGES = {
    "en": "The children walked home slowly because the evening was warm and nobody was waiting for them.",
    "fr": "Les enfants rentrent lentement à la maison parce que la soirée est douce et que personne ne les attend.",
    "de": "Die Kinder gehen langsam nach Hause, weil der Abend warm ist und niemand auf sie wartet.",
    "es": "Los niños vuelven despacio a casa porque la tarde es cálida y nadie los está esperando.",
    "it": "I bambini tornano lentamente a casa perché la sera è calda e nessuno li aspetta.",
    "fi": "Lapset kävelevät hitaasti kotiin, koska ilta on lämmin eikä kukaan odota heitä.",
    "ru": "Дети медленно идут домой, потому что вечер тёплый и никто их не ждёт.",
    "hi": "बच्चे धीरे-धीरे घर जा रहे हैं क्योंकि शाम गर्म है और कोई उनका इंतज़ार नहीं कर रहा है।",
    "ko": "저녁이 따뜻하고 아무도 기다리지 않기 때문에 아이들은 천천히 집으로 걸어갑니다.",
}


def prose(rng: random.Random, least: int = 1, most: int = 4) -> str:
    sentences = (
        f"{rng.choice(MEANS)} {rng.choice(DOES)} {rng.choice(WHAT)}{rng.choice(ENDS)}"
        for _ in range(rng.randint(least, most))
    )
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


def cased(rng: random.Random, text: str) -> str:
    return rng.choice([str.lower, str.upper, str.title, str])(text)


def with_words(rng: random.Random, words: list[str]) -> str:
    """Prose with some words put in, in any case and with marks attached."""
    tokens = prose(rng).split(" ")
    for word in words:
        mark = rng.choice(["{}", "{},", "({})", '"{}"', "{}.", "*{}*"])
        tokens.insert(rng.randint(0, len(tokens)), mark.format(cased(rng, word)))
    return " ".join(tokens)


def threshold(rng: random.Random, actual: int, meets: bool) -> tuple[int, str]:
    """A positive bound, and a relation to it that a count is in, or is not in."""
    relation = rng.choice([AT_LEAST, LESS_THAN]) if actual else (LESS_THAN if meets else AT_LEAST)
    below = (relation == AT_LEAST) == meets
    return (rng.randint(1, actual) if below else actual + rng.randint(1, 3)), relation


def amount(rng: random.Random, needed: int, meets: bool) -> int:
    """Exactly what is needed, or one more or less."""
    return needed if meets else needed + rng.choice([-1, 1])


def existence(rng: random.Random, meets: bool) -> Made:
    words = rng.sample(WORDS, 2)
    return {"keywords": words}, with_words(rng, words if meets else words[:1])


def frequency(rng: random.Random, meets: bool) -> Made:
    word, actual = rng.choice(WORDS), rng.randint(0, 4)
    bound, relation = threshold(rng, actual, meets)
    return {"keyword": word, "frequency": bound, "relation": relation}, with_words(rng, [word] * actual)


def forbidden(rng: random.Random, meets: bool) -> Made:
    words = rng.sample(WORDS, 2)
    return {"forbidden_words": words}, with_words(rng, [words[0] + "like"] if meets else words[1:])


def letters(rng: random.Random, meets: bool) -> Made:
    letter, text = rng.choice(string.ascii_letters), prose(rng)
    bound, relation = threshold(rng, text.lower().count(letter.lower()), meets)
    return {"letter": letter, "let_frequency": bound, "let_relation": relation}, text


def language(rng: random.Random, meets: bool) -> Made:
    wanted, other = rng.sample(list(LANGUAGES), 2)
    text = LANGUAGES[wanted if meets else other]
    return {"language": wanted}, text if rng.random() < 0.6 else f"{text}\n{LANGUAGES['en']}"


def sentences(rng: random.Random, meets: bool) -> Made:
    actual = rng.randint(1, 5)
    bound, relation = threshold(rng, actual, meets)
    return {"num_sentences": bound, "relation": relation}, prose(rng, actual, actual)


def words(rng: random.Random, meets: bool) -> Made:
    text = prose(rng)
    bound, relation = threshold(rng, len(re.findall(r"\w+", text)), meets)
    return {"num_words": bound, "relation": relation}, text


def paragraphs(rng: random.Random, meets: bool) -> Made:
    needed = rng.randint(2, 4)
    parts = [prose(rng) for _ in range(amount(rng, needed, meets))]
    if not meets and rng.random() < 0.3:
        parts.insert(1, " ")  # nothing between two separators
    text = rng.choice(["\n***\n", " *** ", "***", "\n\n***\n\n"]).join(parts)
    return {"num_paragraphs": needed}, rng.choice(["{}", "{}", "***{}", "{}\n***", "***\n{}***"]).format(text)


def first_word(rng: random.Random, meets: bool) -> Made:
    needed, word = rng.randint(2, 4), rng.choice(WORDS)
    blocks = [prose(rng) for _ in range(needed)]
    nth = rng.randint(1, needed)
    wrong = not meets and rng.random() < 0.5
    opening = rng.choice(["{} ", '"{}" ', "'{}' ", "{}, ", "{}! ", "{}'s ", "{}\n"]).format(cased(rng, word))
    blocks[nth - 1] = ("So " if wrong else "") + opening + blocks[nth - 1]
    if not meets and not wrong:
        blocks.insert(rng.randint(0, needed), rng.choice([prose(rng), "", " "]))
    text = "\n\n".join(blocks)
    return {"num_paragraphs": needed, "nth_paragraph": nth, "first_word": cased(rng, word)}, text


def placeholders(rng: random.Random, meets: bool) -> Made:
    needed = rng.randint(1, 4)
    slots = [rng.choice(["[name]", "[a b]", "[]", "[x]y"]) for _ in range(needed + rng.randint(0, 1))]
    return {"num_placeholders": needed}, with_words(rng, slots if meets else [*slots[: needed - 1], "[open", "(b)"])


def postscript(rng: random.Random, meets: bool) -> Made:
    marker = rng.choice(["P.S.", "P.P.S"])
    kept = {"P.S.": ["P.S.", "p.s.", "P. S."], "P.P.S": ["P.P.S", "P.P.S.", "p.p.s", "P. P. S."]}[marker]
    missed = {"P.S.": ["PS:", "P.S", "P-S."], "P.P.S": ["P.S.", "PPS", "P.P S"]}[marker]
    return {"postscript_marker": marker}, f"{prose(rng)}\n{rng.choice(kept if meets else missed)} {prose(rng, 1, 1)}"


def bullets(rng: random.Random, meets: bool) -> Made:
    needed = rng.randint(1, 4)
    lines = [
        rng.choice(["* ", "- ", "  * ", "\t- ", "*"]) + prose(rng, 1, 1) for _ in range(amount(rng, needed, meets))
    ]
    decoys = [rng.choice(["** no **", "1. no", "+ no", "no - no", ""]) for _ in range(rng.randint(0, 2))]
    return {"num_bullets": needed}, "\n".join([prose(rng, 1, 1), *lines, *decoys])


def constrained(rng: random.Random, meets: bool) -> Made:
    kept = ["My answer is yes.", "My answer is no.", "My answer is maybe."]
    missed = ["my answer is no.", "My answer is yes!", "My answer is: maybe.", "My answer is unknown."]
    return {}, rng.choice(["{}", "{} " + prose(rng), prose(rng) + "\n{}"]).format(rng.choice(kept if meets else missed))


def highlights(rng: random.Random, meets: bool) -> Made:
    needed = rng.randint(1, 4)
    kept = [rng.choice(["*a part*", "**a part**", "*x*"]) for _ in range(needed + rng.randint(0, 1))]
    missed = [*(["*a part*"] * (needed - 1)), rng.choice(["* *", "****", "*open", "_a part_"])]
    return {"num_highlights": needed}, f" {prose(rng, 1, 1)}\n".join(kept if meets else missed)


def sections(rng: random.Random, meets: bool) -> Made:
    needed, splitter = rng.randint(1, 4), rng.choice(["Section", "SECTION", "PARAGRAPH", "Day"])
    made = needed + rng.randint(0, 1) if meets else needed - 1
    headed = [f"{splitter}{rng.choice(['', ' '])}{n + 1}\n{prose(rng, 1, 2)}" for n in range(made)]
    return {"section_spliter": splitter, "num_sections": needed}, "\n".join([*headed, f"{splitter.swapcase()} 9"])


def json_format(rng: random.Random, meets: bool) -> Made:
    text = json.dumps(
        rng.choice([{"a": prose(rng)}, [1, None, {"b": []}], prose(rng), 7]), indent=rng.choice([None, 2])
    )
    if not meets:
        text = rng.choice(["Here it is: " + text, text + ",", "{" + text, text[1:] + "'"])
    fence = rng.choice(["{}", "```json\n{}\n```", "```\n{}```", "```JSON{}\n```", "```Json {}", "```json```{}```"])
    return {}, fence.replace("{}", text)


def title(rng: random.Random, meets: bool) -> Made:
    made = rng.choice(["<<A Title>>", "<< a >>", "<<<A>>>"] if meets else ["<Title>", "<<>>", "<< >>", "<<A\nB>>"])
    return {}, rng.choice([f"{made}\n{prose(rng)}", f"{prose(rng)} {made} {prose(rng)}"])


def two_responses(rng: random.Random, meets: bool) -> Made:
    one, two = prose(rng), prose(rng, 5, 6)
    parts = [one, two] if meets else rng.choice([[one], [one, one], [one, two, "three"], [one, " ", two]])
    return {}, rng.choice(["{}", "{}", "******{}", "{}\n******\n"]).format(
        rng.choice(["******", "\n******\n", "\n\n******\n\n"]).join(parts)
    )


def repeat_prompt(rng: random.Random, meets: bool) -> Made:
    prompt = f"Write about the {rng.choice(WORDS)}. {rng.choice(['Be brief.', 'Who made it? '])}"
    said = cased(rng, prompt) if meets else rng.choice([prompt[1:], "Sure. " + prompt, prompt[:-3]])
    return {"prompt_to_repeat": prompt}, rng.choice(["", " ", "\n"]) + said + "\n" + prose(rng)


def end_checker(rng: random.Random, meets: bool) -> Made:
    phrase = rng.choice(["Any other questions?", "That is all.", "the end", 'She said "bye" again'])
    tail = rng.choice(["", '"', " ", "\n"] if meets else ["!", " Bye.", "'", "\nIndeed"])
    return {"end_phrase": phrase}, f"{prose(rng)} {cased(rng, phrase)}{tail}"


def quotation(rng: random.Random, meets: bool) -> Made:
    frame = rng.choice(['"{}"', '"{}" ', '\n"{}"'] if meets else ["'{}'", '"{}', "{}!", '"', "“{}”"])
    return {}, frame.format(prose(rng))


def capital_words(rng: random.Random, meets: bool) -> Made:
    made = rng.choices(["NASA", "IT'S", "OK.", "U.N.", "A", "WELL-KNOWN", "X1", "DON'T"], k=rng.randint(0, 4))
    text = " ".join([prose(rng), *(word + rng.choice(["", ".", ","]) for word in made), prose(rng)])
    actual = sum(word.isupper() for word in text.split())
    bound, relation = threshold(rng, actual, meets)
    return {"capital_frequency": bound, "capital_relation": relation}, text


def english_case(change: Callable[[str], str]) -> Callable[[random.Random, bool], Made]:
    def make(rng: random.Random, meets: bool) -> Made:
        english = f"{LANGUAGES['en']} {prose(rng)}"
        foreign = LANGUAGES[rng.choice(["fr", "de", "es", "it", "fi", "ru"])]
        return {}, change(english) if meets else rng.choice(
            [english, change(foreign), "2024: 100%", change("Qq zz 42.")]
        )

    return make


def no_comma(rng: random.Random, meets: bool) -> Made:
    text = prose(rng)
    return {}, text.replace(",", rng.choice(["", ";", "、"])) if meets else text + " So, yes."


MAKERS: dict[str, Callable[[random.Random, bool], Made]] = {
    "keywords:existence": existence,
    "keywords:frequency": frequency,
    "keywords:forbidden_words": forbidden,
    "keywords:letter_frequency": letters,
    "language:response_language": language,
    "length_constraints:number_sentences": sentences,
    "length_constraints:number_words": words,
    "length_constraints:number_paragraphs": paragraphs,
    "length_constraints:nth_paragraph_first_word": first_word,
    "detectable_content:number_placeholders": placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:number_bullet_lists": bullets,
    "detectable_format:constrained_response": constrained,
    "detectable_format:number_highlighted_sections": highlights,
    "detectable_format:multiple_sections": sections,
    "detectable_format:json_format": json_format,
    "detectable_format:title": title,
    "combination:two_responses": two_responses,
    "combination:repeat_prompt": repeat_prompt,
    "startend:end_checker": end_checker,
    "startend:quotation": quotation,
    "change_case:capital_word_frequency": capital_words,
    "change_case:english_capital": english_case(str.upper),
    "change_case:english_lowercase": english_case(str.lower),
    "punctuation:no_comma": no_comma,
}


def disturbed(rng: random.Random, response: str) -> str:
    """The response as it is, or with something around it that only the loose score forgives."""
    if rng.random() < 0.7:
        return response
    return rng.choice(["Sure!\n{}", "{}\nAnything else?", "**{}**", "Here:\n{}\nDone."]).replace("{}", response)


def make_pairs(per_type: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows in IFEval's schema with a response each: ``key, prompt, instruction_id_list, kwargs, response``.

    The first constraint of a row is the one that its response was made for: half of them to meet it, three tenths to
    miss it, the rest made for another type. Up to two constraints of other types follow.
    """
    rng, rows = random.Random(seed), []
    for kind, make in MAKERS.items():
        for n in range(per_type):
            arguments, response = make(rng, n % 10 < 5)
            if n % 10 >= 8:
                response = MAKERS[rng.choice(list(MAKERS))](rng, True)[1]
            others = rng.sample([other for other in MAKERS if other != kind], rng.randint(0, 2))
            kwargs = [arguments, *(MAKERS[other](rng, True)[0] for other in others)]
            row = {"key": len(rows), "instruction_id_list": [kind, *others], "kwargs": kwargs}
            rows.append(row | {"prompt": f"Write something. {kwargs}", "response": disturbed(rng, response)})
    return rows
