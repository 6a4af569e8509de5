"""Sample data for napari's File menu: made by code, offline, kept in the temporary folder."""

from __future__ import annotations

from napari_cryoorient.viewer.readers import LayerData


def asymmetric_sample() -> list[LayerData]:
    """Return particles of a map without symmetry beside its projections."""
    return _sample("C1")


def d2_sample() -> list[LayerData]:
    """Return particles of a D2 map beside its projections."""
    return _sample("D2")


def d7_sample() -> list[LayerData]:
    """Return particles of a D7 map beside its projections."""
    return _sample("D7")


def _sample(symmetry: str) -> list[LayerData]:
    from napari_cryoorient.session.sample import make_sample
    from napari_cryoorient.viewer.show import layers_of

    star, map_path = make_sample(symmetry)
    return layers_of(star, map_path)
