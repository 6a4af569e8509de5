"""Find the stacks a STAR or cs file names, whatever folder it was written for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_cryoorient.errors import InputError

_PROJECT_MARKS = (
    *("default_pipeline.star", ".gui_projectdir", ".relion_lock"),
    *("workspaces.json", "job_manifest.json"),  # cryoSPARC's
)
_MOST_PARENTS = 8


class StackFinder:
    """Look for stacks in a named project folder, here, and from the STAR file's folder upwards.

    The way up ends at a RELION or cryoSPARC project, the home folder or the filesystem's edge.
    """

    def __init__(self, star_path: Path, project_dir: Path | str | None = None):
        """Raise InputError if ``project_dir`` is named and is not a folder."""
        self._star_path = star_path
        self._star_folder = star_path.resolve().parent
        if project_dir is not None and not Path(project_dir).is_dir():
            raise InputError(f"The project folder {project_dir} does not exist; check its name.")
        self.folders = list(dict.fromkeys(self._candidates(project_dir)))
        self.notes: list[str] = []

    def _candidates(self, project_dir: Path | str | None) -> Iterator[Path]:
        if project_dir is not None:
            yield Path(project_dir).resolve()
        home = Path.home().resolve()
        yield Path.cwd()
        yield self._star_folder
        for folder in [self._star_folder, *self._star_folder.parents][: _MOST_PARENTS + 1]:
            if folder.parent == folder and folder != self._star_folder:
                return  # the root of everything is no project
            yield folder
            if folder == home or folder.is_mount():
                return
            if any((folder / mark).exists() for mark in _PROJECT_MARKS):
                return

    def find(self, name: str) -> Path:
        """Return the path of stack ``name``; raises InputError saying where it looked."""
        wanted = Path(name)
        if wanted.is_absolute():
            if wanted.is_file():
                return wanted
        else:
            for folder in self.folders:
                if (folder / wanted).is_file():
                    # Stacks lie together: look first where the last one was.
                    self.folders.remove(folder)
                    self.folders.insert(0, folder)
                    return folder / wanted
        beside = self._star_folder / wanted.name
        if beside.is_file():
            note = f"stacks not found under their names; {wanted.name} taken from beside the STAR"
            if not self.notes:
                self.notes.append(note)
            return beside
        if wanted.is_absolute():
            raise InputError(
                f"The stack {name} named in {self._star_path} was not found (an absolute path); "
                "put it back there, or beside the STAR file."
            )
        looked = ", ".join(str(folder) for folder in self.folders)
        raise InputError(
            f"The stack {name} named in {self._star_path} was not found (looked in {looked}); "
            "name the folder its path starts from with --project-dir (in napari: Project folder "
            "under File > Preferences > CryoOrient)."
        )
