import shutil
import string
import subprocess

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star_text import (
    StarBlock,
    StarFile,
    quoted,
    read_star_text,
    text_table,
    unquoted,
    write_star,
)

# What a line of STAR may be mistaken for, and letters that other readers take for blanks.
PIECES = st.sampled_from(
    [
        "data_",
        "loop_",
        "DATA_",
        "_",
        "#",
        "'",
        '"',
        "data_x",
        ";",
        "@",
        "\x0b",
        "\u00a0",
        "\x85",
        "é",
    ]
)
PLAIN = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=6)
CELLS = st.lists(PIECES | PLAIN, min_size=1, max_size=4).map("".join)
TEXTS = st.lists(PIECES | PLAIN | st.just(" ") | st.just("\t"), max_size=5).map("".join)
FILE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


def is_token(text):
    try:
        quoted(text)
    except ValueError:
        return False
    return True


@st.composite
def tables(draw, cells, most_columns=4):
    n_columns = draw(st.integers(1, most_columns))
    rows = draw(st.lists(st.lists(cells, min_size=n_columns, max_size=n_columns), max_size=6))
    return [f"rlnC{i}" for i in range(n_columns)], rows


def cells_of(block):
    return [list(row) for row in block.table.itertuples(index=False)]


@FILE
@given(st.lists(tables(TEXTS.filter(is_token).map(quoted)), min_size=1, max_size=3))
def test_texts_that_are_written_are_read_back(tmp_path, made):
    blocks = tuple(
        StarBlock(f"b{i}", text_table({c: [r[k] for r in rows] for k, c in enumerate(columns)}))
        for i, (columns, rows) in enumerate(made)
    )
    (tmp_path / "a.star").unlink(missing_ok=True)
    write_star(StarFile(blocks, version="30001"), tmp_path / "a.star")
    star = read_star_text(tmp_path / "a.star")
    assert [block.name for block in star.blocks] == [block.name for block in blocks]
    for (columns, rows), block in zip(made, star.blocks, strict=True):
        assert list(block.table.columns) == columns
        assert cells_of(block) == rows


@FILE
@given(tables(CELLS, 3), st.sampled_from(["\n", "\r\n"]), st.sampled_from([" ", "\t", "  "]))
def test_a_file_is_read_whole_or_refused(tmp_path, made, ending, blank):
    columns, rows = made
    lines = ["data_first", "loop_", "_rlnX", "1", "", "data_", "loop_"]
    lines += [f"_{name} #{i + 1}" for i, name in enumerate(columns)]
    lines += [blank.join(row) for row in rows] + ["", "data_last", "_rlnY 2", ""]
    (tmp_path / "a.star").write_bytes(ending.join(lines).encode())
    marks = ("#", "'", '"', "_", "data_", "loop_")
    is_plain = not any(cell.lower().startswith(marks) for row in rows for cell in row)
    try:
        star = read_star_text(tmp_path / "a.star")
    except InputError:
        assert not is_plain
        return
    assert star.blocks[0].name == "first"
    assert star.blocks[-1].name == "last"
    whole = [len(block.table) for block in star.blocks] == [1, len(rows), 1]
    is_comment = any(row[0].startswith("#") for row in rows)
    # A cell data_x alone in its row, with a label or a loop_ below it, opens a block.
    assert whole or is_comment or len(columns) == 1
    assert whole or not is_plain


@FILE
@given(TEXTS)
def test_quoting_is_undone(tmp_path, text):
    if is_token(text):
        assert unquoted(quoted(text)) == text


HEAD = "data_p\nloop_\n_rlnA #1\n_rlnB #2\n_rlnC #3\n"


