"""Find the stacks a STAR or cs file names, whatever folder it was written for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.image_names import other_ending

_PROJECT_MARKS = (
    *("default_pipeline.star", ".gui_projectdir", ".relion_lock"),
    *("workspaces.json", "job_manifest.json"),  # cryoSPARC's
)
_MOST_PARENTS = 8
_KINDS = {
    stat.S_IFREG: "a file in a folder that may not be looked into",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class StackFinder:
    """Look for stacks in a named project folder, from the STAR file's project down to it, and here.

    The way up from the STAR file ends at a RELION or cryoSPARC project, the home folder or the
    filesystem's edge. What is not where the file's names lead is told in ``notes``.
    """

    def __init__(self, star_path: Path, project_dir: Path | str | None = None):
        """Raise InputError if ``project_dir`` is named and is not a folder."""
        self._star_path = star_path
        self._star_folder = star_path.resolve().parent
        if project_dir is not None and not Path(project_dir).is_dir():
            raise InputError(f"The project folder {project_dir} does not exist; check its name.")
        self._named = None if project_dir is None else Path(project_dir).resolve()
        above = list(self._above())
        self._project = above[-1] if above and _is_project(above[-1]) else None
        # Image names start from the project, so that comes before the folders below it.
        order = [self._named, self._project, *above, self._working_folder()]
        self.folders = list(dict.fromkeys(folder for folder in order if folder is not None))
        self._name_of_found: dict[Path, tuple[str, bool]] = {}
        self._notes: dict[str, list[str]] = {}

    @property
    def notes(self) -> list[str]:
        """What has to be said of where stacks were found, one sentence for all alike."""
        return [
            about if len(names) == 1 else f"{about} (and {len(names) - 1} other stacks likewise)"
            for about, names in ((names[0], names) for names in self._notes.values())
        ]

    def _above(self) -> Iterator[Path]:
        home = _home_folder()
        for folder in [self._star_folder, *self._star_folder.parents][: _MOST_PARENTS + 1]:
            if folder.parent == folder and folder != self._star_folder:
                return  # the root of everything is no project
            yield folder
            if folder == home or folder.is_mount() or _is_project(folder):
                return

    def _working_folder(self) -> Path | None:
        try:
            return Path.cwd()
        except OSError:  # removed meanwhile
            return None

    def find(self, name: str) -> Path:
        """Return the path of stack ``name``.

        Raises:
            InputError: saying where it looked, or for two stacks that lead to one file.

        """
        name = os.path.normpath(name) if name else name
        found = self._as_named(name)
        is_exact = found is not None
        if found is None and (other := other_ending(name)) is not None:
            found = self._as_named(other)
            if found is not None:
                self._note("ending", f"{name} is not there; {found} is used in its place")
        if found is None:
            beside = self._star_folder / Path(name).name
            if not name or not _is_file(beside):
                raise InputError(self._not_found(name))
            found = beside
            self._note(
                "beside", f"{name} is not there; {beside}, beside the STAR, is used in its place"
            )
        self._refuse_shared(found, name, is_exact)
        if is_exact and not self._is_inside(found):
            self._note("outside", f"{name} leads out of the STAR file's project, to {found}")
        return found

    def _is_inside(self, found: Path) -> bool:
        """Tell whether a path, links in it not followed, is in the project or beside the STAR."""
        place = Path(os.path.normpath(found))
        homes = [self._named, self._project, self._star_folder, self._working_folder()]
        return any(home is not None and place.is_relative_to(home) for home in homes)

    def _as_named(self, name: str) -> Path | None:
        """Return where the name leads, from the first folder that has it."""
        if os.path.isabs(name):
            return Path(name) if _is_file(Path(name)) else None
        if not name:
            return None
        places = [folder for folder in self.folders if _is_file(folder / name)]
        if not places:
            return None
        chosen, found = places[0], places[0] / name
        if chosen == self._named:
            return found
        others = [folder for folder in places[1:] if not found.samefile(folder / name)]
        if others:
            self._note(
                f"two {chosen} {others[0]}",
                f"{name} lies in {chosen} and in {others[0]}; that in {chosen} is used (name the "
                "other folder with --project-dir for the other)",
            )
        elif self._named is not None:
            self._note(f"where {chosen}", f"{name} is not in {self._named}; found from {chosen}")
        elif chosen not in (self._project, self._star_folder):
            self._note(f"where {chosen}", f"{name} was found from {chosen}")
        return found

    def _refuse_shared(self, found: Path, name: str, is_exact: bool) -> None:
        """Raise InputError where another name led to the same file, and not by what it says."""
        other, was_exact = self._name_of_found.setdefault(found.resolve(), (name, is_exact))
        if other != name and not (is_exact and was_exact):
            raise InputError(
                f"{self._star_path} names the stacks {other} and {name}, and only {found} was "
                "found for the two; put both back where they are named, or name the folder their "
                "paths start from with --project-dir."
            )

    def _note(self, kind: str, sentence: str) -> None:
        self._notes.setdefault(kind, []).append(sentence)

    def _not_found(self, name: str) -> str:
        if (other := self._other_kind(name)) is not None:
            return (
                f"The stack {name} named in {self._star_path} is {other[1]}, not a file: put the "
                f"stack in place of {other[0]}, or correct the name."
            )
        hint = "; image names are like 000001@stack.mrcs" if "@" in name or not name else ""
        if os.path.isabs(name):
            return (
                f"The stack {name} named in {self._star_path} was not found (an absolute path"
                f"{hint}); put it back there, or beside the STAR file."
            )
        looked = ", ".join(str(folder) for folder in self.folders)
        return (
            f"The stack {name} named in {self._star_path} was not found (looked in {looked}{hint}"
            "); name the folder its path starts from with --project-dir (in napari: Project folder "
            "under File > Preferences > CryoOrient)."
        )

    def _other_kind(self, name: str) -> tuple[Path, str] | None:
        """Return what lies where the stack should, and is no file, and what it is."""
        for folder in self.folders if name else ():
            place = folder / name  # the name itself where it is absolute
            try:
                mode = place.stat().st_mode
            except (OSError, ValueError):
                if os.path.islink(place):
                    return place, "a link that leads nowhere"
                continue
            return place, _KINDS.get(stat.S_IFMT(mode), "a device")
        return None


def _is_project(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _PROJECT_MARKS)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or a folder nobody may look into
        return False


def _home_folder() -> Path | None:
    """Return the home folder; None in a container whose user has none."""
    try:
        return Path.home().resolve()
    except RuntimeError:
        return None
