"""The browser of candidates in the report, in headless Chromium."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reset_pl.report.report import write_report
from tests.report.chromium import CHROMIUM, Browser, chromium
from tests.report.interesting_run import HIDDEN, LONG, make_interesting
from tests.synthetic_run import HOSTILE, PROMPTS_PER_SET, TRAIN_SETS, build_run

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no headless Chromium at {CHROMIUM}")
IN_ROUND = len(TRAIN_SETS) * PROMPTS_PER_SET
STATUS = "document.querySelector('.side [role=status]').textContent"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = build_run(tmp_path_factory.mktemp("browser") / "run")
    make_interesting(run)
    return write_report(run)


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(one_browser: Browser, page: Path) -> Iterator[Browser]:
    """The page, just opened; whatever a test does, nothing may complain, ask for anything or run."""
    one_browser.resize(1280, 900)
    one_browser.open("about:blank")
    one_browser.open(page.as_uri())
    one_browser.wait("document.querySelector('.view .prompt') !== null")
    yield one_browser
    assert one_browser.complaints == []
    assert one_browser.requests == []
    assert one_browser.run("document.title").startswith("run: ")
    assert one_browser.run("document.querySelectorAll('img, iframe, object').length") == 0


def fill(browser: Browser, name: str, value: str) -> str:
    """Set a filter as a person does; what the list says then."""
    browser.run(
        f"(() => {{ const node = document.querySelector('[name={name}]'); node.value = {json.dumps(value)};"
        "node.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )
    return browser.wait(f"{STATUS}.includes('…') ? '' : {STATUS}")


def titles(browser: Browser) -> list[str]:
    return browser.run("[...document.querySelectorAll('.list .from')].map((node) => node.textContent)")


@needs_chromium
@pytest.mark.integration
class TestPage:
    def test_it_opens_with_all_prompts_and_shows_the_first(self, browser: Browser) -> None:
        assert browser.run(STATUS) == f"{2 * IN_ROUND} prompts"
        assert browser.run("document.querySelectorAll('[role=option]').length") == 2 * IN_ROUND
        assert browser.run("document.querySelectorAll('[role=option][aria-selected=true]').length") == 1
        assert browser.run("document.querySelectorAll('.view .answer').length") > 1
        assert browser.run("document.getElementById('browser-state').hidden")

    def test_filters(self, browser: Browser) -> None:
        assert fill(browser, "set", "1") == f"{2 * PROMPTS_PER_SET} of {2 * IN_ROUND} prompts"
        assert len(set(titles(browser))) <= 3  # one data set, left out or a tie in it
        assert fill(browser, "round", "1") == f"{PROMPTS_PER_SET} of {2 * IN_ROUND} prompts"
        browser.click(".clear")
        for name, number in {"tie": 1, "left_out": 1, "failed": 1, "worse_than_gold": 1, "unsupported": 1}.items():
            assert fill(browser, "show", name) == f"{number} of {2 * IN_ROUND} prompts", name
        assert browser.run("document.querySelector('[name=show] option[value=cut]').disabled")
        browser.click(".clear")
        assert fill(browser, "disagreement", "0.1") == f"1 of {2 * IN_ROUND} prompts"
        assert titles(browser) == ["mini_cnn"]
        browser.click(".clear")
        fill(browser, "least", "2")
        fill(browser, "most", "2.4")
        values = browser.run("[...document.querySelectorAll('.list .value')].map((node) => Number(node.textContent))")
        assert 0 < len(values) < 2 * IN_ROUND
        assert all(2 <= value <= 2.4 for value in values)

    def test_orders(self, browser: Browser) -> None:
        fill(browser, "show", "chosen")
        fill(browser, "order", "lowest")
        values = browser.run("[...document.querySelectorAll('.list .value')].map((node) => Number(node.textContent))")
        assert values == sorted(values)
        fill(browser, "order", "highest")
        values = browser.run("[...document.querySelectorAll('.list .value')].map((node) => Number(node.textContent))")
        assert values == sorted(values, reverse=True)

    def test_search_in_the_texts(self, browser: Browser) -> None:
        browser.click("[name=text]")
        browser.type("NEVER had a telescope")
        assert browser.wait(f"{STATUS}.startsWith('1 of') && !{STATUS}.includes('…') && {STATUS}")
        assert "never had a telescope" in browser.run("document.querySelector('.view .answer.chosen').textContent")
        browser.click(".clear")
        fill(browser, "text", "in no text at all")
        assert browser.wait(f"{STATUS} === '0 of {2 * IN_ROUND} prompts'")

    def test_a_list_without_a_match_says_so_and_shows_no_prompt(self, browser: Browser) -> None:
        fill(browser, "least", "99")
        assert "No prompt matches. Clear" in browser.run("document.querySelector('.side').innerText")
        assert browser.run("document.querySelectorAll('.view .prompt').length") == 0
        assert "no prompt matches" in browser.run("document.querySelector('.view').innerText")
        assert browser.run("document.querySelector('.place').textContent") == ""
        assert browser.run("[...document.querySelectorAll('.steps button')].map((node) => node.disabled)") == [True] * 2
        browser.press("j")
        assert browser.run("document.querySelectorAll('.view .prompt').length") == 0
        browser.click(".nothing .clear")
        browser.wait("document.querySelector('.view .prompt') !== null")
        assert browser.run("document.querySelector('.place').textContent") == f"1 of {2 * IN_ROUND}"
        assert not browser.run("document.querySelector('.nothing').checkVisibility()")
        assert browser.run("document.querySelector('.list').checkVisibility()")

    def test_the_keyboard_alone(self, browser: Browser) -> None:
        place = "document.querySelector('.place').textContent"
        total = 2 * IN_ROUND
        browser.run("document.querySelector('[role=listbox]').focus()")
        for key, expected in {"ArrowDown": 2, "j": 3, "k": 2, "End": total, "ArrowUp": total - 1, "Home": 1}.items():
            browser.press(key)
            assert browser.run(place) == f"{expected} of {total}", key
        active = browser.run("document.querySelector('[role=listbox]').getAttribute('aria-activedescendant')")
        assert browser.run(f"document.getElementById({json.dumps(active)}).getAttribute('aria-selected')") == "true"
        browser.press("Enter")
        assert browser.run("document.activeElement.tagName") == "H3"
        outline = browser.run("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        browser.press("j")
        assert browser.run(place) == f"2 of {total}"
        browser.press("/")
        assert browser.run("document.activeElement.name") == "text"
        browser.press("j")
        assert browser.run("document.activeElement.value") == "j"

    def test_the_arithmetic_adds_up_and_says_who_won(self, browser: Browser, page: Path) -> None:
        browser.open(f"{page.as_uri()}#prompt=0/mini_cnn/0005")
        browser.wait("document.querySelector('.view .kicker').textContent.includes('mini_cnn/0005')")
        chosen = browser.run("document.querySelector('.view .answer.chosen .arithmetic').textContent")
        total, terms = chosen.partition(" · ")[0].split(" = ")
        added = sum(float(weight) * float(part.split()[0]) for weight, _, part in
                    (term.partition(" × ") for term in terms.split(" + ")))  # fmt: skip
        assert float(total) == pytest.approx(added, abs=0.002)
        roles = browser.run(
            "[...document.querySelectorAll('.view .answer .total small')].map((node) => node.textContent)"
        )
        assert roles[0] == "chosen"
        assert all(role.endswith(" behind") for role in roles[1:-1])
        assert roles[-1] == "reference: compared, never chosen"

    def test_a_deep_link_opens_its_candidate(self, browser: Browser, page: Path) -> None:
        browser.open(f"{page.as_uri()}#candidate=0/mini_nq/0002/temperature/3")
        browser.wait("document.querySelector('.view .answer.target') !== null")
        assert "mini_nq/0002" in browser.run("document.querySelector('.view .kicker').textContent")
        assert browser.run("document.activeElement.classList.contains('target')")
        fill(browser, "set", "0")
        browser.open(f"{page.as_uri()}#candidate=1%2Fmini_cnn%2F0003%2Freference%2F0")  # another set: filters give way
        browser.wait(
            "document.querySelector('.view .answer.target')?.getAttribute('aria-label') === 'Reference answer'"
        )
        assert "mini_cnn/0003" in browser.run("document.querySelector('.view .kicker').textContent")

    @pytest.mark.parametrize(
        ("address", "said"),
        [
            ("candidate=9/none/x/1", "no candidate 9/none/x/1."),
            ("prompt=9/<img src=x>", "no prompt 9/<img src=x>."),
            ("candidate=0/mini_nq/0002/temperature/99", "no candidate 0/mini_nq/0002/temperature/99."),
        ],
    )
    def test_an_address_of_nothing_says_so(self, browser: Browser, page: Path, address: str, said: str) -> None:
        browser.open("about:blank")
        browser.open(f"{page.as_uri()}#{address}")
        browser.wait("document.querySelector('.view .absent') !== null")
        assert browser.run("document.querySelector('.view .absent').textContent") == f"This report holds {said}"
        box = "document.querySelector('.view .absent').getBoundingClientRect()"
        assert browser.wait(f"{box}.top >= 0 && {box}.bottom <= window.innerHeight")
        browser.click(".next")
        browser.wait("location.hash.startsWith('#prompt=')")
        assert browser.run("document.querySelector('.view .absent')") is None

    def test_each_sentence_stands_beside_its_evidence(self, browser: Browser, page: Path) -> None:
        browser.open(f"{page.as_uri()}#prompt=0/mini_nq/0001")
        browser.wait("document.querySelector('.view .answer.chosen .evidence') !== null")
        marks = browser.run(
            "[...document.querySelectorAll('.view .chosen .text .sentence')].map((node) => node.textContent)"
        )
        assert marks == ["The observatory was founded by Ilda Renn.✓1", "It never had a telescope.✗2"]
        rows = browser.run("[...document.querySelectorAll('.view .chosen .evidence li')].map((node) => node.innerText)")
        assert [row.split("\n")[0] for row in rows] == ["✓ supported", "✗ not supported"]
        assert "passage 1 entails it, .97\nThe observatory was founded by Ilda Renn." in rows[0].replace("\n\n", "\n")
        assert "the question entails it, .30" in rows[1]
        assert "passage 1 contradicts it, .80" in rows[1]
        browser.click(".view .chosen .evidence .source button")
        assert browser.run("document.activeElement.tagName") == "MARK"
        assert browser.run("document.activeElement.textContent") == "The observatory was founded by Ilda Renn."

    def test_an_answer_that_was_found_is_not_called_right(self, browser: Browser, page: Path) -> None:
        browser.open(f"{page.as_uri()}#candidate=0/mini_marco/0001/temperature/1")
        browser.wait("document.querySelector('.view .answer.target .source') !== null")
        source = browser.run("document.querySelector('.view .answer.target .source').innerText")
        assert list(filter(None, source.split("\n"))) == [
            "found in passage 1 (a span)",
            "The observatory was founded by Ilda Renn.",
        ]
        assert browser.run("document.querySelector('.view .answer.target .source mark').textContent") == "Ilda"
        assert "✓" not in browser.run("document.querySelector('.view .answer.target').innerText")
        said = browser.run("document.querySelector('#candidates > p').textContent")
        assert "being found there is not being right: that is what the task score says" in said

    def test_hostile_text_is_text(self, browser: Browser, page: Path) -> None:
        browser.open(f"{page.as_uri()}#prompt=0/mini_marco/0000")
        browser.wait("document.querySelector('.view .kicker').textContent.includes('mini_marco/0000')")
        assert HOSTILE in browser.run("document.querySelector('.view .answer.chosen .text').textContent")
        assert HOSTILE in browser.run("document.querySelector('.passages').textContent")
        browser.open(f"{page.as_uri()}#prompt=0/mini_nq/0005")
        browser.wait("document.querySelector('.view .kicker').textContent.includes('mini_nq/0005')")
        assert "✗ failed" in browser.run("document.querySelector('.view').textContent")
        assert "</script><script>document.title" in browser.run("document.querySelector('.view').textContent")
        with pytest.raises(RuntimeError, match="TrustedHTML"):  # not even a mistake of ours makes markup
            browser.run("document.body.innerHTML = '<img src=x>'")
        assert any("TrustedHTML" in complaint for complaint in browser.complaints)
        browser.events.clear()

    def test_hidden_characters_are_seen(self, browser: Browser, page: Path) -> None:
        browser.open(f"{page.as_uri()}#prompt=0/mini_nq/0002")
        browser.wait("document.querySelector('.view .kicker').textContent.includes('mini_nq/0002')")
        shown = browser.run("document.querySelector('.view .answer.chosen .text').textContent")
        assert shown == HIDDEN.encode("unicode_escape").decode()

    def test_a_long_text_is_cut_until_asked_for(self, browser: Browser, page: Path) -> None:
        browser.open(f"{page.as_uri()}#prompt=0/mini_nq/0003")
        browser.wait("document.querySelector('.view .kicker').textContent.includes('mini_nq/0003')")
        text = "document.querySelector('.view .answer.chosen .text').textContent"
        assert browser.run(f"{text}.length") < 2000
        assert browser.run(text).endswith("show all 1,000,000 characters")
        browser.click(".view .answer.chosen .text button")
        assert browser.run(text) == LONG

    def test_an_empty_answer_is_one_too(self, browser: Browser, page: Path) -> None:
        browser.open(f"{page.as_uri()}#prompt=0/mini_nq/0004")
        browser.wait("document.querySelector('.view .kicker').textContent.includes('mini_nq/0004')")
        assert browser.run("document.querySelector('.view .answer.chosen .text').textContent") == "(empty)"

    def test_every_prompt_can_be_shown(self, browser: Browser) -> None:
        for number in range(2, 2 * IN_ROUND + 1):
            browser.run("document.querySelector('.next').click()")
            browser.wait(f"document.querySelector('.place').textContent.startsWith('{number} of')")
            browser.wait("document.querySelector('[aria-selected=true] .title').textContent === "
                         "document.querySelector('.view h3').textContent")  # fmt: skip

    @pytest.mark.parametrize("hidden", [[], ["set"], ["round", "disagreement"]])
    def test_the_filters_stand_in_two_full_rows(self, browser: Browser, hidden: list[str]) -> None:
        """Of one data set, one round or one judge an aspect there is nothing to choose: the others take the room."""
        for name in hidden:
            browser.run(f"document.querySelector('[name={name}]').closest('label').hidden = true")
        form, *fields = browser.run(
            "['.filters', '.filters > * > *'].flatMap((name) => [...document.querySelectorAll(name)])"
            ".filter((node) => node.checkVisibility()).map((node) => node.getBoundingClientRect().toJSON())"
        )
        rows = [[box for box in fields if round(box["bottom"]) == edge]
                for edge in sorted({round(box["bottom"]) for box in fields})]  # fmt: skip
        assert [len(row) for row in rows] == [4 - len({"set", "round"} & {*hidden}), 4 - ("disagreement" in hidden)]
        for row in rows:
            assert (row[0]["left"], row[-1]["right"]) == pytest.approx((form["left"], form["right"]), abs=1)
        if not hidden:
            assert [box["left"] for box in rows[0]] == pytest.approx([box["left"] for box in rows[1]], abs=1)

    def test_a_phone_scrolls_one_way_and_follows_the_list(self, browser: Browser, page: Path) -> None:
        browser.resize(390, 844, is_phone=True)
        assert browser.run("document.documentElement.scrollWidth") <= 390
        browser.click("[role=option]:nth-child(3)")
        browser.wait("document.querySelector('.place').textContent.startsWith('3 of')")
        assert browser.wait("document.querySelector('.pane').getBoundingClientRect().top < 100")

    def test_without_scripts_some_examples_stand_there(self, browser: Browser, page: Path) -> None:
        browser.send("Emulation.setScriptExecutionDisabled", value=True)
        try:
            browser.open("about:blank")
            browser.open(page.as_uri())
            text = browser.run("document.getElementById('candidates').innerText")
            assert f"all {2 * IN_ROUND} prompts can be looked through" in text
            assert all(name in text for name in TRAIN_SETS)
            assert "chosen" in text
            assert browser.run("document.getElementById('browser').hidden")
        finally:
            browser.send("Emulation.setScriptExecutionDisabled", value=False)
