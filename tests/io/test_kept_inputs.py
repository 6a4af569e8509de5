"""An output that is an input, by whatever path, is refused; and no other is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.kept_inputs import refuse_replacing

PARTS = st.lists(
    st.sampled_from(["a", "b", "..", ".", "link", "name", "hard", "other"]), max_size=6
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=PARTS, second=PARTS, is_relative=st.tuples(st.booleans(), st.booleans()))
def test_paths_are_refused_exactly_where_they_lead_to_one_file(
    first: list[str],
    second: list[str],
    is_relative: tuple[bool, bool],
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tree / "a")
    start = [Path(".") if each else tree for each in is_relative]
    output, read = (
        s.joinpath(*parts, "file") for s, parts in zip(start, (first, second), strict=True)
    )
    is_one = output.exists() and read.exists() and os.path.samefile(output, read)
    try:
        refuse_replacing([output], [read])
    except InputError:
        assert is_one
    else:
        assert not is_one


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Folders a, b, a/b; files in each, some links to others; "link" leads back to the top."""
    for folder in ("a", "b", "a/b", "b/a"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "file").write_text("top")
    (tmp_path / "a" / "file").write_text("a")
    os.link(tmp_path / "file", tmp_path / "b" / "file")
    (tmp_path / "a" / "b" / "file").symlink_to("../file")
    for folder in ("a", "b"):
        (tmp_path / folder / "link").symlink_to("..", target_is_directory=True)
    return tmp_path
