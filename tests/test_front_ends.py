"""Screens, benchmarks and scripts reach for no private name, and take what the face offers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import napari_cryoorient as nc

ROOT = Path(__file__).parents[1]
PACKAGE = "napari_cryoorient"
OUTSIDE = sorted(
    path for folder in ("benchmarks", "scripts", "docs") for path in (ROOT / folder).rglob("*.py")
)
# Of other libraries, which have no public name for it.
OF_OTHERS = {"os._exit", "torch._foreach_lerp_"}
INSIDE = sorted((ROOT / "src" / PACKAGE).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each import from the package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            for alias in node.names:
                yield node.module or "", alias.name


def private_uses(path: Path) -> list[str]:
    """Return what a file takes from other modules, or from what it imported, that is private."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    taken = [f"{module}.{name}" for module, name in imported(path) if name[0] == "_" != name[1]]
    return taken + [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
    ]


def test_no_module_reaches_for_a_private_name_of_another() -> None:
    taken = [
        (str(path.relative_to(ROOT)), use)
        for path in (*INSIDE, *OUTSIDE)
        for use in private_uses(path)
        if use not in OF_OTHERS
    ]
    assert taken == []


def test_benchmarks_and_scripts_read_and_write_maps_by_the_face() -> None:
    names = {"read_map", "write_map"}
    assert names <= set(nc.__all__)
    beneath = [
        (path.relative_to(ROOT), name)
        for path in OUTSIDE
        for module, name in imported(path)
        if name in names and module != PACKAGE
    ]
    assert beneath == []


def test_a_private_use_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "reaching.py"
    path.write_text(
        f"from {PACKAGE}.tasks import search\nfrom {PACKAGE}.tasks.search import _x\nsearch._y()\n"
    )
    assert private_uses(path) == [f"{PACKAGE}.tasks.search._x", "search._y"]


def test_no_file_is_longer_than_one_can_follow() -> None:
    """About 150 lines, 400 at most: the seam to cut along is found while one still sees it."""
    folders = ("src", "tests", "benchmarks", "scripts")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 600
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in files}
    assert not {str(path): n for path, n in lengths.items() if n > 400}
