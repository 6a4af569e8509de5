"""What the command line loads, and that its table of commands is whole."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import napari_cryoorient.cli
from napari_cryoorient.cli.commands import COMMANDS, module_of


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


def test_help_lists_every_command_and_an_unknown_one_is_refused(run) -> None:
    status, text, _ = run("--help")
    assert status == 0
    assert all(name in text for name in COMMANDS)
    status, _, err = run("serch")
    assert status == 2
    assert "serch" in err
