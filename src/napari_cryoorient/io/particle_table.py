"""One view of a particle STAR, wherever its version keeps a value.

RELION 3.0 repeats voltage, magnification and the like in every row; 3.1 and later keep them in an
optics block that rows refer to by number. ``ParticleTable`` gives every value as ``(n,)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.common_field import PIXEL_TOLERANCE
from napari_cryoorient.io.ctf_values import check_ctf_values
from napari_cryoorient.io.particle_block import IMAGE_NAME, OPTICS, blocks_of_images, particle_block
from napari_cryoorient.io.pixel_sizes import check_pixel_size
from napari_cryoorient.io.rows_on_disk import PackedTexts
from napari_cryoorient.io.stacks import MrcStack
from napari_cryoorient.io.star_text import StarBlock, StarFile, unquoted
from napari_cryoorient.particles import CtfParameters, CtfState, Floats, Integers

_IN_OPTICS = "data_optics, row "
_GROUP, _GROUP_NAME = "rlnOpticsGroup", "rlnOpticsGroupName"
_OF_TILT_SERIES = "rlnTomo"  # how the names of all their columns begin
_SAME_NUMBER = 1e-6  # what six decimals cannot tell apart
_LARGEST_WHOLE = 2.0**53
_MICROMETRE_IN_ANGSTROM = 1e4
_CTF_NEEDED = (
    "rlnDefocusU",
    "rlnDefocusV",
    "rlnDefocusAngle",
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
)


class ParticleTable:
    """Columns of the particle block, filled up from the optics block."""

    def __init__(self, star: StarFile):
        """Raise InputError if there are no particles or an optics group is not described."""
        self._path = star.path
        block = particle_block(star)
        self.notes: list[str] = list(star.notes)
        others = [f"data_{other.name}" for other in blocks_of_images(star)[1:]]
        if others:
            self.notes.append(
                f"the particles are those of data_{block.name}; {', '.join(others)} with image "
                "names too is left aside"
            )
        self._rows: StarBlock = block
        if not self._rows.n_rows:
            raise InputError(f"{self._path} has no rows in data_{block.name}: no particles.")
        self._refuse_tilt_series(star)
        optics = star.block(OPTICS)
        self._optics = None if optics is None else self._each_group_once(optics.table)
        self.optics_group: Integers = self._optics_groups()
        self._optics_row = self._rows_in_optics()
        self._note_contradictions()
        if "rlnCtfImage" in self._rows.columns or self._dimensionality() == 3:
            raise InputError(
                f"{self._path} lists three-dimensional subtomograms; two-dimensional particle "
                "images are needed."
            )

    def _refuse_tilt_series(self, star: StarFile) -> None:
        """Raise InputError for subtomograms as stacks of tilts (RELION 5, Warp, M)."""
        columns = [name for block in star.blocks for name in block.columns]
        of_tilts = [name for name in columns if name.startswith(_OF_TILT_SERIES)]
        if of_tilts:
            raise InputError(
                f"{self._path} lists particles of tilt series (it has _{of_tilts[0]}), each of "
                "them many images; single particles, one image each, are needed."
            )

    def _each_group_once(self, optics: pd.DataFrame) -> pd.DataFrame:
        """Leave out rows that say the same again; raise InputError if they say something else."""
        if _GROUP not in optics or not len(optics):
            return optics
        groups = self._whole_numbers(optics[_GROUP], _GROUP, of=_IN_OPTICS)
        for group in np.unique(groups[pd.Series(groups).duplicated()]):
            rows = optics[groups == group]
            differing = [name for name in rows if name != _GROUP_NAME and rows[name].nunique() > 1]
            if differing:
                name = differing[0]
                raise InputError(
                    f"{self._path} describes optics group {group} twice in data_optics, with "
                    f"_{name} {' and '.join(rows[name].unique()[:2])}; renumber the groups, or "
                    "leave one out."
                )
            self.notes.append(f"data_optics describes optics group {group} {len(rows)} times alike")
        return optics[~pd.Series(groups).duplicated().to_numpy()].reset_index(drop=True)

    @property
    def path(self) -> Path | None:
        """The file, for messages."""
        return self._path

    def _note_contradictions(self) -> None:
        """Note columns whose rows say something else than the optics groups they belong to."""
        if self._optics is None or self._optics_row is None:
            return
        for name in self._optics.columns.intersection(self._rows.columns):
            if name in (_GROUP, _GROUP_NAME):
                continue
            own = self._rows.numbers(name)
            shared = pd.to_numeric(self._optics[name], errors="coerce").to_numpy(np.float64)
            n = int((np.abs(own - shared[self._optics_row]) > _SAME_NUMBER).sum())
            if n:
                self.notes.append(
                    f"_{name} of {n} particles is another than their optics group's; the "
                    "particles' own is used"
                )

    def __len__(self) -> int:
        return self._rows.n_rows

    def __contains__(self, name: str) -> bool:
        return name in self._rows.columns or (self._optics is not None and name in self._optics)

    def floats(self, name: str, *, default: float | None = None) -> Floats:
        """Return a column as numbers; raises InputError for a missing column or odd values."""
        if name in self._rows.columns:
            return self._own_numbers(name)
        if self._optics is not None and self._optics_row is not None and name in self._optics:
            used, which = np.unique(self._optics_row, return_inverse=True)
            return self._numbers(self._optics[name].iloc[used], name, of=_IN_OPTICS)[which]
        if default is None:
            raise InputError(f"{self._path} has no column _{name}.")
        return np.full(len(self), default)

    def integers(self, name: str) -> Integers | None:
        """Return a column as whole numbers, or None if there is no such column."""
        if name not in self:
            return None
        numbers = self.floats(name)
        self._refuse_fractions(numbers, name)
        return numbers.astype(np.int64)

    def texts(self, name: str) -> list[str]:
        """Return a column as it is written, unquoted; raises InputError for a missing column."""
        column: Sequence[str]
        if name in self._rows.columns:
            column = self._rows.spelled(name)
        elif self._optics is not None and self._optics_row is not None and name in self._optics:
            column = self._optics[name].to_numpy()[self._optics_row].tolist()
        else:
            raise InputError(f"{self._path} has no column _{name}.")
        return [unquoted(text) for text in column]

    def vectors(self, name: str) -> Floats | None:
        """Return a column of bracketed numbers, ``[1,2,3]``, as ``(n, c)``; None if it is missing.

        Shorter ones are filled up with zeros. Raises InputError for odd values.
        """
        if name not in self:
            return None
        texts = self.texts(name)
        number_of = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        vectors = [self._vector(text, name) for text in number_of]
        longest = max(1, *(len(vector) for vector in vectors))
        filled = np.zeros((len(vectors), longest))
        for row, vector in zip(filled, vectors, strict=True):
            row[: len(vector)] = vector
        return filled[[number_of[text] for text in texts]]

    def _vector(self, text: str, name: str) -> list[float]:
        try:
            vector = [float(part) for part in text.strip("[]").replace(",", " ").split()]
        except ValueError:
            vector = [np.nan]
        if not np.isfinite(vector).all():
            raise InputError(
                f"{self._path} has {text} in _{name}, where numbers like [0.1,0.2] are needed."
            )
        return vector

    def image_names(self) -> Sequence[str]:
        """Image names, one-based, as the file spells them."""
        names = self._rows.spelled(IMAGE_NAME)
        if isinstance(names, PackedTexts):  # of rows without quotes
            return names
        return [unquoted(name) if name[0] in "'\"" else name for name in names]

    def check_image_sizes(self, native_boxes: Integers) -> None:
        """Raise InputError where the file names another image size than a particle's stack has."""
        if "rlnImageSize" not in self:
            return
        sizes = self.floats("rlnImageSize")
        wrong = np.flatnonzero(sizes != native_boxes)
        if wrong.size:
            row = wrong[0]
            raise InputError(
                f"{self._path} says the images have {sizes[row]:g} pixels (rlnImageSize) and the "
                f"stack has {native_boxes[row]}; is it the right stack?"
            )

    def pixel_size(self, chosen: float | None, stack: MrcStack | None, notes: list[str]) -> float:
        """Return the one pixel size of all particles; raises InputError if there are several."""
        sizes = self.pixel_sizes(chosen, stack, notes)
        low, high = float(sizes.min()), float(sizes.max())
        if high / low - 1 > PIXEL_TOLERANCE:
            raise InputError(
                f"{self._path} has pixel sizes from {low:g} to {high:g} A; particles of one pixel "
                "size are needed: resample them or take one optics group."
            )
        return float(np.median(sizes))

    def pixel_sizes(self, chosen: float | None, stack: MrcStack | None, notes: list[str]) -> Floats:
        """Return each particle's pixel size ``(n,)``, in angstrom, as the stacks lie on disk.

        Sizes that differ by rounding only come as their median. Raises InputError where the file
        names none, and for what cannot be one.
        """
        if chosen is not None:
            return np.full(len(self), chosen)
        if "rlnImagePixelSize" in self:
            sizes = self.floats("rlnImagePixelSize")
        elif "rlnDetectorPixelSize" in self and "rlnMagnification" in self:
            magnification = self.floats("rlnMagnification")
            if (magnification <= 0).any():
                raise InputError(f"{self._path} has a rlnMagnification that is not positive.")
            sizes = self.floats("rlnDetectorPixelSize") * _MICROMETRE_IN_ANGSTROM / magnification
        elif "rlnPixelSize" in self:
            sizes = self.floats("rlnPixelSize")
        elif stack is not None and stack.header_pixel_size_angstrom > 0:
            size = stack.header_pixel_size_angstrom
            notes.append(f"the STAR names no pixel size; {size:.4g} A from the stack")
            return np.full(len(self), size)
        else:
            raise InputError(
                f"{self._path} names no pixel size (rlnImagePixelSize, or rlnDetectorPixelSize and "
                "rlnMagnification), nor does a stack's header; add a column _rlnImagePixelSize."
            )
        low, high = float(sizes.min()), float(sizes.max())
        if low <= 0:
            raise InputError(f"{self._path} has a pixel size of {low:g} A; it must be positive.")
        for size in {low, high}:
            check_pixel_size(size, self._path, notes)
        return np.full(len(self), np.median(sizes)) if high / low - 1 <= PIXEL_TOLERANCE else sizes

    @property
    def names_pixel_size(self) -> bool:
        """Whether the file itself says the size of a pixel."""
        in_one = "rlnImagePixelSize" in self or "rlnPixelSize" in self
        return in_one or ("rlnDetectorPixelSize" in self and "rlnMagnification" in self)

    def ctf(self, notes: list[str]) -> CtfParameters | None:
        """Return the contrast transfer of each particle, or None and a note of what is missing."""
        missing = [name for name in _CTF_NEEDED if name not in self]
        if missing:
            notes.append(f"no CTF: the STAR lacks {', '.join(missing)}")
            return None
        voltage = self.floats("rlnVoltage")
        if (voltage <= 0).any():
            raise InputError(f"{self._path} has a rlnVoltage that is not positive.")
        ctf = CtfParameters(
            defocus_u_angstrom=self.floats("rlnDefocusU"),
            defocus_v_angstrom=self.floats("rlnDefocusV"),
            defocus_angle_deg=self.floats("rlnDefocusAngle"),
            phase_shift_deg=self.floats("rlnPhaseShift", default=0.0),
            voltage_kv=voltage,
            spherical_aberration_mm=self.floats("rlnSphericalAberration"),
            amplitude_contrast=self.floats("rlnAmplitudeContrast"),
            b_factor_angstrom2=self.floats("rlnCtfBfactor", default=0.0),
            scale=self.floats("rlnCtfScalefactor", default=1.0),
            even_zernike=self.vectors("rlnEvenZernike"),
        )
        check_ctf_values(ctf, self._path, notes)
        return ctf

    def ctf_state(self) -> CtfState:
        """Tell whether the images have been multiplied by their CTF or its sign already."""
        multiplied = self._flag("rlnCtfDataAreCtfPremultiplied")
        flipped = self._flag("rlnCtfDataArePhaseFlipped")
        if multiplied:
            return "premultiplied"
        return "phase-flipped" if flipped else "none"

    def _flag(self, name: str) -> bool:
        values = self.floats(name, default=0.0) != 0
        if values.any() and not values.all():
            raise InputError(
                f"{self._path} has _{name} set for some particles only; split the file by it."
            )
        return bool(values.all())

    def _optics_groups(self) -> Integers:
        if _GROUP in self._rows.columns:
            numbers = self._own_numbers(_GROUP)
            self._refuse_fractions(numbers, _GROUP)
            return numbers.astype(np.int64)
        group = 1
        if self._optics is not None and _GROUP in self._optics:
            groups = self._whole_numbers(self._optics[_GROUP], _GROUP, of=_IN_OPTICS)
            if len(groups) > 1:
                raise InputError(
                    f"{self._path} describes {len(groups)} optics groups and has no column "
                    "_rlnOpticsGroup to say which particle belongs to which."
                )
            group = int(groups[0]) if len(groups) else 1
        return np.full(len(self), group, dtype=np.int64)

    def _rows_in_optics(self) -> Integers | None:
        if self._optics is None or not len(self._optics):
            return None
        if _GROUP not in self._optics:
            if len(self._optics) > 1:
                raise InputError(f"{self._path} has no column _rlnOpticsGroup in data_optics.")
            return np.zeros(len(self), dtype=np.int64)
        described = self._whole_numbers(self._optics[_GROUP], _GROUP, of=_IN_OPTICS)
        order = np.argsort(described, kind="stable")
        place = np.searchsorted(described[order], self.optics_group).clip(max=len(order) - 1)
        rows = order[place]
        unknown = described[rows] != self.optics_group
        if unknown.any():
            group = self.optics_group[unknown][0]
            raise InputError(
                f"{self._path} has particles of optics group {group}, which data_optics does not "
                "describe."
            )
        return np.asarray(rows, dtype=np.int64)

    def _dimensionality(self) -> int:
        return int(self.floats("rlnImageDimensionality", default=2.0)[0])

    def _whole_numbers(self, column: pd.Series, name: str, *, of: str = "row ") -> Integers:
        numbers = self._numbers(column, name, of=of)
        self._refuse_fractions(numbers, name, of=of)
        return numbers.astype(np.int64)

    def _refuse_fractions(self, numbers: Floats, name: str, *, of: str = "row ") -> None:
        bad = np.flatnonzero((numbers != np.rint(numbers)) | (np.abs(numbers) > _LARGEST_WHOLE))
        if bad.size:
            raise InputError(
                f"{self._path}: {of}{bad[0] + 1} has {numbers[bad[0]]:g} in _{name}, where a whole "
                "number is needed."
            )

    def _own_numbers(self, name: str) -> Floats:
        """Return a column of the particles' own; their text is looked at where it is no number."""
        numbers = self._rows.numbers(name)
        if np.isfinite(numbers).all():
            return numbers
        return self._numbers(pd.Series(self._rows.spelled(name), dtype=str), name)

    def _numbers(self, column: pd.Series, name: str, *, of: str = "row ") -> Floats:
        numbers: Floats = pd.to_numeric(column, errors="coerce").to_numpy(
            dtype=np.float64, na_value=np.nan, copy=True
        )  # a copy, for pandas shares its own read-only
        bad = np.flatnonzero(~np.isfinite(numbers))
        if bad.size:
            raise InputError(
                f"{self._path}: {of}{column.index[bad[0]] + 1} has '{column.iloc[int(bad[0])]}' in "
                f"_{name}, where a number is needed."
            )
        return numbers
