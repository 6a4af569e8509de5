"""A stack with poses and its map on disk, and jobs that are done at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.session.follow import RunView, follow
from napari_cryoorient.session.launch import Launched
from napari_cryoorient.simulation.demo_density import demo_density
from napari_cryoorient.simulation.simulate import (
    SimulationSettings,
    draw_simulation,
    write_simulation,
)

BOX, PIXEL_SIZE, N = 32, 8.0, 24


@dataclass(frozen=True)
class Stack:
    star: Path
    map: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    folder = tmp_path_factory.mktemp("made")
    settings = SimulationSettings(n=N, snr=2.0, shift_sigma_angstrom=4.0)
    star = write_simulation(draw_simulation(demo_density(BOX, PIXEL_SIZE), settings), folder)
    return Stack(star, folder / "map.mrc")


class AtOnce:
    """Does every job before it returns; a run is followed by hand, one look at a time."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.views: Any = iter(())
        self.followed: list[str] = []
        self._then: Callable[[RunView], None] = lambda view: None

    def start(
        self,
        kind: str,
        function: Callable[[], Any],
        then: Callable[[Any], None],
        otherwise: Callable[[str], None],
    ) -> None:
        self.kinds.append(kind)
        try:
            result = function()
        except InputError as error:
            otherwise(str(error))
            return
        then(result)

    def follow_run(
        self, path: Path, launched: Launched | None, then: Callable[[RunView], None]
    ) -> None:
        self.views, self._then = follow(path, launched, interval_s=0.05), then

    def follow(self, what: str, looks: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Look until there is no more to see, unless someone lets go of it meanwhile."""
        self.followed.append(what)
        for found in looks():
            if what not in self.followed:
                break
            if found is not None:
                then(found)
        self.stop_following(what)

    def stop_following(self, what: str = "run") -> None:
        if what == "run":
            self.views = iter(())
        self.followed = [other for other in self.followed if other != what]

    def look_until(self, condition: Callable[[], bool], looks: int = 3000) -> bool:
        """Follow the run until something holds; False when it is over before."""
        for _ in range(looks):
            if condition():
                return True
            try:
                view = next(self.views)
            except StopIteration:
                return condition()
            if view is not None:
                self._then(view)
        return condition()


@dataclass
class Told:
    """Remembers what the user was told."""

    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def info(self, sentence: str) -> None:
        self.infos.append(sentence)

    def warning(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def error(self, sentence: str) -> None:
        self.errors.append(sentence)
