from pathlib import Path

import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.locate import StackFinder

STACK = "Extract/job007/mic.mrcs"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a RELION project within another folder; the working folder is elsewhere."""
    folder = tmp_path / "outer" / "project"
    (folder / "Refine3D" / "job012").mkdir(parents=True)
    (folder / "default_pipeline.star").touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


def put(folder, name=STACK):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_stacks_lie_in_the_project_above_the_star_file(project):
    stack = put(project)
    finder = StackFinder(project / "Refine3D" / "job012" / "run_data.star")
    assert finder.find(STACK).samefile(stack)
    assert finder.notes == []


@pytest.mark.parametrize("where", ["star", "cwd", "named"])
def test_stacks_lie_beside_the_star_file_here_or_where_the_user_says(project, tmp_path, where):
    star = project / "Refine3D" / "job012" / "run_data.star"
    folder = {"star": star.parent, "cwd": tmp_path / "elsewhere", "named": tmp_path / "named"}
    stack = put(folder[where])
    finder = StackFinder(star, folder["named"] if where == "named" else None)
    assert finder.find(STACK).samefile(stack)


def test_the_folder_the_user_names_comes_first(project, tmp_path):
    put(project)
    named = put(tmp_path / "named")
    assert StackFinder(project / "a.star", tmp_path / "named").find(STACK).samefile(named)


def test_a_stack_moved_beside_its_star_file_is_found_with_a_note(project):
    stack = put(project, "mic.mrcs")
    for name in (STACK, "/gone/mic.mrcs"):
        finder = StackFinder(project / "a.star")
        assert finder.find(name).samefile(stack)
        assert [note for note in finder.notes if "beside the STAR" in note] == finder.notes


def test_two_stacks_of_one_base_name_never_share_the_file_beside_the_star(project):
    put(project, "mic.mrcs")
    finder = StackFinder(project / "a.star")
    finder.find(STACK)
    with pytest.raises(InputError, match=r"Extract/job007/mic.mrcs and Extract/job008/mic.mrcs"):
        finder.find("Extract/job008/mic.mrcs")
    finder = StackFinder(project / "a.star")
    finder.find("mic.mrcs")
    with pytest.raises(InputError, match="found for the two"):
        finder.find(STACK)


def test_links_may_lead_two_names_to_one_stack(project):
    stack = put(project)
    (project / "link.mrcs").symlink_to(stack)
    finder = StackFinder(project / "a.star")
    assert finder.find(STACK).samefile(finder.find("link.mrcs"))
    assert finder.find("./link.mrcs").samefile(stack)
    assert finder.notes == []


def test_the_working_folder_comes_last_and_is_told(project, tmp_path):
    here = put(tmp_path / "elsewhere")
    finder = StackFinder(project / "a.star")
    assert finder.find(STACK).samefile(here)
    assert finder.notes == [f"{STACK} was found from {tmp_path / 'elsewhere'}"]
    own = put(project)
    finder = StackFinder(project / "a.star")
    assert finder.find(STACK).samefile(own)
    (note,) = finder.notes
    assert note.startswith(f"{STACK} lies in {project} and in {tmp_path / 'elsewhere'}; that in")


def test_the_project_comes_before_the_folder_of_the_star_file_and_both_are_told(project):
    star = project / "Refine3D" / "job012" / "run_data.star"
    below, above = put(star.parent), put(project)
    finder = StackFinder(star)
    assert finder.find(STACK).samefile(above)
    assert str(below.parents[2]) in finder.notes[0]
    again = put(project, "Extract/job007/other.mrcs")
    put(star.parent, "Extract/job007/other.mrcs")
    assert finder.find("Extract/job007/other.mrcs").samefile(again)
    assert len(finder.notes) == 1
    assert finder.notes[0].endswith("(and 1 other stacks likewise)")


def test_a_stack_that_is_not_in_the_named_folder_is_told(project, tmp_path):
    stack, named = put(project), tmp_path / "named"
    named.mkdir()
    finder = StackFinder(project / "a.star", named)
    assert finder.find(STACK).samefile(stack)
    assert finder.notes == [f"{STACK} is not in {named}; found from {project}"]


@pytest.mark.parametrize("how", ["absolute", "upwards"])
def test_stacks_outside_the_project_are_told_with_their_number(project, tmp_path, how):
    names = []
    for name in ("one.mrcs", "two.mrcs"):
        stack = put(tmp_path / "outer" / "strange", name)
        names.append(str(stack) if how == "absolute" else f"../strange/{name}")
    finder = StackFinder(project / "a.star")
    for name in names:
        assert finder.find(name).samefile(tmp_path / "outer" / "strange" / Path(name).name)
    (note,) = finder.notes
    assert note.startswith(f"{names[0]} leads out of the STAR file's project, to ")
    assert note.endswith("(and 1 other stacks likewise)")


@pytest.mark.parametrize(("named", "there"), [("a.mrc", "a.mrcs"), ("a.MRCS", "a.MRC")])
def test_the_other_ending_is_taken_and_told(project, named, there):
    stack = put(project, there)
    finder = StackFinder(project / "a.star")
    assert finder.find(named).samefile(stack)
    assert finder.notes == [f"{named} is not there; {stack} is used in its place"]
    with pytest.raises(InputError, match="found for the two"):
        finder.find(there)


def test_a_user_without_a_home_folder_has_stacks_too(project, monkeypatch):
    def without_home():
        raise RuntimeError("no home")

    monkeypatch.setattr("pathlib.Path.home", without_home)
    stack = put(project)
    assert StackFinder(project / "a.star").find(STACK).samefile(stack)


@pytest.mark.parametrize("name", ["", "a" * 5000, "a\0b", "x@stack.mrcs"])
def test_names_of_no_file_are_told(project, name):
    with pytest.raises(InputError, match="was not found"):
        StackFinder(project / "a.star").find(name)


def test_folders_above_the_project_are_not_searched(project):
    put(project.parent)
    with pytest.raises(InputError, match="not found"):
        StackFinder(project / "a.star").find(STACK)


def test_the_sentence_lists_where_it_looked(project, tmp_path):
    with pytest.raises(InputError) as failure:
        StackFinder(project / "Refine3D" / "job012" / "a.star").find(STACK)
    said = str(failure.value)
    for part in (STACK, str(project), str(tmp_path / "elsewhere"), "--project-dir"):
        assert part in said


def test_a_project_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        StackFinder(tmp_path / "a.star", tmp_path / "none")


def test_an_absolute_path_is_not_answered_with_a_project_folder(project):
    with pytest.raises(InputError) as failure:
        StackFinder(project / "a.star").find("/gone/mic.mrcs")
    assert "--project-dir" not in str(failure.value)
    assert "beside the STAR file" in str(failure.value)


def test_nothing_above_the_home_folder_is_searched(tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "data" / "job").mkdir(parents=True)
    monkeypatch.chdir(home)
    monkeypatch.setattr("pathlib.Path.home", lambda: home)
    folders = StackFinder(home / "data" / "job" / "a.star").folders
    assert sorted(folders) == [home, home / "data", home / "data" / "job"]


def test_nothing_beyond_the_filesystem_is_searched(tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    (disk / "job").mkdir(parents=True)
    monkeypatch.chdir(disk)
    monkeypatch.setattr("pathlib.Path.is_mount", lambda folder: folder == disk)
    assert sorted(StackFinder(disk / "job" / "a.star").folders) == [disk, disk / "job"]
