"""Make the moving picture of the user guide: looking through predictions in a real napari window.

    scripts/with_screen.sh .venv/bin/python scripts/inspecting_picture.py [FILE]

FILE is ``docs/images/plugin-inspecting.gif`` unless given.  It trains for a minute first.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from screenshots import Studio
from training_picture import MINUTES, frame_of, save

from napari_cryoorient.session.sample import make_sample

N_PARTICLES = 600
N_STEPS = 4  # particles looked at, one after the other
THRESHOLD_DEG = 20.0


def record(studio: Studio, work: Path) -> list[Image.Image]:
    """Train, then step from the worst particle, reject one, filter, and turn the filter off."""
    dock, session = studio.dock, studio.dock.session
    star, map_path = make_sample("C1", work / "sample", n=N_PARTICLES)
    dock.controller.load(star, map_path)
    studio.wait_for(lambda: session.data.is_trainable)
    session.change_settings(minutes=MINUTES)
    dock.controller.train()
    studio.wait_for(lambda: session.inspection.kind == "predictions" and not dock.jobs.busy)
    studio.wait_for(lambda: not dock.controller.correlations.is_going)
    dock.show_step("3 Inspect")
    dock.tabs.show_tab("Table")
    dock.tabs.show_tab("Directions")
    session.set_selection("angular error", None)
    ranking = session.inspection.ranking("angular error")
    frames: list[Image.Image] = []

    def take() -> None:
        studio.rest(1.5)
        frames.append(frame_of(studio))

    session.set_particle(int(ranking[0]))
    take()
    for _ in range(N_STEPS):
        session.step_in_ranking(-1)
        take()
    dock.controller.marking.mark("reject")
    take()
    session.set_selection("angular error", THRESHOLD_DEG)
    take()
    session.set_low_pass(None)
    take()
    session.set_low_pass(session.data.display_low_pass_angstrom)
    dock.tabs.show_tab("3D map")
    for place in (0.5, 0.8, 1.0):
        session.set_particle(int(ranking[round(place * (len(ranking) - 1))]))
        take()
    return frames


def main(path: Path) -> None:
    """Open the window, record, and write the picture."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        studio = Studio(path.parent, work)
        save(record(studio, work), path, frame_ms=1200)
        studio.viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images/plugin-inspecting.gif"))
