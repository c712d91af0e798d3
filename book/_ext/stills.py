"""Sphinx extension: an explorable is there, as a still, before its script is.

myst-nb writes the state of all widgets of a page into its head: what draws
them, and the data of whole runs. Nothing is seen before all of it has come.
Here what is long goes into files of its own, named by their content, which
`widgets.js` fetches when the page has been painted. And each explorable is
drawn once while the page is written, by its own script, in the place that it
will take: for who reads before it has come, and for who runs no scripts.
"""

import base64
import hashlib
import json
import re
import subprocess
import zlib
from pathlib import Path
from typing import Any

from npm_packages import NODE
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

HERE = Path(__file__).resolve().parent
KIND = "application/vnd.jupyter.widget"
VIEW = re.compile(
    rf'<script type="{re.escape(KIND)}-view\+json">(.*?)</script>'
)
FOLDER = "explorables"
LONG = 1000
"""Characters of a value that gets a file of its own."""
STILL = """<div class="rfm-still">{}
<noscript><p>Its controls need JavaScript.</p></noscript></div>"""


def stills(models: list[dict[str, Any]]) -> list[str]:
    """The HTML of explorables whose state was saved."""
    run = subprocess.run(
        [NODE, HERE / "stills.mjs", HERE.parent / "_static/widgets.js"],
        input=json.dumps(models),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if run.returncode != 0:
        raise ExtensionError(f"an explorable cannot be drawn:\n{run.stderr}")
    return json.loads(run.stdout)


class Files:
    """The folder of values that stand outside of their page."""

    def __init__(self, folder: Path) -> None:
        """Make it if it is not there yet."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _write(self, text: str, name: str, form: str = "{}") -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        path = self.folder / name.format(digest)
        path.write_text(form.format(text, digest), encoding="utf-8")
        return path.name

    def script(self, value: Any) -> dict[str, str]:
        """Put a value into a script; return what stands in its place."""
        text = json.dumps(value, ensure_ascii=False)
        form = '(globalThis.rfmFiles ??= {{}})["{1}"] = {0};\n'
        return {"rfm-file": self._write(text, "{}.js", form).partition(".")[0]}

    def style(self, text: str) -> str:
        """Put a style sheet into a file; return its name."""
        return self._write(text, "{}.css")

    def take_from(self, model: dict[str, Any]) -> None:
        """Put what is long in the state of a model into files."""
        for name, value in model["state"].items():
            if len(json.dumps(value)) > LONG:
                model["state"][name] = self.script(value)
        for buffer in model.get("buffers", []):
            packed = zlib.compress(base64.b64decode(buffer["data"]), 9)
            buffer["data"] = self.script(base64.b64encode(packed).decode())


def drawn(models: dict[str, Any], body: str) -> str:
    """The body of a page, with a still behind each explorable."""
    views = [json.loads(view)["model_id"] for view in VIEW.findall(body)]
    names = [name for name in views if "_esm" in models[name]["state"]]
    html = dict(zip(names, stills([models[n] for n in names]), strict=True))

    def with_still(view: re.Match[str]) -> str:
        still = html.get(json.loads(view[1])["model_id"])
        return view[0] + (STILL.format(still) if still else "")

    return VIEW.sub(with_still, body)


def draw(
    app: Sphinx, _page: str, _template: str, context: dict[str, Any], _: Any
) -> None:
    """Draw the explorables of a page, and put their data elsewhere."""
    files = Files(Path(app.outdir, "_static", FOLDER))
    for script in context.get("script_files", []):
        attributes = getattr(script, "attributes", {})
        if attributes.get("type") != f"{KIND}-state+json":
            continue
        saved = json.loads(attributes["body"])
        context["body"] = drawn(saved["state"], context["body"])
        for model in saved["state"].values():
            if style := model["state"].pop("_css", None):
                app.add_css_file(f"{FOLDER}/{files.style(style)}")
            files.take_from(model)
        attributes["body"] = json.dumps(saved).replace("</", r"<\/")


def remove_unused(app: Sphinx, problem: Exception | None) -> None:
    """Remove the files that no page names any more."""
    folder = Path(app.outdir, "_static", FOLDER)
    if problem or not folder.is_dir():
        return
    pages = "".join(
        p.read_text("utf-8") for p in Path(app.outdir).rglob("*.html")
    )
    for path in folder.iterdir():
        if path.stem not in pages:
            path.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the step after myst-nb's."""
    app.connect("html-page-context", draw, priority=900)
    app.connect("build-finished", remove_unused)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
