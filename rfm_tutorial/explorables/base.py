"""What all explorables share: how their scripts are put together, and the words they show.

An explorable is an anywidget class with files side by side: `name.py` holds its state and says in
words what it shows, `name.js` draws it and, where it needs one, `name.css` lays it out. The same
script runs in JupyterLab, where every change of state reaches Python, and on a page of the website,
where there is no Python to reach.

The scripts are plain ES modules: each imports what it needs from those beside it. A browser gets
one text, without an address to import from, so `script` puts the modules one after the other, each
in a function of its own. Nothing is built, and nothing else is fetched. What a script has to know
of Python beside its state (moduli, names, seeds) it finds in `given`, so that it is written once.
"""

import json
import re
from pathlib import Path

try:
    import anywidget
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"explorables need {error.name}; pip install 'rfm-tutorial[widgets]' brings all that they "
        f"need"
    ) from error

HERE = Path(__file__).parent

_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (\{[^}]*\});$", re.MULTILINE)


def script(name: str, **given: object) -> str:
    """The script of an explorable: `given`, the modules that `name.js` imports, then `name.js`.

    A module becomes `const module = (() => { … return { what it exports }; })();`, and an import
    from it `const { names } = module;`.

    Parameters
    ----------
    name : of the explorable's file, without its ending
    given : constants by name, as JSON can write them; `const { NAME } = given;` in any script
    """
    modules: dict[str, str] = {}
    last = _linked(name, modules)
    constants = f"const given = {json.dumps(given, ensure_ascii=False)};\n"
    return "\n".join([constants, *modules.values(), last])


def _linked(name: str, modules: dict[str, str]) -> str:
    """A module with its imports rewritten; those that it imports are put into `modules` first."""
    text = (HERE / f"{name}.js").read_text(encoding="utf-8")
    for _, other in _IMPORT.findall(text):
        if other not in modules:
            body = _EXPORT.sub(r"return \1;", _linked(other, modules))
            modules[other] = f"const {other} = (() => {{\n{body}}})();\n"
    return _IMPORT.sub(r"const \1 = \2;", text)


def style(*names: str) -> str:
    """The style sheet of an explorable: `common.css`, then those with these names."""
    return "\n".join((HERE / f"{n}.css").read_text(encoding="utf-8") for n in ("common", *names))


class Explorable(anywidget.AnyWidget):
    """A widget that says in words what it shows.

    `sentence` is computed here from the state, in the same words in which the script puts it
    under the picture. It is also what a stored notebook keeps of the widget.
    """

    @property
    def sentence(self) -> str:
        """What the explorable shows, in words."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.sentence
