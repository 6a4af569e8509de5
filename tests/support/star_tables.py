"""Three particles as the columns of RELION's STAR files, of each version."""

from __future__ import annotations

BOX, PIXEL = 16, 1.5
ANGLES = [(10.0, 20.0, 30.0), (-170.0, 90.0, 5.5), (100.25, 179.0, -60.125)]
ORIGINS = [(1.25, -2.5), (0.0, 0.0), (-7.125, 3.75)]  # angstrom


def table(block, columns):
    """Write a loop of ``columns``: name to a list of tokens."""
    names = "".join(f"_{name} #{i + 1}\n" for i, name in enumerate(columns))
    rows = "".join(" ".join(row) + "\n" for row in zip(*columns.values(), strict=True))
    return f"\ndata_{block}\n\nloop_\n{names}{rows}\n"


def poses_columns(unit="angstrom"):
    columns = {"rlnImageName": [f"{i + 1:06d}@stack.mrcs" for i in range(3)]}
    for i, name in enumerate(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")):
        columns[name] = [f"{angles[i]:.6f}" for angles in ANGLES]
    for i, name in enumerate(("rlnOriginX", "rlnOriginY")):
        if unit == "angstrom":
            columns[name + "Angst"] = [f"{origin[i]:.6f}" for origin in ORIGINS]
        else:
            columns[name] = [f"{origin[i] / PIXEL:.6f}" for origin in ORIGINS]
    return columns


OPTICS = {
    "rlnOpticsGroup": ["7", "3"],
    "rlnOpticsGroupName": ["a", "b"],
    "rlnVoltage": ["300.0", "200.0"],
    "rlnSphericalAberration": ["2.7", "0.01"],
    "rlnAmplitudeContrast": ["0.1", "0.07"],
    "rlnImagePixelSize": ["1.5", "1.5"],
    "rlnImageSize": ["16", "16"],
}
DEFOCUS = {
    "rlnDefocusU": ["10000.0", "12000.5", "15000"],
    "rlnDefocusV": ["9000.0", "11000", "14000"],
    "rlnDefocusAngle": ["45.0", "-10.0", "80.5"],
}
MODERN = poses_columns() | DEFOCUS | {"rlnOpticsGroup": ["3", "7", "3"]}
OLD = (
    poses_columns("pixels")
    | DEFOCUS
    | {
        "rlnVoltage": ["300"] * 3,
        "rlnSphericalAberration": ["2.7"] * 3,
        "rlnAmplitudeContrast": ["0.1"] * 3,
        "rlnDetectorPixelSize": ["6.0"] * 3,
        "rlnMagnification": ["40000.0"] * 3,
    }
)


def changed(columns, **new):
    return {**columns, **new}


def without(columns, *names):
    return {name: values for name, values in columns.items() if name not in names}


FILES = {
    "3.1": (MODERN, OPTICS, "particles"),
    "3.0": (OLD, None, "images"),
    "3.0-unnamed": (OLD, None, ""),
    "3.1-pixels": (
        changed(poses_columns("pixels"), **DEFOCUS, rlnOpticsGroup=["3", "7", "3"]),
        OPTICS,
        "particles",
    ),
}
