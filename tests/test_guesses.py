"""Guesses that the reader's browser keeps, and questions that answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from test_explorables_in_page import page_of
from website import SERIOUS

from rfm_tutorial.explorables import Guess, Guesses, Question, Questions, Record
from rfm_tutorial.explorables.base import Explorable

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ADDRESS = "http://book.test/"
WHICH = ("the sums", "the products", "neither")


def asked(chapter: str = "05") -> Guesses:
    return Guesses(
        chapter,
        [
            Guess("half", "At which iteration is half right?"),
            Guess("share", "What share?", unit="%", digits=1),
            Guess("which", "Which go first?", choices=WHICH),
        ],
    )


def all_of(guesses: Guesses) -> list[Explorable]:
    """What a chapter shows of its guesses."""
    return [
        guesses,
        guesses.answer("half", 13, text="So it is."),
        guesses.answer("share", 29.96),
        guesses.answer("which", "the products"),
        guesses.recap(),
    ]


ASKED = Questions(
    [
        Question(
            "What is the training accuracy of a lookup table?",
            right="1",
            wrong={"1/p": "That is chance.", "0": "That is its test accuracy."},
            why="It has seen each row.",
            order=("0", "1/p", "1"),
        ),
        Question("And its test accuracy?", right="0", wrong={"1": "Those rows are new."}),
    ]
)


RECORD = "runs", ("run", "deviation", "jump"), ("+ Gaussian", "+ quadratic", "your own")


# In Python.


def test_an_answer_is_a_number_of_any_kind_or_a_choice() -> None:
    guesses = asked()
    numbers = 13, 12.6, np.int64(13), np.float32(13), torch.tensor(13.2), torch.full((1,), 13)
    for thirteen in numbers:
        assert guesses.answer("half", thirteen).sentence == "It is 13."
    assert guesses.answer("share", 29.96).sentence == "It is 30.0 %."
    assert guesses.answer("which", "neither").sentence == "The answer is “neither”."


def test_a_recap_says_what_has_been_answered_so_far() -> None:
    guesses = asked()
    guesses.answer("half", 13)
    recap = guesses.recap()
    assert repr(recap).splitlines() == [
        "Guesses made: 0 of 3.",
        "· At which iteration is half right? 13",
        "· What share? not answered yet",
        "· Which go first? not answered yet",
    ]
    guesses.answer("share", 30)
    guesses.answer("half", 14)  # a cell run again
    assert recap.answers == ["14", "30.0", None]


def test_answers_stand_in_the_same_order_in_every_run() -> None:
    question = Question("How many?", right="1", wrong=dict.fromkeys("23456", "No."))
    orders = {seed: question.choices(seed) for seed in range(5)}
    assert orders[0] == ["3", "4", "1", "6", "2", "5"]
    assert len({*map(tuple, orders.values())}) > 3
    assert all(sorted(order) == [*"123456"] for order in orders.values())


HALF = Guess("half", "When?")
ONE = Question("One?", right="1", wrong={"2": "No."})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Guess("a b", "When?"), "name must be letters, digits, '-' and '_', got 'a b'"),
        (lambda: Guess("half", " "), "question must be words to read, got ' '"),
        (lambda: Guess("half", "When?", unit=3), "unit must be a word such as '%', got 3"),
        (lambda: Guess("half", "When?", digits=7), "digits must be an integer ≤ 6, got 7"),
        (lambda: Guess("a", "A?", choices="one"), "choices must be a list or a tuple, got 'one'"),
        (lambda: Guess("a", "A?", choices=["one"]), "choices must be two or more"),
        (lambda: Guess("a", "A?", choices=["one", ""]), "each of choices must be words to read"),
        (lambda: Guess("a", "A?", choices=["b", "b"]), "choices must be different, got 'b' twice"),
        (lambda: Guess("a", "A?", choices=["b", "c"], unit="%"), "unit must be left out where"),
        (lambda: Guesses("05", []), "guesses must have at least one Guess, got none"),
        (lambda: Guesses("05", HALF), "guesses must be a list or a tuple"),
        (lambda: Guesses("05", ["half"]), "guesses must be a list of Guess, got 'half' in it"),
        (lambda: Guesses("05", [HALF, HALF]), "names of guesses must be different, got 'half'"),
        (lambda: Guesses("5/6", [HALF]), "chapter must be letters, digits.*got '5/6'"),
        (lambda: asked().answer("hlaf", 1), "name must be one of 'half', 'share'.*got 'hlaf'"),
        (lambda: asked().answer("half", "13"), "value must be a finite number, got '13'"),
        (lambda: asked().answer("half", True), "value must be a finite number, got True"),
        (lambda: asked().answer("half", torch.nan), "value must be a finite number, got nan"),
        (lambda: asked().answer("half", torch.ones(2)), "value must be a finite number, got a Ten"),
        (lambda: asked().answer("half", None), "value must be a finite number, got None"),
        (lambda: asked().answer("which", 2), "value must be one of 'the sums', .*got 2"),
        (lambda: asked().answer("half", 1, text=None), "text must be a sentence, got None"),
        (lambda: Question("", right="1", wrong={"2": "No."}), "question must be words"),
        (lambda: Question("One?", right="1", wrong={}), "wrong must lead from at least one wrong"),
        (lambda: Question("One?", right="1", wrong=["2"]), "wrong must lead from at least one"),
        (lambda: Question("One?", right="2", wrong={"2": "No."}), "right must not be among the wr"),
        (lambda: Question("One?", right="1", wrong={"2": ""}), "the explanation of '2' must be wo"),
        (lambda: Question("One?", right="1", wrong={"2": "No."}, why=1), "why must be a sentence"),
        (lambda: Question("1?", right="1", wrong={"2": "No."}, order=["1"]), "order must be an or"),
        (lambda: Questions([]), "questions must have at least one Question, got none"),
        (lambda: Questions([ONE, HALF]), "questions must be a list of Question, got Guess"),
        (lambda: Questions([ONE, ONE]), "questions must be different, got 'One\\?' twice"),
        (lambda: Questions([ONE], seed=-1), "seed must be an integer ≥ 0"),
        (lambda: Record("05", "a b", ("x", "y"), ("1",)), "name must be letters"),
        (lambda: Record("05", "a", ("x",), ("1",)), "columns must be 2 or more, got"),
        (lambda: Record("05", "a", ("x", "y"), ()), "rows must be 1 or more, got"),
        (lambda: Record("05", "a", ("x", " "), ("1",)), "each of columns must be words"),
        (
            lambda: Record("05", "a", ("x", "y"), ("1", "1")),
            "rows must be different, got '1' twice",
        ),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_a_wrong_argument_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# In the page.


class Chapter:
    """A page with an address, for only such a page has a storage."""

    def __init__(self, browser: Browser) -> None:
        self.context: BrowserContext = browser.new_context()
        self.faults: list[str] = []

    def open(self, *widgets: Explorable, path: str = "") -> Page:
        page = self.context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: self.faults.append(message.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        html = page_of(*widgets)
        page.route(f"{ADDRESS}**", lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto(ADDRESS + path)
        self.wait(page, len(widgets))
        return page

    @staticmethod
    def wait(page: Page, n: int) -> None:
        page.wait_for_function("n => document.querySelectorAll('[data-shown]').length === n", arg=n)


@pytest.fixture
def chapter(browser: Browser) -> Iterator[Chapter]:
    chapter = Chapter(browser)
    yield chapter
    chapter.context.close()
    assert chapter.faults == []


def answers(page: Page) -> list[str]:
    return page.locator(".rfm-answer .rfm-sentence").all_inner_texts()


def said(page: Page) -> list[str]:
    return page.locator(".rfm-recap td:nth-child(2)").all_inner_texts()


def made(page: Page) -> str:
    return page.locator(".rfm-guesses .rfm-sentence").inner_text()


NOTHING = ["It is 13. So it is.", "It is 30.0 %.", "The answer is “the products”."]
SOMETHING = [
    "You said 20. It is 13. So it is.",
    "You said 30 %, and it is 30.0 %.",
    "You said “neither”. The answer is “the products”.",
]


def guess(page: Page) -> None:
    page.get_by_label("At which iteration").fill("20")
    page.get_by_label("What share?").fill("30 %")
    page.get_by_role("group", name="Which go first?").get_by_label("neither").check()


@pytest.mark.browser
def test_a_guess_stands_beside_the_answer_outlasts_the_visit_and_can_be_forgotten(
    chapter: Chapter,
) -> None:
    page = chapter.open(*all_of(asked()))
    assert answers(page) == NOTHING
    assert said(page) == ["no guess"] * 3
    notes = page.locator(".rfm-answer .rfm-back")
    assert notes.first.inner_text() == "(You made no guess.) Make one"
    guess(page)
    for _ in range(2):
        assert answers(page) == SOMETHING
        assert said(page) == ["20", "30 %", "“neither”"]
        assert made(page) == "Guesses made: 3 of 3."
        assert notes.first.inner_text() == "Change your guess"
        assert page.get_by_label("What share?").input_value() == "30 %"
        assert page.get_by_label("neither").is_checked()
        page.reload()
        chapter.wait(page, 5)
    assert page.locator(".rfm-recap td:nth-child(3)").all_inner_texts() == [
        "13",
        "30.0 %",
        "“the products”",
    ]
    page.get_by_label("the products").check()
    assert answers(page)[2] == "You said “the products”, and the answer is “the products”."

    page.get_by_role("button", name="Forget my guesses").press("Enter")
    for _ in range(2):
        assert answers(page) == NOTHING
        assert said(page) == ["no guess"] * 3
        assert made(page) == "Guesses made: 0 of 3."
        assert page.get_by_label("At which iteration").input_value() == ""
        assert page.locator(":checked").count() == 0
        assert page.evaluate("localStorage.length") == 0
        page.reload()
        chapter.wait(page, 5)


@pytest.mark.browser
def test_another_chapter_has_its_own_guesses_and_another_tab_the_same(chapter: Chapter) -> None:
    page = chapter.open(*all_of(asked()))
    tab, other = chapter.open(*all_of(asked())), chapter.open(*all_of(asked("06")), path="06")
    guess(page)
    tab.wait_for_function("() => document.querySelector('.rfm-answer').innerText.includes('20')")
    assert answers(tab) == SOMETHING
    assert tab.get_by_label("At which iteration").input_value() == "20"
    page.get_by_label("At which iteration").fill("")
    tab.wait_for_function("() => !document.querySelector('.rfm-answer').innerText.includes('20')")
    assert said(tab) == ["no guess", "30 %", "“neither”"]
    other.reload()
    chapter.wait(other, 5)
    assert answers(other) == NOTHING
    page.evaluate("localStorage.clear()")
    tab.get_by_text("You said “neither”").wait_for(state="detached")
    assert answers(tab) == NOTHING


NO_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("The operation is insecure.", "SecurityError"); },
})"""
FULL = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }"
NULL = 'Object.defineProperty(window, "localStorage", { value: null })'


