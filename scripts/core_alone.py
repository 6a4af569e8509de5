"""Prove the core needs neither Qt nor napari: refuse both, import every room, do a tiny job."""

import importlib
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

SCREEN = {"napari", "magicgui", "qtpy", "superqt", "PyQt5", "PyQt6", "PySide2", "PySide6"}
SCREEN_ROOMS: tuple[str, ...] = ("napari_cryoorient.viewer", "napari_cryoorient.widgets")
if find_spec("psygnal") is None:  # the state of the window tells of its changes by it, without Qt
    SCREEN_ROOMS += ("napari_cryoorient.session",)


class RefuseTheScreen(MetaPathFinder):
    """Fail any import of Qt or napari, installed or not."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ImportError for the packages of the screen, else leave it to the others."""
        if fullname.partition(".")[0] in SCREEN:
            raise ImportError(f"the core asked for {fullname}")
        return None


def core_modules() -> list[str]:
    """Name every module of the package but those of the screen and the entry script."""
    import napari_cryoorient

    found = pkgutil.walk_packages(
        napari_cryoorient.__path__,
        "napari_cryoorient.",
        onerror=lambda name: None,
    )
    return [
        module.name
        for module in found
        if not module.name.startswith(SCREEN_ROOMS) and not module.name.endswith("__main__")
    ]


def main() -> None:
    """Import all of the core, then simulate particles of a ball and read them back."""
    sys.meta_path.insert(0, RefuseTheScreen())
    names = core_modules()
    for name in names:
        importlib.import_module(name)
    tiny_job()
    loaded = sorted(SCREEN & set(sys.modules))
    assert not loaded, f"these came in all the same: {loaded}"
    print(f"the core alone: {len(names)} modules and a tiny job without Qt and napari")


def tiny_job() -> None:
    """Simulate eight particles of a lopsided map on the command line, and read them back."""
    import numpy as np

    import napari_cryoorient as nc
    from napari_cryoorient import DensityMap
    from napari_cryoorient.cli import main as command_line
    from napari_cryoorient.io.star import read_particles

    voxels = np.zeros((16, 16, 16), np.float32)
    voxels[6:10, 5:12, 7:9] = 1
    with tempfile.TemporaryDirectory() as folder:
        map_path, output = Path(folder, "map.mrc"), Path(folder, "particles")
        nc.write_map(map_path, DensityMap(voxels, 4.0))
        arguments = ["simulate", str(map_path), "-o", str(output), "--n", "8", "--seed", "1"]
        status = command_line(arguments)
        if status:
            raise RuntimeError(f"simulate ended with status {status}")
        particles, _ = read_particles(output / "particles.star")
        assert len(particles) == 8
        assert particles.poses is not None
        assert particles.images.read(np.arange(8)).shape == (8, 16, 16)


if __name__ == "__main__":
    main()
