"""What a setting is: its words, unit and range, declared once for every interface.

Configs (package ``config``) annotate their fields with a ``Setting``; flags, rows of the panel, the
arguments of child processes and Python keywords are made from it.  Settings that several commands
share stand here, without the import of pydantic that only configs need.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from annotated_types import BaseMetadata, Ge, GroupedMetadata, Gt, Le, Lt, MultipleOf

DeviceName = Literal["auto", "cuda", "mps", "cpu"]
InvertContrast = Literal["auto", "no", "yes"]


@dataclass(frozen=True)
class Setting(GroupedMetadata):
    """One setting: ``help`` in a sentence without its full stop, ``unit``, and the range.

    ``left_open`` says what happens where it is None; ``label`` is its name in the panel; ``flags``
    are its names on the command line where they are not made of the field's; ``metavar`` is what
    the flag takes, where that is not the unit.
    """

    help: str
    unit: str | None = None
    left_open: str | None = None
    label: str | None = None
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    multiple_of: int | None = None

    def __iter__(self) -> Iterator[BaseMetadata]:
        """Yield the bounds, as pydantic wants them."""
        for kind, bound in ((Ge, self.ge), (Gt, self.gt), (Le, self.le), (Lt, self.lt)):
            if bound is not None:
                yield kind(bound)
        if self.multiple_of is not None:
            yield MultipleOf(self.multiple_of)

    def allows(self, value: float) -> bool:
        """Tell whether a number lies within the bounds."""
        return (
            (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )

    def bounds(self) -> tuple[float, float]:
        """Return the closed bounds of a setting that has both."""
        if self.ge is None or self.le is None:
            raise TypeError(f"{self.help}: has no two bounds.")
        return self.ge, self.le

    def sentence(self, default: object = None) -> str:
        """Return the help with what holds where nothing is given."""
        said = self.left_open if default is None else default
        return f"{self.help}." if said is None else f"{self.help}. [default: {said}]"


SYMMETRY = Setting(
    "Point group of the map on RELION's axes, such as C1, D2, D7, O or I1", metavar="NAME"
)
DEVICE = Setting("Where to compute: auto uses CUDA, else MPS, else the CPU")
SEED = Setting("Seed of everything random", ge=0)
MEMORY = Setting(
    "Memory that the work may take: of the machine, shared by its processes, or of the GPU. Less "
    "makes the chunks smaller, not the result another",
    unit="GiB",
    label="Memory",
    left_open="half of what is free",
    flags=("--memory",),
    metavar="GIB",
    ge=0.25,
    le=65536,
)
INVERT_CONTRAST = Setting("Turn dark particles on white; auto does it where the sign is clear")
RESOLUTION = Setting(
    "Finest detail used",
    unit="A",
    label="Finest detail",
    left_open="where the stack's signal ends",
    flags=("--resolution",),
    ge=0.1,
)
PIXEL_SIZE = Setting("Pixel size of a map whose header has none", unit="A", ge=0.0)
LOWPASS = Setting("Low-pass the map at this resolution", unit="A", flags=("--lowpass",), ge=0.0)
SHIFT_SIGMA = Setting(
    "Standard deviation of the shifts in x, y", unit="A", flags=("--shift-sigma",), ge=0.0
)
CONFIDENCE = Setting("A probability that the pose is right", metavar="P", ge=0.0, le=1.0)

OF_THE_MACHINE = ("device", "memory_gib")
"""Settings that change where a result is made, and not what it is."""

# The advice of Lian et al. (2022) on w.
LEAST_W_ASYMMETRIC, MOST_W_SYMMETRIC = 0.6, 0.4
W_ADVICE = (
    f"at least {LEAST_W_ASYMMETRIC} suits asymmetric particles, at most {MOST_W_SYMMETRIC} "
    "symmetric ones"
)
W = Setting(
    f"Weight of the quaternion-distance loss against the reprojection loss: {W_ADVICE}",
    label="w",
    ge=0.0,
    le=1.0,
)
W_VALUES = "0:1:0.1"
"""The values of w that a sweep tries: start, end and step."""