@pytest.mark.browser
@pytest.mark.parametrize(
    ("script", "said_of_it"),
    [(NO_STORAGE, "until you leave"), (NULL, "until you leave"), (FULL, "sent nowhere")],
)
def test_without_storage_guesses_last_as_long_as_the_page(
    chapter: Chapter, script: str, said_of_it: str
) -> None:
    chapter.context.add_init_script(script)
    page = chapter.open(*all_of(asked()))
    assert said_of_it in page.locator(".rfm-guesses .rfm-caption").inner_text()
    guess(page)
    assert answers(page) == SOMETHING
    assert made(page) == "Guesses made: 3 of 3."
    page.reload()
    chapter.wait(page, 5)
    assert answers(page) == NOTHING


@pytest.mark.browser
def test_numbers_are_read_as_people_write_them(chapter: Chapter) -> None:
    page = chapter.open(*all_of(asked()))
    field, fault = page.get_by_label("What share?"), page.locator("#rfm-guess-05-share-fault")
    for typed, number in (
        ("30", "30"),
        (" 30% ", "30"),
        ("0.5", "0.5"),
        ("0,5", "0.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1,000", "1000"),
        ("0,125", "0.125"),
        ("−2", "-2"),
        ("+2", "2"),
    ):
        field.fill(typed)
        assert said(page)[1] == f"{number} %", typed
    for typed in ("x", "1/2", "1.2.3", "3 4", "-", "Infinity", "1e3"):
        field.fill(typed)
        assert said(page)[1] == "no guess", typed
        assert fault.inner_text() == ""  # while it is typed
        field.press("Enter")
        assert fault.inner_text() == "Type a number, such as 12 or 0.5.", typed
        assert field.get_attribute("aria-invalid") == "true"
        page.get_by_label("At which iteration").fill(f"{len(typed)}")
        assert field.input_value() == typed  # what is wrong stays, to be mended
        field.fill("1")
        assert fault.inner_text() == ""
        assert field.get_attribute("aria-invalid") == "false"
    field.fill("30.04")
    assert answers(page)[1] == "You said 30.04 %, and it is 30.0 %."


