"""The folder of samples is the user's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_cryoorient.session.sample import is_own, sample_dir


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_is_made_for_the_user_and_found_again(temporary: Path):
    folder = sample_dir("C1")
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert sample_dir("C1") == folder


@pytest.mark.parametrize("kind", ["link", "writable by all", "file"])
def test_what_somebody_else_may_have_put_there_is_left_alone(temporary: Path, kind: str):
    expected = sample_dir("C1").parent
    expected.rmdir()
    other = temporary / "other"
    other.mkdir(mode=0o700)
    if kind == "link":
        expected.symlink_to(other)
    elif kind == "file":
        expected.write_text("")
    else:
        expected.mkdir()
        expected.chmod(0o777)
    assert not is_own(expected)
    folder = sample_dir("C1").parent
    assert folder != expected
    assert is_own(folder)
