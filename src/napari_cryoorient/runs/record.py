"""What ``run.json`` holds, as one typed model: every reader and the writer go through it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORMAT = 1
State = Literal["running", "stopped", "finished", "failed"]
Phase = Literal["preparing", "training", "predicting", "over"]


class _Part(BaseModel):
    """Frozen; what another version wrote besides is kept as it is."""

    model_config = ConfigDict(frozen=True, extra="allow")


class InputsRecord(_Part):
    """Stack and map of a run; None is what an earlier version, or one stopped early, did not note.

    ``star`` and ``map`` are absolute paths; the sums and sizes are those of ``fingerprint``.
    """

    star: str | None = None
    map: str | None = None
    n_particles: int | None = None
    box: int | None = None
    pixel_size_angstrom: float | None = None
    map_box: int | None = None
    map_pixel_size_angstrom: float | None = None
    n_train: int | None = None
    n_test: int | None = None
    working_box: int | None = None
    contrast_correlation: float | None = None
    is_negated: bool | None = None
    names_sha256: str | None = None
    stack_bytes: int | None = None
    stack_sha256: str | None = None
    stack_time_ns: int | None = None
    map_sha256: str | None = None

    @property
    def star_path(self) -> Path | None:
        """The STAR file, or None."""
        return None if self.star is None else Path(self.star)

    @property
    def map_path(self) -> Path | None:
        """The map, or None."""
        return None if self.map is None else Path(self.map)

    @property
    def working_pixel_size_angstrom(self) -> float | None:
        """Pixel size at the box the run works at, or None where that is not noted."""
        if not self.box or not self.working_box or self.pixel_size_angstrom is None:
            return None
        return self.pixel_size_angstrom * self.box / self.working_box


class DeviceRecord(_Part):
    """What a run computes on."""

    name: str | None = None
    precision: str | None = None


class MemoryRecord(_Part):
    """Memory that a run's process holds."""

    resident_bytes: int | None = None
    gpu_bytes: int | None = None


class EarlierRun(_Part):
    """The run that another was fine-tuned from."""

    run: str | None = None
    step: int | None = None
    map: str | None = None
    star: str | None = None


class RunRecord(_Part):
    """All that a run says of itself.

    ``config`` are fields of ``TrainConfig`` as they were set, of whatever version; times are
    seconds since 1970.
    """

    format: int | None = None
    state: State | None = None
    reason: str | None = None
    phase: Phase = "preparing"
    pid: int | None = None
    host: str | None = None
    started: float | None = None
    resumed: tuple[float, ...] = ()
    ended: float | None = None
    heartbeat: float | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    inputs: InputsRecord = InputsRecord()
    device: DeviceRecord = DeviceRecord()
    notes: tuple[str, ...] = ()
    memory: MemoryRecord = MemoryRecord()
    fine_tuned_from: EarlierRun | None = None

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        """Return the record in a JSON object; what does not fit a field leaves it open."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            fitting = copy.deepcopy(content)
            for wrong in error.errors():
                _remove(fitting, wrong["loc"])
            return cls.model_validate(fitting)

    def updated(self, **values: Any) -> Self:
        """Return a record with these values; dictionaries add to what a part holds."""
        content = self.content()
        for name, value in values.items():
            old = content.get(name)
            content[name] = (
                old | value if isinstance(old, dict) and isinstance(value, dict) else value
            )
        return type(self).model_validate(content)

    def content(self) -> dict[str, Any]:
        """Return the JSON object: what was set, and nothing that was left open."""
        return self.model_dump(exclude_unset=True)

    @property
    def symmetry(self) -> str:
        """Point group the run counts errors under."""
        return str(self.config.get("symmetry", "C1"))


def _remove(content: Any, place: tuple[int | str, ...]) -> None:
    """Take out what stands at ``place`` of nested objects; a list goes whole."""
    *parents, last = place
    for key in parents:
        inner = content.get(key) if isinstance(content, dict) else None
        if not isinstance(inner, dict):
            last = key
            break
        content = inner
    if isinstance(content, dict):
        content.pop(last, None)
