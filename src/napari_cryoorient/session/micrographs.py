"""Particles in their micrographs: which micrographs are unlike the others, looked at one by one.

Excluded micrographs are left out of what the session keeps, as a threshold leaves particles out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Floats, Images, Integers
from napari_cryoorient.session.background import BackgroundJobs, Notify
from napari_cryoorient.session.data import Data
from napari_cryoorient.session.excluded import load_excluded, save_excluded
from napari_cryoorient.session.inspection import Inspection
from napari_cryoorient.session.refinements import pose_file_of
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.words import counted

if TYPE_CHECKING:
    from napari_cryoorient.diagnosis.comparison import Groups
    from napari_cryoorient.diagnosis.micrographs import MicrographFigures

KIND = "Ranking micrographs"


@dataclass(frozen=True, eq=False)
class Overview:
    """Micrographs of what is inspected: ``place_of`` ``(n,)`` tells which each particle is on.

    ``coordinates`` ``(n, 2)`` are pixels of the micrograph (x, y), None where no file tells.
    ``field`` is how far they reach, for micrographs whose picture is not there.
    """

    figures: MicrographFigures
    groups: Groups  # of all rows of the file
    place_of: Integers
    coordinates: Floats | None
    field: tuple[float, float]
    order: Integers  # places, outliers first
    starts: Integers  # where each place begins in ``by_place``
    by_place: Integers  # particles, sorted by place

    def particles_on(self, place: int) -> Integers:
        """Return the particles of a micrograph."""
        return self.by_place[self.starts[place] : self.starts[place + 1]]


def overview_of(data: Data, inspection: Inspection) -> Overview:
    """Gather what is inspected by micrograph; raises InputError where that is not told."""
    from napari_cryoorient.diagnosis.micrographs import micrograph_figures
    from napari_cryoorient.diagnosis.pose_files import coordinates_of, micrographs_of
    from napari_cryoorient.io.particle_table import ParticleTable

    poses, star, rows = inspection.shown_poses, data.star, inspection.rows
    if star is None or poses is None or data.particles is None or (rows < 0).any():
        raise InputError("There are no particles with poses yet: choose them under 1 Data.")
    table = ParticleTable(star)
    groups = micrographs_of(table)
    if groups is None:
        raise InputError(
            "The file does not say which micrograph a particle is of (rlnMicrographName)."
        )
    ctf = data.particles.ctf
    defocus = None
    if ctf is not None:
        defocus = (np.asarray(ctf.defocus_u_angstrom) + ctf.defocus_v_angstrom)[rows] / 2
    inspected = groups[rows]
    figures = micrograph_figures(
        poses, inspected, confidence=inspection.confidence, defocus_angstrom=defocus
    )
    place_of = _places(inspected)
    at = coordinates_of(star)
    at = None if at is None else at[rows]
    field = (1.0, 1.0) if at is None or not len(at) else tuple(np.ceil(1.02 * at.max(axis=0)))
    counts = np.bincount(place_of, minlength=len(figures))
    return Overview(
        figures,
        groups,
        place_of,
        at,
        (float(field[0]), float(field[1])),
        figures.order,
        np.concatenate([[0], np.cumsum(counts)]),
        np.argsort(place_of, kind="stable"),
    )


def _places(groups: Groups) -> Integers:
    """Return the place of each particle's micrograph among those that have any."""
    used = np.unique(groups.group_of)
    return np.searchsorted(used, groups.group_of)


def rows_on(groups: Groups, names: frozenset[str]) -> Integers:
    """Return the rows of the file that are of micrographs with these names."""
    is_named = np.array([name in names for name in groups.names], dtype=bool)
    return np.flatnonzero(is_named[groups.group_of])


