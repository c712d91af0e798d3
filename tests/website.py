"""Build the website, serve it, and open its pages in a browser that reaches nothing else."""

import functools
import gzip
import http.server
import io
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import nbformat
from filelock import FileLock
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from npm_packages import npm_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]


def build(source: Path) -> subprocess.CompletedProcess[str]:
    """Build the book in `source` the way `make book` does; one process at a time."""
    (source / "_build").mkdir(exist_ok=True)
    with FileLock(source / "_build/lock"):
        return subprocess.run(
            [Path(sys.executable).with_name("jupyter-book"), "build", source, "-W", "--keep-going"],
            capture_output=True,
            text=True,
            check=False,
        )


def book_folder(folder: Path) -> Path:
    """A book with the project's own settings and no page yet."""
    shutil.copy(ROOT / "_config.yml", folder)
    for part in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / part, folder / "book" / part)
    shutil.copy(ROOT / "book/references.bib", folder / "book")
    (folder / "_build").mkdir()
    (folder / "_build/npm").symlink_to(npm_packages().parent)
    (folder / "rfm_tutorial").mkdir()
    (folder / "requirements.txt").touch()
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/page\n", encoding="utf-8")
    return folder


def write_page(book: Path, *parts: str | NotebookNode) -> None:
    """Its one page: a heading, and cells or the code of such."""
    cells = [part if isinstance(part, NotebookNode) else new_code_cell(part) for part in parts]
    cells.insert(0, new_markdown_cell("# A page"))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, book / "book/page.ipynb")


def pages_of(site: Path) -> list[Path]:
    """The pages of a website, without those that lead to another one."""
    paths = sorted((site / "book").glob("**/*.html"))
    return [path for path in paths if 'http-equiv="refresh"' not in path.read_text("utf-8")]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class CompressingHandler(QuietHandler):
    """Compresses text, as web servers do."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        path = Path(self.translate_path(self.path))
        if path.suffix not in (".html", ".css", ".js") or not path.is_file():
            return super().send_head()
        content = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)


@contextmanager
def serve(folder: Path, compressed: bool = False) -> Iterator[str]:
    """The address under which a folder is served as long as the context lasts."""
    kind = CompressingHandler if compressed else QuietHandler
    handler = functools.partial(kind, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def silence() -> Iterator[str]:
    """The address of a proxy that takes every request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


class Visit:
    """A page of a browser that notes what goes wrong.

    Requests outside of `address` are refused. With a `proxy` among the options they go there.
    """

    def __init__(self, browser: "Browser", address: str, **options: Any) -> None:
        self.faults: list[str] = []
        self.outside: set[str] = set()
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        if "proxy" not in options:
            self.context.route(
                lambda url: not url.startswith((address, "blob:", "data:")), self._refuse
            )
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} {message.location}")

    def _refuse(self, route: Any) -> None:
        self.outside.add(route.request.url)
        route.abort()

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def wait_until_shown(page: "Page") -> None:
    """Wait for every widget of a page."""
    views = page.locator("script[type='application/vnd.jupyter.widget-view+json']").count()
    page.wait_for_function("n => document.querySelectorAll('[data-shown]').length === n", arg=views)


# Half of axe's time goes into contrast, which style sheets decide that all pages share.
CONTRAST = "color-contrast"

SERIOUS = """async ([wanted, unwanted]) => {
  const options = { resultTypes: ["violations"], ...(wanted && { runOnly: [wanted] }) };
  if (unwanted) options.rules = { [unwanted]: { enabled: false } };
  const { violations } = await axe.run(document, options);
  return violations.filter(v => ["serious", "critical"].includes(v.impact)).map(
    v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 120)).join("  ")}`);
}"""

# Colours on their way from one theme to the other have no contrast to be judged; they set out with
# the frame after the change.
AT_REST = """async () => {
  for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
  return document.getAnimations().every(one => one.playState !== "running");
}"""


def switch_theme(page: "Page", theme: Literal["light", "dark"]) -> None:
    """Change what the reader's system asks for, and wait until an open page has followed."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)


def _settled(page: "Page", rules: list[str | None]) -> list[str]:
    """What axe finds, and finds again a second later: on a busy machine a page may be slower than
    its animations say."""
    found = page.evaluate(SERIOUS, rules)
    if found:
        page.wait_for_timeout(1000)
        found = page.evaluate(SERIOUS, rules)
    return found


def violations(page: "Page", npm: Path, contrast: bool = True) -> list[str]:
    """What axe finds on an open page, if it is serious: in light, and the contrast in dark, too."""
    page.add_script_tag(path=npm / "axe-core/axe.min.js")
    switch_theme(page, "light")
    page.wait_for_function(AT_REST)
    found = _settled(page, [None, None if contrast else CONTRAST])
    if contrast:
        switch_theme(page, "dark")
        page.wait_for_function(AT_REST)
        found += [f"dark: {fault}" for fault in _settled(page, [CONTRAST, None])]
    return found
