"""The package as others meet it: version, manifest, a core that stands alone, two commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import npe2

import napari_cryoorient

REPOSITORY = Path(__file__).resolve().parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in a process of its own."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_changelog_knows_the_version():
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    assert f"## [{napari_cryoorient.__version__}]" in changelog or "## [Unreleased]" in changelog


def test_the_version_is_what_was_installed():
    assert napari_cryoorient.__version__ == distribution("napari-cryoorient").version


def test_napari_finds_every_command_of_the_manifest():
    manifest = npe2.PluginManifest.from_distribution("napari-cryoorient")
    manifest.validate_imports()
    assert manifest.contributions.readers


def test_base_dependencies_bring_no_screen_along():
    requirements = distribution("napari-cryoorient").requires or []
    base = [r for r in requirements if "extra ==" not in r]
    assert not [
        r for r in base if re.match(r"(napari|py(qt|side)|qtpy|superqt|magicgui)\b", r, re.I)
    ]


def test_core_works_without_qt_and_napari():
    done = run(str(REPOSITORY / "scripts" / "core_alone.py"))
    assert done.returncode == 0, done.stderr
    assert "without Qt and napari" in done.stdout


def test_a_core_that_asks_for_qt_is_noticed():
    program = (
        "import core_alone, sys;sys.meta_path.insert(0, core_alone.RefuseTheScreen()); import qtpy"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")},
    )
    assert "the core asked for qtpy" in done.stderr


def test_importing_the_package_is_free_of_torch_and_qt():
    done = run("-c", "import sys, napari_cryoorient; print('torch' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_every_dependency_is_imported():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["gui"]]
    names = {re.match(r"[\w-]+", each)[0].replace("-", "_") for each in asked}
    used = {
        line.split()[1].split(".")[0]
        for path in (REPOSITORY / "src").rglob("*.py")
        for line in map(str.strip, path.read_text().splitlines())
        if re.match(r"(import|from) \w", line)
    }
    assert not names - used


def test_the_packages_of_the_documentation_are_those_that_are_checked():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    checked = set(re.findall(r"\w+", " ".join(layers)))
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    listed = text.split("## Packages")[1].split("```")[1].strip().splitlines()
    rooms = {room for line in listed for room in re.findall(r"\w+", line.split("   ")[0])}
    assert rooms == checked
    source = REPOSITORY / "src" / "napari_cryoorient"
    there = {p.stem for p in source.iterdir() if p.suffix == ".py" or any(p.glob("*.py"))}
    assert rooms == {room for room in there if not room.startswith("_")}


def test_files_that_the_architecture_names_are_there():
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", text))
    source = REPOSITORY / "src" / "napari_cryoorient"
    assert len(named) > 20
    assert not {n for n in named if not ((source / n).is_file() or (REPOSITORY / n).is_file())}


def test_every_pinned_version_meets_its_floor():
    from packaging.requirements import Requirement

    pins = dict(
        line.split("==")
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *extras["gui"], *extras["all"]]:
        requirement = Requirement(text)
        if requirement.name != "napari-cryoorient":
            assert pins[requirement.name.lower()] in requirement.specifier, text


def test_commands_load_no_library_that_they_have_no_use_for():
    """One process, which loads torch once; the first command to ask for a library is named."""
    slow = ["scipy", "sympy", "torch._dynamo", "roma", "gemmi", "matplotlib", "pooch", "rich"]
    program = (
        "import importlib, sys, napari_cryoorient.cli\n"
        "for command in ('search', 'refine', 'reconstruct'):\n"
        "    importlib.import_module('napari_cryoorient.tasks.' + command)\n"
        f"    print(command, [name for name in {slow} if name in sys.modules])"
    )
    done = run("-c", program)
    assert done.stdout.splitlines() == ["search []", "refine []", "reconstruct []"], done.stderr


def test_the_lowest_versions_can_be_asked_for():
    done = run(str(REPOSITORY / "scripts" / "lowest_versions.py"))
    assert done.returncode == 0, done.stderr
    assert "napari==0.6.6" in done.stdout.splitlines()
    assert "gemmi==0.7.4" in done.stdout.splitlines()
