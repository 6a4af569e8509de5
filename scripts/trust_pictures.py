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

        panel = dock.panels.show_panel("Checks")
        panel.start_button.click()
        finish()
        studio.picture("trust-checks")
        panel = dock.panels.show_panel("Micrographs")
        studio.wait_for(lambda: controller.micrographs.overview is not None)
        studio.picture("trust-micrographs")
        for _ in range(controller.micrographs.overview.figures.n_outlying):
            panel.exclude_button.click()
            panel.next_button.click()
        panel = dock.panels.show_panel("Filter")
        panel.compute_button.click()
        finish()
        panel.best_button.click()
        studio.picture("trust-filter")
        panel.all_button.click()
        dock.panels.show_panel("Compare")
        dock.panels.show_panel("Directions")
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
        panel = dock.panels.show_panel("Orientations")
        controller.orientations.half_maps = story.half_maps
        panel.compute_button.click()
        finish()
        studio.picture("trust-orientations")
        studio.viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images"))