@pytest.mark.browser
def test_a_fault_does_not_push_away_what_is_clicked(chapter: Chapter) -> None:
    page = chapter.open(*all_of(asked()))
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_label("What share?").fill("much")
    page.get_by_label("neither").click()
    assert said(page) == ["no guess", "no guess", "“neither”"]


@pytest.mark.browser
def test_what_is_kept_and_no_longer_asked_for_is_no_guess(chapter: Chapter) -> None:
    page = chapter.open(*all_of(asked()))
    page.evaluate(
        """() => {
          localStorage.setItem("rfm-tutorial guess 05/half", "<b>much</b>");
          localStorage.setItem("rfm-tutorial guess 05/which", "the quotients");
        }"""
    )
    page.reload()
    chapter.wait(page, 5)
    assert answers(page) == NOTHING
    assert made(page) == "Guesses made: 0 of 3."


@pytest.mark.browser
def test_the_link_of_an_answer_leads_back_to_the_field(chapter: Chapter) -> None:
    page = chapter.open(*all_of(asked()))
    focus = "() => `${document.activeElement.type} ${document.activeElement.closest('[id]')?.id}`"
    links = page.locator(".rfm-answer a")
    for place, field in ((0, "text rfm-guess-05-half"), (2, "radio rfm-guess-05-which")):
        links.nth(place).focus()
        page.keyboard.press("Enter")
        assert page.evaluate(focus) == field
    page.get_by_label("neither").check()
    links.nth(2).click()
    assert page.evaluate("() => document.activeElement.parentElement.innerText") == "neither"
    assert page.url == ADDRESS


