"""The explorables in JupyterLab, with a kernel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_explorables import sentence
from website import Visit, write_page

from rfm_tutorial.explorables import (
    DiscreteLogShuffle,
    FourierClocks,
    PaintCirculant,
    RFMInPage,
    WatchItGrok,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CELLS_IN_LAB = (
    "from rfm_tutorial.explorables import *",
    "grok = WatchItGrok()\ngrok",
    "print(grok.iteration, grok)",
    "grok.iteration = 20",
    "shuffle = DiscreteLogShuffle()\nshuffle",
    "print(shuffle.root, shuffle.placed, shuffle)",
    "clocks = FourierClocks(13, a=3, b=5)\nclocks",
    "print(clocks.a, clocks)",
    "clocks.b = 6",
    "painted = PaintCirculant()\npainted",
    "print(painted.noise, painted)",
    "painted.noise = 0.5",
    "run = RFMInPage(modulus=11)\nrun",
    "print(run.step, len(run.history), run)",
    "run.step = 3",
    'half, who = Guess("half", "When?"), Guess("who", "Who?", choices=("I", "you"))\n'
    'guesses = Guesses("05", [half, who])\nguesses',
    'guesses.answer("half", 13)',
    "guesses.recap()",
    'Questions([Question("One?", right="1", wrong={"2": "This is two."}, order=("1", "2"))])',
    "laboratory = Laboratory()\nlaboratory",
    "print(len(laboratory.history), laboratory.start_button.disabled)",
    "laboratory.modulus.value, laboratory.iterations.value = 61, 60",
    "laboratory.modulus.value, laboratory.iterations.value = 13, 3",
)


class Lab:
    """A notebook in JupyterLab."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def command(self, name: str, **arguments: object) -> None:
        # Without a result: what commands return is too much to be carried over to here.
        execute = "async ([name, args]) => { await jupyterapp.commands.execute(name, args); }"
        self.page.evaluate(execute, [name, arguments])

    def output_of(self, code: str) -> str:
        """Run the cell with this code and return what it prints."""
        index = 1 + CELLS_IN_LAB.index(code)
        self.page.evaluate(
            "i => { jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", index
        )
        self.command("notebook:run-cell")
        output = self.page.locator(".jp-Notebook-cell").nth(index).locator(".jp-OutputArea-output")
        return output.inner_text().strip() if output.count() else ""


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The explorables in a JupyterLab of their own, all cells run."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "book").mkdir()
    write_page(folder, *CELLS_IN_LAB)
    with start_lab(folder) as address, Visit(browser, address, viewport=TALL) as visit:
        visit.page.goto(f"{address}/lab/tree/book/page.ipynb")
        visit.page.wait_for_selector(".jp-Notebook-cell")
        visit.page.evaluate(
            "async () => { await jupyterapp.shell.currentWidget.sessionContext.ready; }"
        )
        shown = Lab(visit.page)
        shown.command("notebook:run-all-cells")
        visit.page.wait_for_selector(".rfm-grok .rfm-sentence", timeout=90_000)
        yield shown


# JupyterLab keeps only those cells on the page that are in sight.
TALL: Any = {"width": 1200, "height": 9000}


