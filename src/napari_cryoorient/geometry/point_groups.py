"""Rotational point groups by RELION's names and axes, as NumPy arrays.

A group is an array ``(g, 3, 3)`` of rotations G of the map.  Cn: n-fold on z.  Dn: n-fold on z,
2-fold on x.  T: 3-fold on z, the first of the others in the yz plane.  O: 4-folds on x, y, z.
I2 (= I): 2-folds on x, y, z, 5-folds in the xz plane.  I1: the same turned by 90 degrees about z.
I3 and I4: a 5-fold on z, I4 being I3 turned by 180 degrees.
"""

from __future__ import annotations

import functools
import math
import re

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.particles import Floats

ACCEPTED = "C1, C2, ..., D1, D2, ..., T, O, I, I1, I2, I3 or I4"
GOLDEN_RATIO = (1 + math.sqrt(5)) / 2


def point_group(name: str) -> Floats:
    """Return the rotations ``(g, 3, 3)`` of a point group, float64, the identity first.

    Raises:
        InputError: for a name that is not a rotational point group; groups with mirrors or an
            inversion (TD, TH, OH, IH, CnV ...) are refused, as no chiral particle has them.

    """
    wanted = name.strip().upper()
    if re.fullmatch(r"CI|CS|[CD][0-9]+[VH]|S[0-9]+|T[DH]|OH|I[1-5]?H", wanted):
        raise InputError(
            f"the symmetry {name!r} has mirrors, which particles of protein or nucleic acid cannot "
            f"have: give {ACCEPTED}"
        )
    if not re.fullmatch(r"[CD][1-9][0-9]{0,2}|T|O|I[1-4]?", wanted):
        raise InputError(f"the symmetry {name!r} is not known: give {ACCEPTED}")
    return _group(wanted).copy()


@functools.lru_cache(maxsize=64)
def _group(name: str) -> Floats:
    return _closure(_generators(name))


def _generators(name: str) -> list[Floats]:
    cyclic = re.fullmatch(r"([CD])([1-9][0-9]{0,2})", name)
    if cyclic:
        fold = int(cyclic[2])
        turns = [_turn((0, 0, 1), fold)]
        return turns if cyclic[1] == "C" else [*turns, _turn((1, 0, 0), 2)]
    if name == "T":
        # A second 3-fold at the tetrahedral angle, arccos(-1/3), from the one on z.
        return [_turn((0, 0, 1), 3), _turn((0, math.sqrt(8) / 3, -1 / 3), 3)]
    if name == "O":
        return [_turn((0, 0, 1), 4), _turn((1, 1, 1), 3)]
    # The 2-folds on the axes of the map; the 5-folds are the corners of an icosahedron.
    if name in ("I", "I2"):
        return [_turn((0, 0, 1), 2), _turn((1, 0, GOLDEN_RATIO), 5)]
    if name == "I1":
        return [_turn((0, 0, 1), 2), _turn((0, 1, GOLDEN_RATIO), 5)]
    # I3 and I4: the 5-fold of I2 nearest z brought to z by a turn about y; its opposite for I4.
    sign = 1 if name == "I3" else -1
    tilt = math.atan(1 / GOLDEN_RATIO)
    return [_turn((0, 0, 1), 5), _turn((sign * -math.sin(tilt), 0, math.cos(tilt)), 2)]


def _turn(axis: tuple[float, float, float], fold: int) -> Floats:
    """Return the rotation by 360 / fold degrees about an axis of the map (Rodrigues)."""
    angle = 2 * math.pi / fold
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    versine = 2 * math.sin(angle / 2) ** 2
    return np.asarray(np.eye(3) + math.sin(angle) * cross + versine * (cross @ cross))


def _closure(generators: list[Floats]) -> Floats:
    """Multiply generators until no new element appears; the identity comes first."""
    elements = np.eye(3)[None]
    newest = elements
    while len(newest):
        products = np.concatenate([newest @ generator for generator in generators])
        fresh: list[Floats] = []
        for product in products:
            known = np.concatenate([elements, fresh]) if fresh else elements
            if np.abs(known - product).max((1, 2)).min() > 1e-6:
                fresh.append(product)
        newest = np.array(fresh).reshape(-1, 3, 3)
        elements = np.concatenate([elements, newest])
    return elements