@pytest.mark.parametrize(
    ("rows", "first_cells"),
    [
        ("data_a.mrc 1 2\nb 3 4\n", ["data_a.mrc", "b"]),
        ("a 1 2\ndata_b.mrc 3 4\ndata_ 5 6\n", ["a", "data_b.mrc", "data_"]),
        ("loop_a.mrc 1 2\nloop_ 3 4\n", ["loop_a.mrc", "loop_"]),
        ("_a.mrc 1 2\n_b.mrc 3 4\n", ["_a.mrc", "_b.mrc"]),
        ("DATA_a 1 2\n  LOOP_b\t3 4\n", ["DATA_a", "LOOP_b"]),
        ("a 1 2 # data_x\nb 3 4 #\n", ["a", "b"]),
        ("a#b 1 2\n# remark\n#\nc 3 4", ["a#b", "c"]),
        ("'#a' 1 2\n\"_b\" 3 4\n", ["'#a'", '"_b"']),
        ('\'it\'s\' 1 2\n"a "b"c" 3 4\n', ["'it's'", '"a "b"c"']),
        (" " * 100 + "data_a 1 2\n" + " " * 100 + "b 3 4\n", ["data_a", "b"]),
    ],
)
def test_a_row_is_a_row_whatever_it_begins_with(tmp_path, rows, first_cells):
    path = tmp_path / "a.star"
    path.write_text(HEAD + rows + "\n\ndata_next # remark\n_rlnX 1\n")
    star = read_star_text(path)
    assert [block.name for block in star.blocks] == ["p", "next"]
    assert star.blocks[0].table["rlnA"].tolist() == first_cells


@pytest.mark.parametrize(
    "cells", [["data_a.mrc", "data_b.mrc"], ["loop_a", "x", "_y", "data_z"], ["x", "DATA_y"]]
)
@pytest.mark.parametrize("between", ["", "\n", "\n# version 30001\n\n"])
def test_a_loop_of_one_column_keeps_its_cells(tmp_path, cells, between):
    path = tmp_path / "a.star"
    rows = "\n".join(cells) + "\n"
    path.write_text(f"data_p\n\nloop_\n_rlnA #1\n{rows}{between}data_q\n\nloop_\n_rlnB\n1\n")
    star = read_star_text(path)
    assert [block.name for block in star.blocks] == ["p", "q"]
    assert star.blocks[0].table["rlnA"].tolist() == cells


