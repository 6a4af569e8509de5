"""Print what pip takes as constraints so that every direct dependency comes in its lowest version.

    python scripts/lowest_versions.py > lowest.txt
    pip install -c lowest.txt '.[all]'

TORCH names another version of torch: its lowest may be had here with CUDA only.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

LOWER_BOUND = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9][0-9a-z.]*)")


def lowest_versions(pyproject: Path) -> dict[str, str]:
    """Return the lower bounds of the dependencies of the core and of the window, by name."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    found = {}
    for text in [*project["dependencies"], *extras["gui"]]:
        bound = LOWER_BOUND.match(text)
        if bound is None:
            raise SystemExit(f"{text!r} has no lower bound; give it one in pyproject.toml")
        found[bound[1]] = bound[2]
    return found


if __name__ == "__main__":
    versions = lowest_versions(Path(__file__).resolve().parents[1] / "pyproject.toml")
    versions["torch"] = os.environ.get("TORCH") or versions["torch"]
    print("\n".join(f"{name}=={version}" for name, version in versions.items()))
