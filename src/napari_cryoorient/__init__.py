"""Orientations of cryo-EM particles from a reference map: core, command line, napari plugin.

For notebooks and scripts (docs/python.md)::

    import napari_cryoorient as nc

    found = nc.search(nc.read_particles("particles.star"), nc.read_map("map.mrc"), symmetry="D7")
    found.confidence
    nc.write_poses("found.star", found)

Importing the package imports nothing else; each name brings along what it needs when it is asked
for.
"""

from __future__ import annotations

import sys

_called = "".join(sys.argv[:1]).removesuffix(".exe")  # "-m" as long as Python looks for a module
if _called.endswith("napari-cryoorient") or (_called == "-m" and __name__ in sys.orig_argv):
    # The command line is starting. Ctrl-C is looked after before anything is imported.
    from napari_cryoorient.processes.interrupts import watch_signals

    watch_signals()

from importlib import import_module  # noqa: E402

TYPE_CHECKING = False  # as type checkers see it, without the import of typing

# Each name of the public face, and the module it is in.
_FACE = {
    "compare": "api.compare",
    "Comparison": "diagnosis.comparison",
    "filter_curve": "api.filter_curve",
    "FilterCurve": "diagnosis.filter_curve",
    "orientations": "api.orientations",
    "null_test": "api.null_test",
    "NullTest": "diagnosis.null_test",
    "pixel_size": "api.pixel_size",
    "Magnification": "diagnosis.magnification",
    "hand": "api.hand",
    "HandTest": "diagnosis.handedness",
    "OrientationReport": "diagnosis.orientations",
    "micrographs": "api.micrographs",
    "MicrographFigures": "diagnosis.micrographs",
    "evaluate": "api.evaluate",
    "export": "api.export",
    "ExportedFiles": "tasks.export",
    "Evaluation": "tasks.evaluate",
    "fsc": "api.maps",
    "reconstruct": "api.maps",
    "Reconstruction": "api.maps",
    "symmetry": "api.maps",
    "read_map": "api.files",
    "read_particles": "api.files",
    "write_map": "api.files",
    "write_particles": "api.files",
    "write_poses": "api.files",
    "PoseEstimates": "api.estimates",
    "predict": "api.predict",
    "project": "api.simulate",
    "simulate": "api.simulate",
    "refine": "api.refine",
    "relax": "api.relax",
    "RelaxedPoses": "api.relax",
    "search": "api.search",
    "Stopped": "api.progress",
    "train": "api.train",
    "TrainedNetwork": "api.network",
    "CompareConfig": "config",
    "EvaluateConfig": "config",
    "ExportConfig": "config",
    "FilterCurveConfig": "config",
    "FscConfig": "config",
    "HandConfig": "config",
    "MicrographsConfig": "config",
    "NullTestConfig": "config",
    "OrientationsConfig": "config",
    "PixelSizeConfig": "config",
    "RelaxConfig": "config",
    "ProjectConfig": "config",
    "SimulateConfig": "config",
    "SymmetryConfig": "config",
    "PredictConfig": "config",
    "ReconstructConfig": "config",
    "RefineConfig": "config",
    "SearchConfig": "config",
    "TrainConfig": "config",
    "InputError": "errors",
    "TrainingFailure": "errors",
    "euler_zyz_deg_to_matrix": "geometry.euler",
    "matrix_to_euler_zyz_deg": "geometry.euler",
    "ArrayImages": "particles",
    "CtfParameters": "particles",
    "DensityMap": "particles",
    "Particle": "particles",
    "ParticleSet": "particles",
    "Pose": "particles",
    "Poses": "particles",
    "ShellCorrelation": "maps.fsc",
    "DetectedSymmetry": "maps.symmetry.point_group",
}