@pytest.mark.browser
def test_everything_is_guessed_by_keyboard(chapter: Chapter) -> None:
    page = chapter.open(*all_of(asked()))
    for key in ("Tab", "2", "0", "Tab", "3", "0", "Tab", "ArrowUp"):
        page.keyboard.press(key)
    assert answers(page) == SOMETHING


@pytest.mark.browser
def test_who_listens_hears_the_fields_and_not_the_answer(chapter: Chapter) -> None:
    page = chapter.open(*all_of(asked()))
    guess(page)
    live = "parts => parts.map(part => part.ariaLive)"
    assert page.locator(".rfm-answer .rfm-sentence").evaluate_all(live) == ["off"] * 3
    assert page.locator(".rfm-recap .rfm-sentence").evaluate_all(live) == ["off"]
    assert page.locator(".rfm-guesses .rfm-sentence").evaluate_all(live) == ["polite"]
    page.get_by_role("button", name="Forget my guesses").click()
    assert page.locator(".rfm-recap .rfm-sentence").evaluate_all(live) == ["polite"]


@pytest.mark.browser
def test_questions_say_what_is_right_and_why_the_rest_is_wrong(chapter: Chapter) -> None:
    page = chapter.open(ASKED)
    first = page.get_by_role("group", name="What is the training accuracy")
    second = page.get_by_role("group", name="And its test accuracy?")
    words = page.locator(".rfm-sentence")
    assert words.inner_text() == ASKED.sentence == "Questions answered: 0 of 2."
    assert first.get_by_role("radio").count() == 3
    feedback = first.locator("[aria-live=polite]")
    for label, text, count in (
        ("0", "✗ Not so. That is its test accuracy.", "1 of 2. Right: 0."),
        ("1/p", "✗ Not so. That is chance.", "1 of 2. Right: 0."),
        ("1", "✓ Right. It has seen each row.", "1 of 2. Right: 1."),
    ):
        first.get_by_label(label, exact=True).click()
        assert feedback.inner_text() == text
        assert words.inner_text() == f"Questions answered: {count}"
    assert second.locator("[aria-live=polite]").inner_text() == ""
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    chosen = {second.locator("[aria-live=polite]").inner_text()}
    page.keyboard.press("ArrowDown")
    chosen.add(second.locator("[aria-live=polite]").inner_text())
    assert chosen == {"✓ Right.", "✗ Not so. Those rows are new."}
    page.reload()
    chapter.wait(page, 1)
    assert words.inner_text() == ASKED.sentence  # nothing is kept
    assert page.evaluate("localStorage.length") == 0


