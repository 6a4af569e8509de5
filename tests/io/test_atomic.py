import errno
import os
import stat
import subprocess
import sys

import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.atomic import atomic_path


def test_the_file_appears_whole_in_a_new_folder(tmp_path):
    final = tmp_path / "new" / "out.txt"
    with atomic_path(final) as temporary:
        temporary.write_text("whole")
        assert not final.exists()
        assert temporary.parent == final.parent
    assert final.read_text() == "whole"
    assert list(final.parent.iterdir()) == [final]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    final = tmp_path / "out.txt"
    final.write_text("old")

    def write_half():
        with atomic_path(final) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "no permission")]
)
def test_what_the_user_can_mend_becomes_a_sentence(tmp_path, number, said):
    def write():
        with atomic_path(tmp_path / "out.txt") as temporary:
            temporary.write_text("half")
            raise OSError(number, "from the system")

    with pytest.raises(InputError, match=said):
        write()
    assert list(tmp_path.iterdir()) == []


def test_other_system_errors_pass_unchanged(tmp_path):
    def write():
        with atomic_path(tmp_path / "out.txt"):
            raise OSError(errno.EIO, "broken disk")

    with pytest.raises(OSError, match="broken disk"):
        write()


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(InputError, match="is a folder"), atomic_path(tmp_path):
        pass


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"), atomic_path(tmp_path / "file" / "out"):
        pass


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is a device"), atomic_path(pipe):
        pass
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_place_that_cannot_be_says_so(tmp_path):
    with pytest.raises(InputError, match="choose another"), atomic_path(tmp_path / ("n" * 300)):
        pass


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    """Only of the same file, and only where the process is dead."""
    out = tmp_path / "out.txt"
    script = (
        "import os, signal, sys\n"
        "from napari_cryoorient.io.atomic import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for name in ("out.txt", "other.txt"):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    with atomic_path(out) as outer:
        outer.write_text("this process goes on")
        with atomic_path(tmp_path / "third.txt") as other:
            other.write_text("third")
        assert outer.exists()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert [name for name in left if not name.startswith(".")] == ["out.txt", "third.txt"]
    assert [name for name in left if name.startswith(".")] == [
        name for name in left if name.startswith(".other.txt.")
    ]
