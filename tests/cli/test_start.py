"""What the command line loads, and that its table of commands is whole."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import napari_cryoorient.cli
from napari_cryoorient.cli.commands import COMMANDS, module_of
from support.command_line import simulated


def test_every_command_is_in_the_table_with_a_summary() -> None:
    found = {
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(napari_cryoorient.cli.__path__)
        if hasattr(import_module(f"napari_cryoorient.cli.{module.name}"), "SUMMARY")
    }
    assert found == set(COMMANDS)
    assert all(module_of(name).SUMMARY.endswith(".") for name in COMMANDS)


@pytest.mark.parametrize("command", ["search", "refine", "reconstruct"])
def test_a_command_loads_nothing_that_it_has_no_use_for(command: str) -> None:
    """``-h`` wants the settings alone; what the work loads is looked at in ``test_package``."""
    program = (
        "import sys; from napari_cryoorient.cli import main;"
        f"main(['{command}', '-h']);"
        "others = [m for m in sys.modules if m.startswith('napari_cryoorient.cli.')];"
        "slow = ('torch', 'numpy', 'pandas', 'scipy', 'rich', 'matplotlib');"
        "print(sorted(others), [m for m in slow if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "Usage" in done.stdout
    others, slow = done.stderr.strip().split("] [")
    assert slow == "]"
    assert f"cli.{command}'" in others
    assert "cli.sweep'" not in others


# Prints the status of each command, and whether torch was loaded by then.
ONE_AFTER_THE_OTHER = """
import json, sys
from napari_cryoorient.cli import main
for command in json.loads(sys.argv[1]):
    print("ran:", command[0], main(command), "torch" in sys.modules)
"""


def test_what_compares_files_loads_no_torch(tmp_path: Path) -> None:
    """It takes a second or two; a mask that has to be found needs it, as the last command shows."""
    stem = str(simulated(tmp_path, "--n", 8) / "particles")
    star, out, density = f"{stem}.star", f"{stem}-out.star", str(tmp_path / "map.mrc")
    two_stacks = Path(f"{stem}-of-two-stacks.star")
    two_stacks.write_text(Path(star).read_text().replace("@particles", "@others", 4))
    commands = [
        ["micrographs", str(two_stacks), "-o", f"{stem}-micrographs.star"],
        ["export", star, "-o", out],
        ["evaluate", star, out, "--symmetry", "D7"],
        ["compare", star, out, "-o", f"{stem}-compared.star", "--figure", f"{stem}.png"],
        ["fsc", density, density],
        ["fsc", density, density, "--mask", "auto"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
    )
    ran = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ran:")]
    assert ran == [*([each[0], "0", "False"] for each in commands[:-1]), ["fsc", "0", "True"]]


def test_help_lists_every_command_and_an_unknown_one_is_refused(run) -> None:
    status, text, _ = run("--help")
    assert status == 0
    assert all(name in text for name in COMMANDS)
    status, _, err = run("serch")
    assert status == 2
    assert "serch" in err
