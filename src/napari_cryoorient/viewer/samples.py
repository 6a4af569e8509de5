"""Sample data for napari's File menu: particles made by code, offline, and maps of EMDB."""

from __future__ import annotations

from dataclasses import replace

from napari_cryoorient.io import emdb
from napari_cryoorient.viewer.readers import LayerData, map_layer

MAP_BOX = 128  # voxels: what any graphics card turns at ease


def asymmetric_sample() -> list[LayerData]:
    """Return particles of a map without symmetry beside its projections."""
    return _sample("C1")


def d2_sample() -> list[LayerData]:
    """Return particles of a D2 map beside its projections."""
    return _sample("D2")


def d7_sample() -> list[LayerData]:
    """Return particles of a D7 map beside its projections."""
    return _sample("D7")


def ribosome_80s_sample() -> list[LayerData]:
    """Return EMDB's map of an 80S ribosome (EMD-2660)."""
    return _emdb_sample(emdb.RIBOSOME_80S)


def beta_galactosidase_sample() -> list[LayerData]:
    """Return EMDB's map of beta-galactosidase (EMD-2984)."""
    return _emdb_sample(emdb.BETA_GALACTOSIDASE)


def proteasome_20s_sample() -> list[LayerData]:
    """Return EMDB's map of a 20S proteasome (EMD-6287)."""
    return _emdb_sample(emdb.PROTEASOME_20S)


def _sample(symmetry: str) -> list[LayerData]:
    from napari_cryoorient.session.sample import make_sample
    from napari_cryoorient.viewer.show import layers_of

    star, map_path = make_sample(symmetry)
    return layers_of(star, map_path)


def _emdb_sample(entry: emdb.EmdbMap) -> list[LayerData]:
    """Fetch a map and bring it to a box for looking at; its file stays whole in the cache."""
    from napari_cryoorient.io.fetch import cache_folder
    from napari_cryoorient.io.maps import read_map
    from napari_cryoorient.simulation.simulate import working_map

    path = emdb.fetch_emdb_map(entry, cache_folder() / "emdb")
    density = read_map(path)
    if density.box > MAP_BOX:
        density = replace(working_map(density, MAP_BOX), path=path)
    return [map_layer(density, name=f"{entry.name} {entry.title}")]
