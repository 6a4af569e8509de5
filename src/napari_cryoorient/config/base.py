"""What all configs have in common: checked when made, and turned into flags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_cryoorient.errors import InputError
from napari_cryoorient.settings import Setting


class Config(BaseModel):
    """Settings of a command; frozen, and refused where they are not allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def of(cls, values: Mapping[str, Any], name_of: Callable[[str], str]) -> Self:
        """Return the settings of these values; ``name_of`` names a setting as the user knows it.

        Raises InputError that names the first one that is not allowed, and why.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = name_of(str(first["loc"][0])) if first["loc"] else "the settings "
            why = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{name}{first['input']!r}: {why.lower()}.") from None

    @classmethod
    def setting(cls, name: str) -> Setting:
        """Return the words, unit and range of a field."""
        found = [mark for mark in cls.model_fields[name].metadata if isinstance(mark, Setting)]
        if not found:
            raise TypeError(f"{cls.__name__}.{name} is declared without a Setting.")
        return found[0]

    @classmethod
    def flags(cls, name: str) -> tuple[str, ...]:
        """Return the names of a field on the command line, the usual one first."""
        return cls.setting(name).flags or ("--" + name.replace("_", "-"),)

    def arguments(
        self, *, always: Collection[str] = (), leave_out: Collection[str] = ()
    ) -> list[str]:
        """Return the flags that make these settings: what differs from the defaults.

        Those of ``always`` are written even if they do not.
        """
        fields = type(self).model_fields
        changed = {
            name: value
            for name, value in self
            if name not in leave_out and (name in always or value != fields[name].default)
        }
        return self.arguments_of(changed)

    @classmethod
    def arguments_of(cls, values: Mapping[str, Any]) -> list[str]:
        """Return the flags that give fields these values."""
        arguments: list[str] = []
        for name, value in values.items():
            flag = cls.flags(name)[0]
            if isinstance(value, bool):
                on, _, off = flag.partition("/")
                arguments += [each for each in [on if value else off] if each]
            else:
                for each in value if isinstance(value, list) else [value]:
                    arguments += [flag, text_of(each)]
        return arguments


def text_of(value: object) -> str:
    """Write a setting as a flag takes it; a float keeps the digits that matter."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def source_arguments(
    map_pixel_size_angstrom: float | None = None, project_dir: Path | None = None
) -> list[str]:
    """Return the flags that say how stack and map are to be read."""
    arguments = []
    if map_pixel_size_angstrom is not None:
        arguments += ["--pixel-size", text_of(map_pixel_size_angstrom)]
    if project_dir is not None:
        arguments += ["--project-dir", str(project_dir)]
    return arguments
