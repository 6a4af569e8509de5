"""The site shows the settings of each function, made from the fields of its config."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import napari_cryoorient as nc

REPOSITORY = Path(__file__).resolve().parents[2]
MARKS = re.findall(r"<!-- settings: (\w+) -->", (REPOSITORY / "docs" / "api.md").read_text())


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "settings_tables", REPOSITORY / "scripts" / "settings_tables.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_config_of_the_face_has_its_table() -> None:
    assert sorted(MARKS) == sorted(name for name in nc.__all__ if name.endswith("Config"))


@pytest.mark.parametrize("name", MARKS)
def test_a_table_names_each_field_with_its_flag_and_what_it_is(hook, name):
    model = getattr(nc, name)
    table = hook.on_page_markdown(f"before\n\n<!-- settings: {name} -->\n\nafter")
    rows = {row.split("|")[1].strip(): row for row in table.splitlines() if row.startswith("| `")}
    assert set(rows) == {f"`{field}`" for field in model.model_fields}
    for field in model.model_fields:
        assert model.setting(field).help.replace("|", "\\|") in rows[f"`{field}`"]
        assert model.flags(field)[0] in rows[f"`{field}`"]


def test_ranges_and_choices_are_said(hook):
    table = hook.table_of(nc.SearchConfig)
    assert "at least 0.1 (Å)" in table
    assert "`auto`, `cuda`, `mps`, `cpu`" in table
    assert "where the stack's signal ends" in table
