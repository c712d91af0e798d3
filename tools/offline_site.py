"""Make a copy of the website that needs no network, for classrooms.

    python tools/offline_site.py

Takes _build/html, writes _build/offline: the same pages, with the one thing that they fetch from
elsewhere, MathJax, beside them. Open _build/offline/index.html from the disk.
"""

import re
import shutil
from pathlib import Path

from bs4 import BeautifulSoup
from npm_packages import npm_packages

ROOT = Path(__file__).resolve().parents[1]
MATHJAX = re.compile(r"https://cdn\.jsdelivr\.net/npm/mathjax@3/es5/")
PARTS = ("tex-mml-chtml.js", "a11y", "input", "output", "sre", "ui")
LINKED = ("icon", "modulepreload", "preload", "stylesheet")


def fetched(page: str) -> list[str]:
    """Addresses elsewhere that a browser fetches when it opens this page."""
    soup = BeautifulSoup(page, "html.parser")
    found = [tag["src"] for tag in soup.find_all(src=True)]
    found += [tag["href"] for kind in LINKED for tag in soup.find_all("link", href=True, rel=kind)]
    return [str(url) for url in found if re.match("(https?:)?//", str(url))]


def offline_site(source: Path, target: Path, npm: Path) -> Path:
    """Copy the website from `source` to `target`, with MathJax from the folder node_modules.

    Raises
    ------
    ValueError
        If a page still fetches something from elsewhere.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    for part in PARTS:
        found = npm / "mathjax/es5" / part
        copy = shutil.copytree if found.is_dir() else shutil.copy
        (target / "_static/mathjax").mkdir(exist_ok=True)
        copy(found, target / "_static/mathjax" / part)
    for path in sorted(target.glob("**/*.html")):
        to_top = "../" * (len(path.relative_to(target).parts) - 1)
        page = MATHJAX.sub(f"{to_top}_static/mathjax/", path.read_text(encoding="utf-8"))
        if left := fetched(page):
            raise ValueError(f"{path} fetches from elsewhere: {', '.join(left)}")
        path.write_text(page, encoding="utf-8")
    return target


if __name__ == "__main__":
    made = offline_site(ROOT / "_build/html", ROOT / "_build/offline", npm_packages())
    print(f"The website without a network: {made / 'index.html'}")
