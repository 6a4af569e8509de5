"""Which table of a STAR file lists the particles."""

from __future__ import annotations

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.star_text import StarBlock, StarFile

IMAGE_NAME = "rlnImageName"
OPTICS = "optics"


def particle_block(star: StarFile) -> StarBlock:
    """Return the block with rlnImageName: data_particles or a nameless one before others.

    Raises:
        InputError: where there is none, or two of one name so that particles would be left out.

    """
    found = blocks_of_images(star)
    if not found:
        names = ", ".join(f"data_{block.name}" for block in star.blocks)
        widest = max((block.columns for block in star.blocks), key=len)
        columns = ", ".join(f"_{column}" for column in widest[:4])
        raise InputError(
            f"{star.path} has no column _rlnImageName (it has {names} with {columns} ...); "
            "give a particle STAR as RELION or cryoSPARC writes it."
        )
    _refuse_twice(star, [block for block in found if block.name == found[0].name])
    _refuse_twice(star, [block for block in star.blocks if block.name == OPTICS])
    return found[0]


def blocks_of_images(star: StarFile) -> list[StarBlock]:
    """Return all blocks that name images, the one to take first."""
    found = [block for block in star.blocks if IMAGE_NAME in block.columns]
    return sorted(found, key=lambda block: block.name not in ("particles", ""))


def _refuse_twice(star: StarFile, blocks: list[StarBlock]) -> None:
    if len(blocks) > 1:
        lines = " and ".join(f"{block.line}" for block in blocks[:2])
        raise InputError(
            f"{star.path} has data_{blocks[0].name} {len(blocks)} times (lines {lines} ...): two "
            "files put together? Join them with relion_star_handler --combine instead."
        )