@contextmanager
def start_lab(folder: Path) -> Iterator[str]:
    """The address of a JupyterLab that serves a folder and knows nothing of the user's settings."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    env = os.environ | {name: str(folder / name) for name in names}
    command = [Path(sys.executable).with_name("jupyter"), "lab", "--no-browser", "--allow-root"]
    options = ["--port=0", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
    with subprocess.Popen(
        [*command, *options], cwd=folder, env=env, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        address, said = None, []
        for text in server.stderr:
            said.append(text)
            if found := re.search(r"http://(?:localhost|127\.0\.0\.1):\d+", text):
                address = found.group().replace("localhost", "127.0.0.1")
                break
        assert address is not None, "".join(said)
        # Nobody reads the rest, but a full pipe would stop the server.
        threading.Thread(target=server.stderr.read, daemon=True).start()
        try:
            yield address
        finally:
            server.terminate()


@pytest.mark.site
@pytest.mark.browser
def test_in_jupyterlab_hand_and_python_move_the_same_state(lab: Lab) -> None:
    root = lab.page.locator(".rfm-grok")
    expected = WatchItGrok(iteration=20)
    lab.page.wait_for_function(
        "([root, text]) => root.querySelector('.rfm-sentence').textContent === text",
        arg=[root.element_handle(), expected.sentence],
    )
    root.get_by_role("slider", name="iteration").press("ArrowLeft")
    root.get_by_label("operation").select_option(label="a · b")
    expected = WatchItGrok("mul", iteration=19)
    assert sentence(root) == expected.sentence
    assert lab.output_of("print(grok.iteration, grok)") == f"19 {expected.sentence}"

    root = lab.page.locator(".rfm-shuffle")
    root.get_by_role("button", name="Discrete-log order").click()
    root.get_by_label("primitive root g").select_option(label="6")
    expected = DiscreteLogShuffle(root=6, placed=60)
    assert sentence(root) == expected.sentence
    output = lab.output_of("print(shuffle.root, shuffle.placed, shuffle)")
    assert output == f"6 60 {expected.sentence}"


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "before", "slider", "key", "after", "printed", "found"),
    [
        (
            "fourier-clocks",
            FourierClocks(13, a=3, b=6),
            "digit a",
            "ArrowRight",
            FourierClocks(13, a=4, b=6),
            "print(clocks.a, clocks)",
            "4",
        ),
        (
            "paint",
            PaintCirculant(noise=0.5),
            "noise",
            "ArrowRight",
            PaintCirculant(noise=0.6),
            "print(painted.noise, painted)",
            "0.6",
        ),
        (
            "rfm-in-page",
            RFMInPage(modulus=11, step=3),
            "updates",
            "ArrowRight",
            RFMInPage(modulus=11, step=4),
            "print(run.step, len(run.history), run)",
            "4 5",
        ),
    ],
)
def test_in_jupyterlab_what_the_page_computes_reaches_python(
    lab: Lab, name: str, before: Any, slider: str, key: str, after: Any, printed: str, found: str
) -> None:
    root = lab.page.locator(f".rfm-{name}")
    says = "([root, text]) => root.querySelector('.rfm-sentence').textContent === text"
    lab.page.wait_for_function(says, arg=[root.element_handle(), before.sentence])
    root.get_by_role("slider", name=slider, exact=True).press(key)
    lab.page.wait_for_function(says, arg=[root.element_handle(), after.sentence])
    assert lab.output_of(printed) == f"{found} {after.sentence}"


@pytest.mark.site
@pytest.mark.browser
def test_in_jupyterlab_guesses_and_questions_work_as_on_the_website(lab: Lab) -> None:
    page, cells = lab.page, lab.page.locator(".jp-Notebook-cell").count()
    page.locator("#rfm-guess-05-half").click()
    page.keyboard.type("20")  # and no shortcut of the notebook
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    assert page.locator(".jp-Notebook-cell").count() == cells
    assert sentence(page.locator(".rfm-answer")) == "You said 20. It is 13."
    rows = page.locator(".rfm-recap tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        ["When?", "20", "13"],
        ["Who?", "“you”", "not answered yet"],
    ]
    page.get_by_role("button", name="Forget my guesses").click()
    assert sentence(page.locator(".rfm-answer")) == "It is 13."
    page.locator(".rfm-questions").get_by_label("2").check()
    assert page.locator(".rfm-feedback").inner_text() == "✗ Not so. This is two."


@pytest.mark.site
@pytest.mark.browser
def test_in_jupyterlab_the_laboratory_runs_and_stops(lab: Lab) -> None:
    page, printed = lab.page, "print(len(laboratory.history), laboratory.start_button.disabled)"
    assert lab.output_of(printed) == "0 False"
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("Finished. Step 3: right on").wait_for()
    assert lab.output_of(printed) == "4 False"
    page.get_by_alt_text("Line plots of accuracy").wait_for()

    lab.output_of("laboratory.modulus.value, laboratory.iterations.value = 61, 60")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text(re.compile(r"^Step \d+: right on")).wait_for()
    # The kernel answers while the run goes on.
    assert lab.output_of(printed).endswith("True")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text(re.compile("^Stopped by hand. Step ")).wait_for()
    steps, running = lab.output_of(printed).split()
    assert int(steps) < 61
    assert running == "False"


@pytest.mark.site
@pytest.mark.browser
def test_in_jupyterlab_explorables_follow_the_theme(lab: Lab) -> None:
    root = lab.page.locator(".rfm-grok")
    for theme, paper in (("Dark", "rgb(20, 24, 30)"), ("Light", "rgb(252, 252, 250)")):
        lab.command("apputils:change-theme", theme=f"JupyterLab {theme}")
        expected = "([r, c]) => getComputedStyle(r).backgroundColor === c"
        lab.page.wait_for_function(expected, arg=[root.element_handle(), paper])