if TYPE_CHECKING:
    from typing import Any

    __version__: str

    from napari_cryoorient.api.compare import compare
    from napari_cryoorient.api.estimates import PoseEstimates
    from napari_cryoorient.api.evaluate import evaluate
    from napari_cryoorient.api.export import export
    from napari_cryoorient.api.files import (
        read_map,
        read_particles,
        write_map,
        write_particles,
        write_poses,
    )
    from napari_cryoorient.api.filter_curve import filter_curve
    from napari_cryoorient.api.hand import hand
    from napari_cryoorient.api.maps import Reconstruction, fsc, reconstruct, symmetry
    from napari_cryoorient.api.micrographs import micrographs
    from napari_cryoorient.api.network import TrainedNetwork
    from napari_cryoorient.api.null_test import null_test
    from napari_cryoorient.api.orientations import orientations
    from napari_cryoorient.api.pixel_size import pixel_size
    from napari_cryoorient.api.predict import predict
    from napari_cryoorient.api.progress import Stopped
    from napari_cryoorient.api.refine import refine
    from napari_cryoorient.api.relax import RelaxedPoses, relax
    from napari_cryoorient.api.search import search
    from napari_cryoorient.api.simulate import project, simulate
    from napari_cryoorient.api.train import train
    from napari_cryoorient.config import (
        CompareConfig,
        EvaluateConfig,
        ExportConfig,
        FilterCurveConfig,
        FscConfig,
        HandConfig,
        MicrographsConfig,
        NullTestConfig,
        OrientationsConfig,
        PixelSizeConfig,
        PredictConfig,
        ProjectConfig,
        ReconstructConfig,
        RefineConfig,
        RelaxConfig,
        SearchConfig,
        SimulateConfig,
        SymmetryConfig,
        TrainConfig,
    )
    from napari_cryoorient.diagnosis.comparison import Comparison
    from napari_cryoorient.diagnosis.filter_curve import FilterCurve
    from napari_cryoorient.diagnosis.handedness import HandTest
    from napari_cryoorient.diagnosis.magnification import Magnification
    from napari_cryoorient.diagnosis.micrographs import MicrographFigures
    from napari_cryoorient.diagnosis.null_test import NullTest
    from napari_cryoorient.diagnosis.orientations import OrientationReport
    from napari_cryoorient.errors import InputError, TrainingFailure
    from napari_cryoorient.geometry.euler import euler_zyz_deg_to_matrix, matrix_to_euler_zyz_deg
    from napari_cryoorient.maps.fsc import ShellCorrelation
    from napari_cryoorient.maps.symmetry.point_group import DetectedSymmetry
    from napari_cryoorient.particles import (
        ArrayImages,
        CtfParameters,
        DensityMap,
        Particle,
        ParticleSet,
        Pose,
        Poses,
    )
    from napari_cryoorient.tasks.evaluate import Evaluation
    from napari_cryoorient.tasks.export import ExportedFiles

__all__ = [
    "ArrayImages",
    "CompareConfig",
    "Comparison",
    "CtfParameters",
    "DensityMap",
    "DetectedSymmetry",
    "EvaluateConfig",
    "Evaluation",
    "ExportConfig",
    "ExportedFiles",
    "FilterCurve",
    "FilterCurveConfig",
    "FscConfig",
    "HandConfig",
    "HandTest",
    "InputError",
    "Magnification",
    "MicrographFigures",
    "MicrographsConfig",
    "NullTest",
    "NullTestConfig",
    "OrientationReport",
    "OrientationsConfig",
    "Particle",
    "ParticleSet",
    "PixelSizeConfig",
    "Pose",
    "PoseEstimates",
    "Poses",
    "PredictConfig",
    "ProjectConfig",
    "ReconstructConfig",
    "Reconstruction",
    "RefineConfig",
    "RelaxConfig",
    "RelaxedPoses",
    "SearchConfig",
    "ShellCorrelation",
    "SimulateConfig",
    "Stopped",
    "SymmetryConfig",
    "TrainConfig",
    "TrainedNetwork",
    "TrainingFailure",
    "compare",
    "euler_zyz_deg_to_matrix",
    "evaluate",
    "export",
    "filter_curve",
    "fsc",
    "hand",
    "matrix_to_euler_zyz_deg",
    "micrographs",
    "null_test",
    "orientations",
    "pixel_size",
    "predict",
    "project",
    "read_map",
    "read_particles",
    "reconstruct",
    "refine",
    "relax",
    "search",
    "simulate",
    "symmetry",
    "train",
    "write_map",
    "write_particles",
    "write_poses",
]


def __getattr__(name: str) -> Any:
    """Import what a name of the public face needs (PEP 562)."""
    if name == "__version__":  # of what was installed; it takes a while to look up
        return _installed_version()
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FACE[name]}"), name)


def _installed_version() -> str:
    """Return the version; "unknown" for a source folder that was not installed."""
    metadata = import_module("importlib.metadata")
    try:
        return str(metadata.version("napari-cryoorient"))
    except metadata.PackageNotFoundError:
        return "unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
