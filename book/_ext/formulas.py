"""Sphinx extension: formulas are typeset when their page is written, by KaTeX.

What a browser gets is text with a style sheet: no script, nothing to wait for.
The same formula goes along as MathML, which screen readers read. Only a page
with formulas asks for the style sheet; its fonts come with the website.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from npm_packages import NODE, npm_packages
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator

SCRIPT = """
const katex = require(process.argv[1]);
const options = { strict: "ignore", trust: false };
const typeset = ([tex, displayMode]) => {
  try { return [katex.renderToString(tex, { ...options, displayMode }), ""]; }
  catch (error) { return ["", error.message]; }
};
let asked = "";
process.stdin.setEncoding("utf8").on("data", piece => { asked += piece; });
process.stdin.on("end", () => {
  process.stdout.write(JSON.stringify(JSON.parse(asked).map(typeset)));
});
"""
Formula = tuple[str, bool]
"""What is written between the dollars, and whether it has a line to itself."""
TYPESET: dict[Formula, str] = {}
"""HTML of the formulas that were met so far: one start of Node does a page."""
STYLE = "katex/katex.min.css"
# Browsers that read the newest of three kinds of font files never ask for
# another; the newest is half as large.
OLDER_FONTS = re.compile(r",url\([^)]*\.(woff|ttf)\) format\([^)]*\)")


def typeset(formulas: Iterable[Formula], where: str) -> None:
    """Add to `TYPESET` those of these formulas that are not in it."""
    new = sorted(set(formulas) - TYPESET.keys())
    if not new:
        return
    katex = npm_packages() / "katex/dist/katex.js"
    run = subprocess.run(
        [NODE, "-e", SCRIPT, katex],
        input=json.dumps(new),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    answers = json.loads(run.stdout)
    for formula, (html, fault) in zip(new, answers, strict=True):
        if fault:
            raise ExtensionError(
                f"{where}: a formula cannot be typeset: {formula[0]}\n{fault}"
            )
        TYPESET[formula] = html


def formula_of(node: nodes.Element) -> Formula:
    """The formula of a node; lines of one that has several are aligned."""
    tex, display = node.astext(), isinstance(node, nodes.math_block)
    if display and r"\\" in tex and r"\begin" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    return tex, display


def typeset_page(_: Sphinx, page: nodes.document, name: str) -> None:
    """Typeset all formulas of a page in one go."""
    found = [*page.findall(nodes.math), *page.findall(nodes.math_block)]
    typeset(map(formula_of, found), name)


def write(writer: HTML5Translator, node: nodes.Element) -> None:
    """Write one formula."""
    formula = formula_of(node)
    typeset([formula], node.source or "a title")
    writer.body.append(f'<span class="math">{TYPESET[formula]}</span>')
    raise nodes.SkipNode


def write_block(writer: HTML5Translator, node: nodes.Element) -> None:
    """Write one formula that has a line to itself, and its number."""
    formula = formula_of(node)
    typeset([formula], node.source or "a title")
    writer.body.append(writer.starttag(node, "div", CLASS="math"))
    if number := node.get("number"):
        writer.body.append(f'<span class="eqno">({number})')
        writer.add_permalink_ref(node, "Link to this equation")
        writer.body.append("</span>")
    writer.body.append(f"{TYPESET[formula]}</div>\n")
    raise nodes.SkipNode


def add_style(
    app: Sphinx, _page: str, _template: str, context: dict[str, Any], _: Any
) -> None:
    """Have a page ask for the style sheet if it has a formula."""
    if 'class="katex' in context.get("body", ""):
        app.add_css_file(STYLE)


def copy_style(app: Sphinx, problem: Exception | None) -> None:
    """Put the style sheet and the fonts beside the pages."""
    if problem or app.builder.format != "html":
        return
    source = npm_packages() / "katex/dist"
    target = Path(app.outdir, "_static", STYLE)
    shutil.copytree(
        source / "fonts",
        target.parent / "fonts",
        ignore=shutil.ignore_patterns("*.woff", "*.ttf"),
        dirs_exist_ok=True,
    )
    style = (source / target.name).read_text("utf-8")
    target.write_text(OLDER_FONTS.sub("", style), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the writers and the steps around them."""
    app.add_html_math_renderer("katex", (write, None), (write_block, None))
    app.connect("doctree-resolved", typeset_page)
    app.connect("html-page-context", add_style)
    app.connect("build-finished", copy_style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
