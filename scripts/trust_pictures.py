"""Make the pictures of "Is my refinement right?" from data made by ``trust_data.py``.

    scripts/with_screen.sh .venv/bin/python scripts/trust_pictures.py [FOLDER]

FOLDER is ``docs/images`` unless given.  It takes some minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from screenshots import Studio
from trust_data import make

from napari_cryoorient.session.inspection import NOTHING


def main(folder: Path) -> None:
    """Go through the story and take its pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        story = make(work / "project")
        studio = Studio(folder, work)
        dock, session, controller = studio.dock, studio.dock.session, studio.dock.controller
        controller.load(story.a, story.map)
        studio.wait_for(lambda: session.inspection is not NOTHING and not dock.jobs.busy)
        dock.show_step("3 Inspect")

        def finish() -> None:
            """Wait for the command that was started."""
            studio.wait_for(lambda: controller.pose_jobs.is_going)
            studio.wait_for(lambda: not controller.pose_jobs.is_going)

        tab = dock.tabs.show_tab("Checks")
        tab.start_button.click()
        finish()
        studio.picture("trust-checks")
        tab = dock.tabs.show_tab("Micrographs")
        studio.wait_for(lambda: controller.micrographs.overview is not None)
        studio.picture("trust-micrographs")
        for _ in range(controller.micrographs.overview.figures.n_outlying):
            tab.exclude_button.click()
            tab.next_button.click()
        tab = dock.tabs.show_tab("Filter")
        tab.compute_button.click()
        finish()
        tab.best_button.click()
        studio.picture("trust-filter")
        tab.all_button.click()
        dock.tabs.show_tab("Compare")
        dock.tabs.show_tab("Directions")
        controller.refinements.compare(story.b)
        studio.wait_for(lambda: controller.refinements.found is not None)
        controller.refinements.ask_images()
        finish()
        studio.wait_for(lambda: controller.refinements.probability_of_a is not None)
        prefers_b = controller.refinements.probability_of_a < 0.01
        apart = session.inspection.values("angle difference")
        session.set_particle(int(np.where(prefers_b, apart, 0).argmax()))
        studio.picture("trust-compare")
        controller.refinements.clear()
        tab = dock.tabs.show_tab("Orientations")
        controller.orientations.half_maps = story.half_maps
        tab.compute_button.click()
        finish()
        studio.picture("trust-orientations")
        studio.viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images"))
