"""A confidence is a probability, wherever rlnParticleFigureOfMerit is read."""

from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.cli import main
from napari_cryoorient.errors import InputError
from napari_cryoorient.io.confidence import needed_confidence, stated_confidence
from napari_cryoorient.io.star_text import StarFile, read_star_text

ODD = ("1e30", "-0.5", "1.2", "nan", "inf", "-inf", "much", "1e400", "-999")


def text_of(*values: str) -> str:
    head = "data_particles\nloop_\n_rlnImageName\n_rlnParticleFigureOfMerit\n"
    return head + "".join(f"{i + 1}@s.mrcs {value}\n" for i, value in enumerate(values))


def star_of(folder: Path, *values: str) -> StarFile:
    path = folder / "p.star"
    path.write_text(text_of(*values))
    return read_star_text(path)


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_probability_is_refused_where_needed_and_unknown_elsewhere(
    odd: str, tmp_path: Path
):
    star = star_of(tmp_path, "0.5", odd, "0.9")
    assert stated_confidence(star) is None
    with pytest.raises(InputError, match="row 2") as refused:
        needed_confidence(star, "--flag")
    assert "rlnParticleFigureOfMerit" in str(refused.value)


def test_probabilities_are_read_and_rounding_is_forgiven(tmp_path: Path):
    star = star_of(tmp_path, "0", "1", "1.000001", "1e-30")
    expected = [0.0, 1.0, 1.0, 1e-30]
    # The last digit is pandas' business: 2.1 reads 1e-30 one step beside.
    np.testing.assert_allclose(needed_confidence(star, "--flag"), expected, rtol=1e-15, atol=0)
    stated = stated_confidence(star)
    assert stated is not None
    np.testing.assert_allclose(stated, expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("command", ["reconstruct", "export"])
def test_commands_refuse_it_in_one_sentence(
    command: str, odd: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    import mrcfile

    images = np.random.default_rng(0).normal(size=(3, 16, 16)).astype(np.float32)
    with mrcfile.new(tmp_path / "s.mrcs") as stack:
        stack.set_data(images)
        stack.voxel_size = 4.0
    angles = "_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n"
    text = text_of("0.5", odd, "0.9").replace("loop_\n", f"loop_\n{angles}")
    rows = [f"10 20 30 {line}" if "@" in line else line for line in text.splitlines()]
    (tmp_path / "p.star").write_text("\n".join(rows) + "\n")
    flags = {
        "reconstruct": ["-o", str(tmp_path / "o.mrc"), "--weigh-by-confidence"],
        "export": ["-o", str(tmp_path / "o.star"), "--min-confidence", "0.3"],
    }[command]
    assert main([command, str(tmp_path / "p.star"), *flags]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "rlnParticleFigureOfMerit" in said
    assert "row 2" in said
    assert not list(tmp_path.glob("o.*"))
