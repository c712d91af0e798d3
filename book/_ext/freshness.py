"""Sphinx extension: build again what an incremental build would leave stale.

- jupyter-cache compares the code in a notebook only. So its cache lives in a
  folder named after what else decides the outputs: the package's sources, the
  locked environment and the stored runs. A new name is a changed setting, and
  Sphinx then reads every page again.
- Sphinx does not watch the extensions beside this file, nor style sheets and
  scripts. So their hash is a setting, too.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config


def fingerprint(root: Path, *parts: str) -> str:
    """Return a short hash of files and folders: their contents and names."""
    tops = [root / part for part in parts]
    found = [path for top in tops for path in [top, *top.rglob("*")]]
    digest = hashlib.sha256()
    for path in sorted(found):
        name = path.relative_to(root)
        # Not what Python and linters keep beside what they read.
        kept = any(part.startswith((".", "__")) for part in name.parts[:-1])
        if path.is_file() and not kept:
            digest.update(name.as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def cache_of(root: Path) -> Path:
    """Return the folder of the runs that fit all that a chapter reads."""
    current = fingerprint(
        root, "rfm_tutorial", "requirements.txt", "book/runs"
    )
    return root / "_build/.jupyter_cache" / current


def note_sources(app: Sphinx, config: Config) -> None:
    """Choose the cache that fits the package, drop others, set the hashes."""
    root = Path(app.srcdir)
    current = cache_of(root)
    if current.parent.is_dir():
        for stale in set(current.parent.iterdir()) - {current}:
            shutil.rmtree(stale)
    config["nb_execution_cache_path"] = str(current)
    config["fingerprint_of_extensions"] = fingerprint(root, "book/_ext")
    config["fingerprint_of_static_files"] = fingerprint(root, "book/_static")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the settings."""
    app.add_config_value("fingerprint_of_extensions", "", "env")  # read again
    app.add_config_value("fingerprint_of_static_files", "", "html")  # write
    app.connect("config-inited", note_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
