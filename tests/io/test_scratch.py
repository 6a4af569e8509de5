"""What 0.1.0 left in the folder for temporary files: unpacked stacks, each a file by itself."""

import os
import time

import pytest

from napari_cryoorient.io.scratch import PREFIX, remove_left_over


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files cannot be told here")
def test_old_unpacked_stacks_that_nobody_has_open_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old = time.time() - 7200
    names = {name: tmp_path / f"{PREFIX}{name}.mrcs" for name in ("old", "open", "new")}
    names["other"] = tmp_path / "another-program.mrcs"
    for name, path in names.items():
        path.write_bytes(b"stack")
        if name != "new":
            os.utime(path, (old, old))
    with names["open"].open("rb"):
        remove_left_over()
    assert {name for name, path in names.items() if path.exists()} == {"open", "new", "other"}
    remove_left_over()
    assert not names["open"].exists()
