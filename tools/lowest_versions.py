"""Print pip constraints that hold every dependency at the lowest version of its range.

    python tools/lowest_versions.py pyproject.toml

What has no lower end keeps its range, and what only a dependency needs is left to pip.
"""

import re
import sys
import tomllib
from pathlib import Path


def lowest_versions(pyproject: str) -> list[str]:
    """The constraints, one per requirement, in the order of the file."""
    project = tomllib.loads(pyproject)["project"]
    constraints = {}
    for extra in (project["dependencies"], *project["optional-dependencies"].values()):
        for requirement in extra:
            # pip takes no extras in a constraint.
            name_and_range = re.sub(r"\[.*?\]", "", requirement)
            if name_and_range != project["name"]:
                constraints[re.sub(r">=([^,; ]+)[^; ]*", r"==\1", name_and_range)] = None
    return [*constraints]


if __name__ == "__main__":
    print(*lowest_versions(Path(sys.argv[1]).read_text(encoding="utf-8")), sep="\n")
