"""What all explorables share: how their scripts are put together, and the words they show.

An explorable is an anywidget class with three files side by side: `name.py` holds its state and
says in words what it shows, `name.js` draws it and `name.css` lays it out. The script that the
browser gets is `common.js` followed by `name.js`, so there is nothing to bundle or to build. The
same script runs in JupyterLab, where every change of state reaches Python, and on a page of the
website, where there is no Python to reach.
"""

from pathlib import Path

try:
    import anywidget
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"explorables need {error.name}; pip install 'rfm-tutorial[widgets]' brings all that they "
        f"need"
    ) from error

HERE = Path(__file__).parent


def script(name: str, *libraries: str) -> str:
    """The script of an explorable: `common.js`, what else it builds on, then `name.js`."""
    return _joined("common.js", *(f"{library}.js" for library in libraries), f"{name}.js")


def style(name: str, *libraries: str) -> str:
    """The style sheet of an explorable: `common.css`, what else it builds on, then `name.css`."""
    return _joined("common.css", *(f"{library}.css" for library in libraries), f"{name}.css")


def _joined(*names: str) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


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
