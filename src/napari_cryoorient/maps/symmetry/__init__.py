"""Which point group a map has, where its axes lie, and how one map lies against another."""

from napari_cryoorient.maps.symmetry.align import MapAlignment, align_maps, turned_map
from napari_cryoorient.maps.symmetry.detect import (
    detect_symmetry,
    has_symmetry,
    is_pseudo_symmetry,
)
from napari_cryoorient.maps.symmetry.point_group import DetectedSymmetry, name_of_axis

__all__ = [
    "DetectedSymmetry",
    "MapAlignment",
    "align_maps",
    "detect_symmetry",
    "has_symmetry",
    "is_pseudo_symmetry",
    "name_of_axis",
    "turned_map",
]
