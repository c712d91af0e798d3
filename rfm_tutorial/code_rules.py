"""Rules of an assignment about code: which names an answer does without.

`forbid` looks at the tree of the code, from the answer's function on through everything in the
notebook that it uses: functions, assigned names, imports. It finds what is called by its name, by
another name that was given to it, or by a text that is looked up. It knows no way around by which
somebody *wants* to hide something; for that, `coursework.mark` takes names away while it calls.
"""

import ast
import re
from collections.abc import Iterable, Iterator

AUTOGRAD = frozenset(
    {
        "autograd",
        "grad",
        "func",
        "jacrev",
        "jacfwd",
        "jacobian",
        "backward",
        "requires_grad",
        "requires_grad_",
        "vjp",
        "jvp",
        "agop",
        "predictor_agop",
    }
)
"""Automatic differentiation, and what is made of it."""
TAKEN_AWAY = (
    "torch.autograd.grad",
    "torch.autograd.backward",
    "torch.autograd.functional.jacobian",
    "torch.autograd.functional.vjp",
    "torch.autograd.functional.jvp",
    "torch.func.grad",
    "torch.func.jacrev",
    "torch.func.jacfwd",
    "torch.func.vjp",
    "torch.func.jvp",
    "torch.Tensor.backward",
    "torch.Tensor.requires_grad_",
)
"""The same, as functions that can be taken away for the time of a call."""
ONE_HOT = frozenset({"one_hot", "eye", "scatter", "scatter_", "diag"})
"""Ways to write a one where the label is."""
SOLVERS = frozenset(
    {
        "linalg",
        "solve",
        "solve_ex",
        "inv",
        "inverse",
        "pinv",
        "lstsq",
        "lu_solve",
        "cholesky_solve",
        "solve_triangular",
        "circulant_matrix",
    }
)
"""Ways to solve a system of equations without looking at it."""
LOOK_UP = frozenset(
    {
        "eval",
        "exec",
        "compile",
        "getattr",
        "globals",
        "locals",
        "vars",
        "__import__",
        "import_module",
    }
)
"""Ways to reach something by a text."""


def forbid(cells: list[str], function: str, names: Iterable[str]) -> None:
    """Fail if a function of the notebook uses one of these names, itself or through others.

    Parameters
    ----------
    cells : the code of the notebook
    function : the name of the answer
    names : what it has to do without

    Raises
    ------
    AssertionError
        With the name that it uses, or if the function is not defined by a `def`.

    Examples
    --------
    >>> forbid(["from torch import eye as e", "def f(n):\\n    return e(n)"], "f", ["eye"])
    Traceback (most recent call last):
    AssertionError: f uses 'eye', and should do without
    """
    statements = [node for cell in cells for node in ast.walk(_tree(cell))]
    bound: dict[str, list[ast.AST]] = {}
    for node in statements:
        for name, part in _binds(node):
            bound.setdefault(name, []).append(part)
    defined = [node for node in bound.get(function, []) if isinstance(node, ast.FunctionDef)]
    assert defined, f"write {function} with def, in a cell without %% in its first line"
    forbidden, seen, waiting = set(names) | LOOK_UP, {function}, [function]
    while waiting:
        for part in bound.get(waiting.pop(), []):
            for name, is_plain in _uses(part):
                # A name that the notebook gives to something is judged by what that is.
                own = is_plain and name in bound
                assert own or name not in forbidden, (
                    f"{function} uses {name!r}, and should do without"
                )
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)


def _tree(cell: str) -> ast.AST:
    """The tree of a cell; magics count as calls, and what is no Python as nothing."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return ast.parse(TransformerManager().transform_cell(cell))
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _binds(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names that a statement gives to something, and that."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, node
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield (alias.asname or alias.name.partition(".")[0]), alias
    elif isinstance(node, ast.arg):
        yield node.arg, node
    elif isinstance(node, ast.stmt | ast.NamedExpr | ast.comprehension):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        targets += [item.optional_vars for item in getattr(node, "items", [])]
        for target in filter(None, targets):
            for part in ast.walk(target):
                # Also what changes a part of it: x[0] = …, x.y = …
                if isinstance(part, ast.Name):
                    yield part.id, node


def _uses(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """The names that a piece of code uses, and whether each stands alone."""
    documentation = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
            documentation.add(part.value)
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id, True
        elif isinstance(part, ast.Attribute):
            yield part.attr, False
        elif isinstance(part, ast.alias):
            yield from ((name, False) for name in part.name.split("."))
        elif isinstance(part, ast.ImportFrom):
            yield from ((name, False) for name in (part.module or "").split("."))
        elif isinstance(part, ast.Constant) and part not in documentation:
            yield from ((name, False) for name in re.findall(r"\w+", str(part.value)))
