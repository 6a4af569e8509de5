"""The tables of settings on the site, made from the fields of the configs (a hook of mkdocs).

A line ``<!-- settings: SearchConfig -->`` of a page becomes the table of that config.
"""

from __future__ import annotations

import re
from typing import Any, get_args

import napari_cryoorient as nc

_MARK = re.compile(r"<!-- settings: (\w+) -->")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put a table in place of each mark; mkdocs calls this for every page."""
    return _MARK.sub(lambda mark: table_of(getattr(nc, mark.group(1))), markdown)


def table_of(model: Any) -> str:
    """Return a row for each field of a config: keyword, flag, default, range and meaning."""
    rows = ["| keyword | flag | default | range | what it is |", "|---|---|---|---|---|"]
    for name, field in model.model_fields.items():
        setting = model.setting(name)
        default = setting.left_open if field.default is None else f"`{field.default!r}`"
        flag = f"`{model.flags(name)[0]}`"
        cells = (f"`{name}`", flag, default or "`None`", range_of(setting, field), setting.help)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def range_of(setting: Any, field: Any) -> str:
    """Say what values a field takes: choices, or bounds with their unit."""
    choices = [
        value
        for kind in (field.annotation, *get_args(field.annotation))
        for value in get_args(kind)
    ]
    words = [value for value in choices if isinstance(value, str)]
    if words:
        return ", ".join(f"`{word}`" for word in dict.fromkeys(words))
    bounds = [
        f"{sign} {value:g}"
        for sign, value in (
            ("at least", setting.ge),
            ("above", setting.gt),
            ("at most", setting.le),
            ("below", setting.lt),
        )
        if value is not None
    ]
    text = ", ".join(bounds)
    unit = {"A": "Å"}.get(str(setting.unit), setting.unit)
    return " ".join(part for part in (text, f"({unit})" if unit else "") if part)