REFUSED = {
    "comment-or-row": (HEAD + "a 1 2\n#b 3 4\n", "line 7: '#b 3 4' begins with #"),
    "short-data": (HEAD + "a 1 2\ndata_b 3\n", "line 7: 'data_b' has 2 values in data_p, and"),
    "short-loop": (HEAD + "a 1 2\nloop_b 3\n", r"row 2 of data_p has 2 values .*line 7"),
    "short-label": (HEAD + "a 1 2\n_b 3\n", "line 7"),
    "hidden": (HEAD + "a #1 2\n", "has 1 values before a # that begins a comment"),
    "open-quote": (HEAD + "'a 1 2\nb 3 4\n", "line 6: the quote at 'a is not closed"),
    "capitals": ("DATA_p\nloop_\n_a\n1\n", "line 1: 'DATA_p' has capital letters"),
    "capital-loop": ("data_p\nLOOP_\n_a\n1\n", "line 2: 'LOOP_' has capital letters"),
    "old-mac": (HEAD.replace("\n", "\r").encode(), "old Macs"),
    "mixed": ((HEAD + "a 1 2\rb 3 4\n").encode(), "line 6 .*old Macs"),
    "utf-16": (HEAD.encode("utf-16"), "UTF-16"),
    "utf-16-be": (HEAD.encode("utf-16-be"), "UTF-16"),
    "binary-late": ((HEAD + "a 1 2\n" * 2000).encode() + b"\0", "binary"),
    "no-loop": ("data_p\n_rlnA #1\n_rlnB #2\na b\n", "rows without a loop_ above .*line 4"),
    "list-of-many": ("data_p\n_rlnA 1 2\n", "line 2: '_rlnA' has 2 values"),
    "unmarked-number": ("data_p\nloop_\n_rlnA 1\n_rlnB 2\na b\n", "without a # before"),
    "labels-first": ("_rlnA #1\ndata_p\n", "line 1: '_rlnA' stands before the first data_"),
    "text-first": ("hello\ndata_p\nloop_\n_a\n1\n", "line 1: 'hello' stands before"),
    "loop-first": ("loop_\n_rlnA #1\n1\n", "line 1: loop_ stands before"),
    "two-loops": (HEAD + "a 1 2\n\nloop_\n_rlnD\n1\n", "several tables in one block"),
    "loop-and-words": ("data_p\nloop_ _rlnA\n1\n", "line 2: loop_ is followed by"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_understood_is_refused_with_its_line(tmp_path, content, said):
    path = tmp_path / "a.star"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=said) as failure:
        read_star_text(path)
    assert "\n" not in str(failure.value)


def test_a_blank_line_between_rows_is_told(tmp_path):
    path = tmp_path / "a.star"
    path.write_text(HEAD + "a 1 2\n \t\nb 3 4\n\n")
    star = read_star_text(path)
    assert len(star.blocks[0].table) == 2
    assert star.notes[0].startswith("data_p has a blank line between its rows (line 7)")
    path.write_text(HEAD + "\na 1 2\nb 3 4\n\n\n")
    assert read_star_text(path).notes == ()


def test_of_two_blocks_with_one_name_each_keeps_its_own(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_\nloop_\n_rlnA\n1\n2\n\ndata_\nloop_\n_rlnB\n3\n")
    star = read_star_text(path)
    second = star.blocks[1]
    changed = star.with_block(StarBlock("", second.table.assign(rlnB="4"), line=second.line))
    assert [cells_of(block) for block in changed.blocks] == [[["1"], ["2"]], [["4"]]]
    with pytest.raises(ValueError, match="stands for 0 blocks"):
        star.with_block(StarBlock("", pd.DataFrame()))


def test_many_rows_come_in_parts_and_stay_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_cryoorient.io.star_rows._ROWS_A_READ", 10)
    monkeypatch.setattr("napari_cryoorient.io.star_lines._BYTES_AT_ONCE", 7)
    rows = [[f"{i}", "'a b'" if i % 3 else "data_", "x"] for i in range(95)]
    path = tmp_path / "a.star"
    path.write_text(HEAD + "".join(" ".join(row) + "\n" for row in rows))
    assert cells_of(read_star_text(path).blocks[0]) == rows


@pytest.mark.relion
@pytest.mark.parametrize(
    "cell", ["data_a.mrc", "loop_a.mrc", "'a b'", '"a b"', "a#b", "a'b", "'_a'", "'data_'"]
)
def test_relion_reads_the_same_rows(tmp_path, cell):
    if shutil.which("relion_star_handler") is None:
        pytest.skip("no relion_star_handler on PATH")
    path, out = tmp_path / "a.star", tmp_path / "b.star"
    path.write_text(RELION_HEAD + "".join(f"{cell} 00000{i}@p.mrcs {i}.5 1\n" for i in (1, 2, 3)))
    subprocess.run(
        ["relion_star_handler", "--i", path, "--o", out, "--remove_column", "rlnNone"],
        check=True,
        capture_output=True,
    )
    ours, theirs = (read_star_text(file).block("particles").table for file in (path, out))
    assert [unquoted(text) for text in ours["rlnMicrographName"]] == [
        unquoted(text) for text in theirs["rlnMicrographName"]
    ]
    assert len(theirs) == 3


RELION_HEAD = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnImagePixelSize #3
_rlnImageSize #4
_rlnVoltage #5
_rlnSphericalAberration #6
_rlnAmplitudeContrast #7
_rlnImageDimensionality #8
1 o 1.0 32 300 2.7 0.1 2


# version 30001

data_particles

loop_
_rlnMicrographName #1
_rlnImageName #2
_rlnAngleRot #3
_rlnOpticsGroup #4
"""
