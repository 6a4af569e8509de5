"""The settings of every command that has many, as frozen configs.

Each field has its words, unit and range in a ``Setting``, declared once: flags on the command
line, rows in the panel, arguments of child processes and Python keywords are made from the fields.
"""

from napari_cryoorient.config.base import Config
from napari_cryoorient.config.diagnosis import (
    CompareConfig,
    EvaluateConfig,
    FilterCurveConfig,
    FscConfig,
    HandConfig,
    MicrographsConfig,
    NullTestConfig,
    OrientationsConfig,
    PixelSizeConfig,
    RelaxConfig,
    SymmetryConfig,
)
from napari_cryoorient.config.export import ExportConfig, ExportFormat
from napari_cryoorient.config.jobs import (
    PredictConfig,
    ReconstructConfig,
    RefineConfig,
    SearchConfig,
)
from napari_cryoorient.config.simulate import ProjectConfig, SimulateConfig
from napari_cryoorient.config.spreading import QUEUES, SpreadConfig
from napari_cryoorient.config.train import (
    PRESETS,
    Labels,
    Precision,
    Preset,
    PresetTraits,
    Representation,
    TrainConfig,
)
from napari_cryoorient.settings import DeviceName, InvertContrast

__all__ = [
    "PRESETS",
    "QUEUES",
    "CompareConfig",
    "Config",
    "DeviceName",
    "EvaluateConfig",
    "ExportConfig",
    "ExportFormat",
    "FilterCurveConfig",
    "FscConfig",
    "HandConfig",
    "InvertContrast",
    "Labels",
    "MicrographsConfig",
    "NullTestConfig",
    "OrientationsConfig",
    "PixelSizeConfig",
    "Precision",
    "PredictConfig",
    "Preset",
    "PresetTraits",
    "ProjectConfig",
    "ReconstructConfig",
    "RefineConfig",
    "RelaxConfig",
    "Representation",
    "SearchConfig",
    "SimulateConfig",
    "SpreadConfig",
    "SymmetryConfig",
    "TrainConfig",
]
