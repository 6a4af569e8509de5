"""What a stack is made of, and the table of stacks: some to fit the constants on, others to test.

Constants of the confidence are fitted on rows marked ``fit`` (ribosome, one seed) and judged on
those marked ``test``: other molecules, other seeds, boxes, noise and conditions.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

MAKER_VERSION = 1  # goes into the names of stacks: another one makes them anew


@dataclass(frozen=True)
class Condition:
    """One stack. Fields that are off by default make it ideal.

    ``noise`` is white, spectrum (that of real background, or of ``assets``), two spectra (one or
    the other by micrograph) or patches; ``snr`` compares the variance of clean images, CTF
    included, with that of the noise; ``second_scale`` is how many times as large the grey values of
    a second optics group are, that of every second micrograph.
    """

    name: str
    use: str
    molecule: str = "ribosome"
    box: int = 64
    pixel_angstrom: float = 5.0
    n: int = 250
    seed: int = 1
    snr: float = 0.1
    noise: str = "spectrum"
    views: str = "uniform"
    shift_sigma_angstrom: float = 5.0
    shift_disc_angstrom: float = 0.0
    noise_spread: float = 1.0
    gain_spread: float = 1.0
    grey_low: float = 1.0
    grey_high: float = 1.0
    junk_part: float = 0.0
    is_normalised: bool = False
    is_masked: bool = False
    is_premultiplied: bool = False
    reference: str = "right"
    second_scale: float = 1.0

    @property
    def folder_name(self) -> str:
        """Name of the stack's folder; the reference, the name and the use make no other stack."""
        said = asdict(self) | {"maker": MAKER_VERSION}
        for key in ("name", "use", "reference"):
            del said[key]
        if self.second_scale == 1.0:  # as stacks were named before there were others
            del said["second_scale"]
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
        return f"{self.molecule}-{self.box}-{digest[:10]}"


def _table() -> list[Condition]:
    base = Condition("", "fit")
    real = replace(
        base,
        noise_spread=2.0,
        gain_spread=1.3,
        grey_low=0.5,
        grey_high=1.5,
        views="preferred",
        junk_part=0.2,
        shift_sigma_angstrom=10.0,
        is_normalised=True,
    )
    rows = []
    for snr in (0.1, 0.03, 0.01):
        rows.append(replace(base, name=f"white {snr:g}", noise="white", snr=snr))
        rows.append(replace(base, name=f"coloured {snr:g}", snr=snr))
    low = replace(base, snr=0.03)
    rows += [
        replace(low, name="views 0.03", views="preferred"),
        replace(low, name="grey 0.03", grey_low=0.5, grey_high=1.5),
        replace(low, name="micrographs 0.03", noise_spread=2.0, gain_spread=1.3),
        replace(low, name="two spectra 0.03", noise="two spectra"),
        replace(low, name="off 15 A 0.03", shift_sigma_angstrom=15.0),
        replace(base, name="off 25 A 0.1", shift_disc_angstrom=25.0),
        replace(base, name="junk 0.1", junk_part=0.2),
        replace(low, name="junk 0.03", junk_part=0.2),
        replace(base, name="no particle 0.1", use="test", junk_part=1.0),
        replace(low, name="no particle 0.03", use="test", junk_part=1.0),
        replace(real, name="all 0.1"),
        replace(real, name="all 0.03", snr=0.03),
        replace(base, name="masked 0.1", is_masked=True, noise="white"),
        replace(base, name="masked 0.02", is_masked=True, noise="white", snr=0.02),
        replace(base, name="premultiplied 0.1", is_premultiplied=True),
    ]
    fit_references = ("lowpass30", "constant", "third-cut", "random-phases")
    for kind in _references():
        use = "fit" if kind in fit_references else "test"
        rows.append(replace(base, name=f"reference {kind}", use=use, reference=kind))

    test = replace(base, use="test", seed=2)
    d7 = replace(test, molecule="proteasome", pixel_angstrom=3.6)
    d2 = replace(test, molecule="galactosidase", pixel_angstrom=3.6)
    for molecule in (d7, d2):
        rows += [
            replace(molecule, name=f"{molecule.molecule} white 0.1", noise="white"),
            replace(molecule, name=f"{molecule.molecule} coloured 0.03", snr=0.03),
            replace(
                real,
                use="test",
                seed=2,
                molecule=molecule.molecule,
                pixel_angstrom=molecule.pixel_angstrom,
                snr=0.1,
                name=f"{molecule.molecule} all 0.1",
            ),
        ]
    rows += [
        replace(test, name="ribosome 2 coloured 0.03", snr=0.03),
        replace(d7, name="proteasome two spectra 0.03", noise="two spectra", snr=0.03),
        replace(test, name="roomy box 96 0.03", snr=0.03, box=96),
        replace(test, name="box 128 0.03", snr=0.03, box=128, pixel_angstrom=2.6),
        replace(test, name="box 256 0.01", snr=0.01, box=256, pixel_angstrom=1.35, n=100),
        replace(
            d2, name="galactosidase patches 0.05", noise="patches", snr=0.05, box=96,
            pixel_angstrom=2.548,
        ),
        replace(d2, name="galactosidase masked 0.1", is_masked=True),
        replace(d7, name="proteasome premultiplied 0.03", is_premultiplied=True, snr=0.03),
        replace(test, name="joined stacks 0.03", snr=0.03, second_scale=30.0),
        replace(d7, name="proteasome noise-around 0.1", reference="noise-around"),
        replace(d2, name="galactosidase noise-around 0.1", reference="noise-around"),
    ]  # fmt: skip
    return rows


def _references() -> tuple[str, ...]:
    from realistic.molecules import REFERENCES

    return REFERENCES[1:]


CONDITIONS = {condition.name: condition for condition in _table()}
