"""The troubleshooting page knows every error message of the package."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = " ".join((ROOT / "book/troubleshooting.md").read_text(encoding="utf-8").split())


def fragments(message: ast.expr) -> list[str]:
    """The parts of a message that are always the same."""
    match message:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return [str(part.value) for part in parts if isinstance(part, ast.Constant)]
    return []


def messages() -> Iterator[tuple[str, list[str]]]:
    """Where each message is raised, and its parts."""
    for path in sorted((ROOT / "rfm_tutorial").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Raise(exc=ast.Call(args=[message, *_])) if parts := fragments(message):
                    yield f"{path.stem}:{node.lineno}", parts


def test_every_message_is_explained() -> None:
    missing = []
    for place, parts in messages():
        # Up to "got", what was wanted; after it, what came and the advice.
        wanted = [re.split(r",? got\b", part)[0].strip(" :;,.(") for part in parts]
        first = next((part for part in wanted if " " in part), wanted[0])
        if first not in PAGE:
            missing.append(f"{place}: {first!r}")
    assert not missing


def test_there_are_messages() -> None:
    assert len([*messages()]) > 60