class Micrographs:
    """Ranks micrographs in the background, and remembers which one is looked at."""

    changed = Signal()  # the overview, or what is excluded
    current_changed = Signal(int)
    picture_changed = Signal()

    def __init__(self, session: Session, jobs: BackgroundJobs, notify: Notify) -> None:
        self._session = session
        self._jobs = jobs
        self._notify = notify
        self.overview: Overview | None = None
        self.problem = ""  # why there is no overview
        self.current = 0  # a place
        self.excluded: frozenset[str] = frozenset()
        self.picture: tuple[Images, int] | None = None  # of the current one, and its step
        self._has_warned = False
        self._of: object = None  # the poses the overview was made for
        self._star_path: Path | None = session.data.star_path
        session.data_changed.connect(self._on_data)
        session.particle_changed.connect(self._on_particle)

    def close(self) -> None:
        """Leave the session alone from now on."""
        self._session.data_changed.disconnect(self._on_data)
        self._session.particle_changed.disconnect(self._on_particle)

    def update(self) -> None:
        """Rank again, in the background, where the overview is of other poses."""
        session = self._session
        data, inspection = session.data, session.inspection
        if inspection.shown_poses is self._of and (self.overview is not None or self.problem):
            return
        self._of = inspection.shown_poses

        def take(found: Overview) -> None:
            if session.inspection.shown_poses is not inspection.shown_poses:
                return  # others by now
            is_first = self.overview is None
            self.overview, self.problem = found, ""
            self._leave_out(found.groups)
            self.changed.emit()
            if is_first:  # the worst is what is looked for
                self.go_to(int(found.order[0]), is_new=True)
            else:
                self._on_particle(session.particle, is_new=True)

        def fail(sentence: str) -> None:
            self.overview, self.problem, self.picture = None, sentence, None
            self.changed.emit()

        self._jobs.start(KIND, lambda: overview_of(data, inspection), take, fail)

    def go_to(self, place: int, *, is_new: bool = False) -> None:
        """Look at a micrograph, and at the first of its particles if none of them is current."""
        if self.overview is None or not 0 <= place < len(self.overview.figures):
            return
        self._set_current(place, is_new=is_new)
        particles = self.overview.particles_on(place)
        if len(particles) and self.overview.place_of[self._session.particle] != place:
            self._session.set_particle(int(particles[0]))

    def step(self, by: int) -> None:
        """Go to the next less outlying (+1) or more outlying (-1) micrograph."""
        if self.overview is None:
            return
        order = self.overview.order
        rank = int(np.flatnonzero(order == self.current)[0]) + by
        self.go_to(int(order[min(max(rank, 0), len(order) - 1)]))

    @property
    def rank(self) -> int:
        """Where the current micrograph stands among the outliers, from 1."""
        if self.overview is None:
            return 0
        return int(np.flatnonzero(self.overview.order == self.current)[0]) + 1

    @property
    def name(self) -> str:
        """The name of the current micrograph."""
        return "" if self.overview is None else self.overview.figures.names[self.current]

    def exclude(self, is_excluded: bool) -> None:
        """Leave the particles of the current micrograph out, or take them in again."""
        if self.overview is not None:
            change = self.excluded.union if is_excluded else self.excluded.difference
            self._exclude(change({self.name}))

    def export_rest(self, path: Path) -> None:
        """Write the particles of all other micrographs, every column as it was."""
        data, excluded = self._session.data, sorted(self.excluded)

        def work() -> int:
            from napari_cryoorient.diagnosis.micrograph_files import write_without

            return write_without(pose_file_of(data), excluded, path)

        def tell(n: int) -> None:
            without = counted(len(excluded), "micrograph")
            self._notify.info(f"{counted(n, 'particle')} written, without {without}: {path}")

        self._jobs.start("Exporting", work, tell, self._notify.error)

    def _exclude(self, names: frozenset[str]) -> None:
        star_path = self._session.data.star_path
        if self.overview is None or star_path is None:
            return
        self.excluded = names
        self._leave_out(self.overview.groups)
        try:
            save_excluded(names, star_path)
        except InputError as error:
            if not self._has_warned:
                self._has_warned = True
                self._notify.warning(f"{error} They are left out until napari is closed.")
        self.changed.emit()

    def _leave_out(self, groups: Groups) -> None:
        self._session.set_excluded(rows_on(groups, self.excluded))

    def _recall(self, data: Data) -> None:
        """Leave out again what was left out of this stack before."""
        star, star_path = data.star, data.star_path
        if star is None or star_path is None:
            return
        try:
            names = load_excluded(star_path)
        except (OSError, ValueError) as error:
            self._notify.warning(f"Excluded micrographs cannot be read: {error}")
            return
        if not names:
            return

        def work() -> Groups | None:
            from napari_cryoorient.diagnosis.pose_files import micrographs_of
            from napari_cryoorient.io.particle_table import ParticleTable

            return micrographs_of(ParticleTable(star))

        def take(groups: Groups | None) -> None:
            if groups is None or self._session.data.star_path != star_path:
                return
            self.excluded = names & frozenset(groups.names)
            self._leave_out(groups)
            self._notify.info(
                f"{counted(len(self.excluded), 'micrograph')} excluded before stay left out; "
                "Micrographs takes them in again."
            )
            self.changed.emit()

        self._jobs.start("Reading excluded micrographs", work, take, self._notify.error)

    def _on_data(self, data: Data) -> None:
        """Forget what was found of another file; of the same one it holds until it is asked for."""
        if data.star_path == self._star_path:
            return
        self._star_path = data.star_path
        self.overview, self.picture, self.current, self._of = None, None, 0, None
        self.problem, self.excluded, self._has_warned = "", frozenset(), False
        self._recall(data)
        self.changed.emit()

    def _on_particle(self, index: int, is_new: bool = False) -> None:
        """Show the micrograph of the current particle."""
        overview = self.overview if self._of is self._session.inspection.shown_poses else None
        if overview is not None and index < len(overview.place_of):
            self._set_current(int(overview.place_of[index]), is_new=is_new)

    def _set_current(self, place: int, *, is_new: bool = False) -> None:
        if place == self.current and not is_new:
            return
        self.current, self.picture = place, None
        self.current_changed.emit(place)
        self._read_picture()

    def _read_picture(self) -> None:
        """Read the micrograph's picture in the background, where its file is there."""
        star_path, project_dir = self._session.data.star_path, self._session.project_dir
        name = self.name
        if star_path is None or not name:
            return

        def work() -> tuple[Images, int] | None:
            from napari_cryoorient.io.micrographs import find_micrograph, read_small

            path = find_micrograph(name, star_path, project_dir)
            return None if path is None else read_small(path)

        def take(picture: tuple[Images, int] | None) -> None:
            if picture is not None and name == self.name:
                self.picture = picture
                self.picture_changed.emit()

        # A picture that cannot be read is left out: the particles are what is looked at.
        self._jobs.start("Reading a micrograph", work, take, lambda _: None)
