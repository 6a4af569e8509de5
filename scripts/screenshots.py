"""Make the user guide's pictures from a real run on sample data, at 1366 x 768.

    scripts/with_screen.sh .venv/bin/python scripts/screenshots.py [FOLDER]

FOLDER is ``docs/images`` unless given.  The run takes about a minute and a half.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication

from napari_cryoorient.session.sample import make_sample
from napari_cryoorient.widgets.dock import CryoOrientDock
from napari_cryoorient.widgets.memory import Memory

SIZE = (1366, 768)
MINUTES = 1.0
PATIENCE_S = 600


class Studio:
    """A window, and a camera for it."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer(show=False)
        store = QSettings(str(work / "memory.ini"), QSettings.Format.IniFormat)
        self.dock = CryoOrientDock(self.viewer, memory=Memory(store))
        self.viewer.window.add_dock_widget(self.dock, name="CryoOrient", area="right")
        self.viewer.show()
        self.viewer.window.resize(*SIZE)
        self.wait_for(lambda: self.dock.tabs is not None and bool(self.dock.tabs.built))

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Let the window live until something holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("the window did not come that far")
            QApplication.processEvents()
            time.sleep(0.01)

    def rest(self, seconds: float) -> None:
        """Let the window live for a while."""
        end = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() >= end)

    def picture(self, name: str) -> None:
        """Take a picture of the whole window once nothing is being worked out for it."""
        self.wait_for(lambda: not self.dock.jobs.busy)
        self.wait_for(lambda: not self.dock.controller.correlations.is_going)
        self.rest(3.0)
        path = self.folder / f"{name}.png"
        self.viewer.window.screenshot(str(path), flash=False, canvas_only=False)
        print(path)


def main(folder: Path) -> None:
    """Tell the story and take its pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        studio = Studio(folder, work)
        dock, session = studio.dock, studio.dock.session
        studio.picture("plugin-empty")
        star, map_path = make_sample("C1", work / "sample", n=2000)
        dock.controller.load(star, map_path)
        studio.wait_for(lambda: session.data.is_trainable)
        studio.picture("plugin-loaded")
        dock.show_step("2 Train")
        session.change_settings(minutes=MINUTES)
        dock.controller.train()
        studio.wait_for(
            lambda: (
                session.run is not None and (len(session.run.metrics) > 12 or session.run.is_over)
            )
        )
        session.change_settings(w=0.4)
        studio.rest(8)
        studio.picture("plugin-training")
        studio.wait_for(lambda: session.inspection.kind == "predictions")
        dock.show_step("3 Inspect")
        dock.tabs.show_tab("Table")
        dock.tabs.show_tab("Directions")
        session.step_in_ranking(+1)
        session.set_selection("angular error", 20.0)
        studio.picture("plugin-directions")
        dock.tabs.show_tab("Curves")
        dock.tabs.show_tab("3D map")
        session.set_particle(int(session.inspection.ranking("angular error")[-1]))
        studio.picture("plugin-map")
        studio.viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images"))
