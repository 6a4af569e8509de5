import gzip

import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star_text import quoted, read_star_text, unquoted, write_star

TEXT = """
# version 30001

data_particles

loop_
_rlnImageName #1
_rlnClassNumber #2 [remark in brackets]
_rlnMicrographName #3
_rlnTomoTiltAngles #4
_rlnLogLikeliContribution
\t000001@a#b.mrcs  0001\t'my micrograph.mrc' [1.0,2.5,-3] 1.421115e+05  \n\
# a remark between rows
  000002@data_x.mrcs 1.0 "" [] -0.000

# version 30001

data_optics

_rlnOpticsGroup      1
_rlnOpticsGroupName  'group one' # a remark
_rlnVoltage          300.000000

data_empty

loop_
_rlnFirst #1
_rlnSecond #2

data_

loop_
_a #1
x
"""


def cells(block):
    return [list(row) for row in block.table.itertuples(index=False)]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "a.star"
    file.write_text(TEXT)
    return file


def test_every_token_is_kept_as_it_is_spelt(path):
    star = read_star_text(path)
    assert [block.name for block in star.blocks] == ["particles", "optics", "empty", ""]
    assert [block.is_loop for block in star.blocks] == [True, False, True, True]
    particles, optics, empty, unnamed = star.blocks
    assert cells(particles) == [
        ["000001@a#b.mrcs", "0001", "'my micrograph.mrc'", "[1.0,2.5,-3]", "1.421115e+05"],
        ["000002@data_x.mrcs", "1.0", '""', "[]", "-0.000"],
    ]
    assert cells(optics) == [["1", "'group one'", "300.000000"]]
    assert list(empty.table.columns) == ["rlnFirst", "rlnSecond"]
    assert len(empty.table) == 0
    assert cells(unnamed) == [["x"]]
    assert star.version == "30001"


def test_writing_and_reading_changes_nothing(path, tmp_path):
    star = read_star_text(path)
    write_star(star, tmp_path / "b.star")
    again = read_star_text(tmp_path / "b.star")
    assert again.version == star.version
    for old, new in zip(star.blocks, again.blocks, strict=True):
        assert (old.name, old.is_loop) == (new.name, new.is_loop)
        assert list(old.table.columns) == list(new.table.columns)
        assert cells(old) == cells(new)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("particles", "particles   ").encode(),
    ],
    ids=["windows", "byte-order-mark", "no-last-newline", "gzip", "trailing-blanks"],
)
def test_the_same_file_written_otherwise_reads_the_same(path, tmp_path, change):
    other = tmp_path / "other.star"
    other.write_bytes(change(TEXT))
    expected = [cells(block) for block in read_star_text(path).blocks]
    assert [cells(block) for block in read_star_text(other).blocks] == expected


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_names_with_accents_survive(tmp_path, encoding):
    path = tmp_path / "a.star"
    path.write_bytes("data_x\nloop_\n_rlnA\n_rlnB\nmüller.mrc 1\n".encode(encoding))
    star = read_star_text(path)
    assert cells(star.blocks[0]) == [["müller.mrc", "1"]]
    write_star(star, tmp_path / "b.star")
    assert "müller.mrc".encode(encoding) in (tmp_path / "b.star").read_bytes()


def test_numbers_without_quotes_take_the_fast_way_with_the_same_result(tmp_path):
    body = "data_x\nloop_\n_rlnA #1\n_rlnB #2\n 001 NA\n2.50 nan\n\n-3 null\n"
    plain, with_quote = tmp_path / "a.star", tmp_path / "b.star"
    plain.write_text(body)
    with_quote.write_text(body + "4 'x y'\n")
    assert (
        cells(read_star_text(plain).blocks[0]) == cells(read_star_text(with_quote).blocks[0])[:-1]
    )
    assert cells(read_star_text(plain).blocks[0])[0] == ["001", "NA"]


@pytest.mark.parametrize("quote", ["", "5 'x' y\n"], ids=["fast", "quoted"])
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1 2 3\n4 5\n", "row 2 of data_x has 2 values for 3 columns"),
        ("1 2\n3 4\n", "row 1 of data_x has 2 values"),
        ("1 2 3\n4 5 6 7\n8 9 10\n", "row 2 of data_x has 4 values"),
        ("1 2 3 4\n5 6 7 8\n", "row 1 of data_x has 4 values"),
    ],
)
def test_a_row_of_another_length_is_named(tmp_path, rows, said, quote):
    path = tmp_path / "a.star"
    path.write_text("data_x\nloop_\n_rlnA\n_rlnB\n_rlnC\n" + rows + quote)
    with pytest.raises(InputError, match=said):
        read_star_text(path)


NOT_STAR = {
    "empty": (b" \n\n", "is empty"),
    "html": (b"<!doctype html><p>data_", "web page"),
    "binary": (b"\0\1\2data_", "binary"),
    "text": (b"hello\nthere\n", "no line that begins with data_"),
    "mmcif": (b"data_1ABC\n_entry.id 1ABC\nloop_\n_a.b\n1\nloop_\n_c.d\n2\n", "mmCIF"),
    "text-field": (b"data_1ABC\n_entry.id\n;many\nlines\n;\n", "text without a column"),
    "no-columns": (b"data_x\nloop_\n1 2\n", "without columns"),
    "twice": (b"data_x\nloop_\n_rlnA\n_rlnA\n1 2\n", "_rlnA twice"),
}


@pytest.mark.parametrize(("content", "said"), NOT_STAR.values(), ids=NOT_STAR.keys())
def test_other_files_are_refused_in_one_sentence(tmp_path, content, said):
    path = tmp_path / "a.star"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as failure:
        read_star_text(path)
    assert "\n" not in str(failure.value)


def test_the_file_that_was_read_is_never_written_over(path, tmp_path):
    star = read_star_text(path)
    (tmp_path / "link.star").symlink_to(path)
    (tmp_path / "hard.star").hardlink_to(path)
    for name in ("a.star", "link.star", "hard.star"):
        with pytest.raises(InputError, match="another name"):
            write_star(star, tmp_path / name)
    assert path.read_text() == TEXT


@pytest.mark.parametrize("text", ["plain", "", "two words", "it's two"])
def test_quoting_is_undone(text):
    assert unquoted(quoted(text)) == text