@pytest.mark.browser
def test_what_is_said_is_accessible_and_fits_a_phone_in_both_themes(
    chapter: Chapter, npm: Path
) -> None:
    page = chapter.open(*all_of(asked()), ASKED)
    page.set_viewport_size({"width": 360, "height": 740})
    guess(page)
    page.get_by_label("What share?").fill("much")
    page.get_by_label("1/p").check()
    page.add_script_tag(path=npm / "axe-core/axe.min.js")
    for theme, ground in (("light", "white"), ("dark", "#14181e")):
        page.evaluate(
            """([theme, ground]) => {
              document.documentElement.dataset.theme = theme;
              document.body.style.background = ground;
            }""",
            [theme, ground],
        )
        assert page.evaluate(SERIOUS, [None, None]) == [], theme
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.browser
def test_on_paper_there_is_no_button(chapter: Chapter) -> None:
    page = chapter.open(*all_of(asked()))
    guess(page)
    page.emulate_media(media="print")
    assert not page.get_by_role("button").is_visible()
    assert not page.get_by_text("Change your guess").first.is_visible()
    assert answers(page) == SOMETHING


@pytest.mark.browser
def test_what_has_left_the_page_no_longer_listens(chapter: Chapter) -> None:
    page = chapter.open(asked())
    state: dict[str, Any] = all_of(asked())[1].get_state()
    reads = page.evaluate(
        """async state => {
          let reads = 0;
          const model = { get: name => { reads++; return state[name]; }, on() {}, off() {} };
          const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
          const el = document.createElement("div");
          const leave = (await import(url)).default.render({ model, el });
          const change = text => {
            const field = document.querySelector("#rfm-guess-05-half");
            field.value = text;
            field.dispatchEvent(new Event("input"));
            return reads;
          };
          const [before, during] = [reads, change("1")];
          leave();
          return [during > before, change("2") - during];
        }""",
        state,
    )
    assert reads == [True, 0]


# A record.


@pytest.mark.browser
def test_a_record_is_kept_for_its_chapter_and_can_be_cleared(chapter: Chapter) -> None:
    page = chapter.open(Record("05", *RECORD))
    words = page.locator(".rfm-record .rfm-sentence")
    assert words.inner_text() == Record("05", *RECORD).sentence == "Lines begun: 0 of 3."
    page.get_by_label("+ Gaussian, deviation").fill("0.46")
    page.get_by_label("+ Gaussian, jump").fill("step <13>")
    page.get_by_label("your own, jump").fill("late")
    for _ in range(2):
        assert words.inner_text() == "Lines begun: 2 of 3."
        assert page.get_by_label("+ Gaussian, jump").input_value() == "step <13>"
        page.reload()
        chapter.wait(page, 1)
    other = chapter.open(Record("06", *RECORD), path="06")
    assert other.get_by_label("your own, jump").input_value() == ""
    tab = chapter.open(Record("05", *RECORD))
    page.get_by_role("button", name="Clear the table").press("Enter")
    tab.wait_for_function("() => ![...document.querySelectorAll('input')].some(i => i.value)")
    assert words.inner_text() == "Lines begun: 0 of 3."
    assert page.evaluate("localStorage.length") == 0


@pytest.mark.browser
def test_a_record_is_filled_in_by_keyboard_and_fits_a_phone(chapter: Chapter) -> None:
    page = chapter.open(Record("05", *RECORD))
    page.set_viewport_size({"width": 360, "height": 740})
    for key in ("Tab", "1", "Tab", "2", "Tab", "3"):
        page.keyboard.press(key)
    fields = page.locator(".rfm-record input")
    assert fields.evaluate_all("all => all.map(one => one.value)") == ["1", "2", "3", "", "", ""]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    headed = page.get_by_role("row", name="+ Gaussian").get_by_role("rowheader")
    assert headed.inner_text() == "+ Gaussian"


@pytest.mark.browser
def test_without_storage_a_record_lasts_as_long_as_the_page(chapter: Chapter) -> None:
    chapter.context.add_init_script(NO_STORAGE)
    page = chapter.open(Record("05", *RECORD))
    assert "until you leave" in page.locator(".rfm-record .rfm-caption").inner_text()
    page.get_by_label("your own, jump").fill("late")
    assert page.locator(".rfm-record .rfm-sentence").inner_text() == "Lines begun: 1 of 3."
