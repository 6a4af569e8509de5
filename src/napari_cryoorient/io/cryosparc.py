"""cryoSPARC's particles in RELION's terms, and poses back into a ``.cs`` file.

``alignments3D/pose`` is the rotation vector r, in radians, of the transpose of RELION's matrix A;
``alignments3D/shift`` is RELION's origin, in pixels of ``alignments3D/psize_A``. ``blob/sign`` is
what images have to be multiplied by for particles to be bright: -1 where they are dark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from napari_cryoorient.errors import InputError
from napari_cryoorient.io.cs_file import CsFile, Records, with_fields
from napari_cryoorient.io.image_names import image_name
from napari_cryoorient.io.new_star import CONFIDENCE, pose_columns, printed
from napari_cryoorient.io.star_text import StarBlock, StarFile, quoted, text_table
from napari_cryoorient.particles import Floats, Integers, Poses

_IMAGES = ("blob/path", "blob/idx")
_POSE, _SHIFT, _PIXEL = "pose", "shift", "psize_A"
_MAIN, _MULTI = "alignments3D", "alignments3D_multi"
_POSTERIOR = "class_posterior"
_CLASS = re.compile(r"alignments_class(?:3D)?_\d+(?=/pose$)")
_PIXEL_RANGE_ANGSTROM = 1e-3, 1e4
_CONFIDENCE_FIELD = "cryoorient/confidence"
# STAR column, field, factor.
_OPTICS = (
    ("rlnVoltage", "ctf/accel_kv", 1.0),
    ("rlnSphericalAberration", "ctf/cs_mm", 1.0),
    ("rlnAmplitudeContrast", "ctf/amp_contrast", 1.0),
    ("rlnImagePixelSize", "blob/psize_A", 1.0),
)
_OF_PARTICLES = (
    ("rlnDefocusU", "ctf/df1_A", 1.0),
    ("rlnDefocusV", "ctf/df2_A", 1.0),
    ("rlnDefocusAngle", "ctf/df_angle_rad", 180.0 / np.pi),
    ("rlnPhaseShift", "ctf/phase_shift_rad", 180.0 / np.pi),
    ("rlnCtfBfactor", "ctf/bfactor", 1.0),
    (CONFIDENCE, _CONFIDENCE_FIELD, 1.0),
)
_NOT_USED = ("ctf/tilt_A", "ctf/trefoil_A", "ctf/tetra_A", "ctf/anisomag")
# What cryoSPARC's jobs keep with a pose: field, number type, value where no job has set it.
_ALIGNMENT = (
    ("alpha", "<f4", 1.0),
    ("alpha_min", "<f4", 0.0),
    ("class", "<u4", 0),
    ("class_ess", "<f4", 1.0),
    ("class_posterior", "<f4", 1.0),
    ("cross_cor", "<f4", 0.0),
    ("error", "<f4", 0.0),
    ("error_min", "<f4", 0.0),
    ("image_pow", "<f4", 0.0),
    ("pose_ess", "<f4", 1.0),
    ("resid_pow", "<f4", 0.0),
    ("shift_ess", "<f4", 1.0),
    ("slice_pow", "<f4", 0.0),
    ("weight", "<f4", 1.0),
)


def star_of_cs(cs: CsFile) -> StarFile:
    """Say in STAR's terms (RELION 3.1) what a ``.cs`` file says of each particle.

    Raises:
        InputError: where the file does not name the images, or not their pixel size.

    """
    missing = [field for field in (*_IMAGES, "blob/psize_A") if field not in cs]
    if missing:
        found = f" ({'; '.join(cs.notes)})" if cs.notes else ""
        raise InputError(
            f"{cs.path} has no {', '.join(missing)}{found}: put the job's passthrough file beside "
            "it, which names the images."
        )
    optics, group_of = _optics(cs)
    names = [path.removeprefix(">") for path in cs.text("blob/path")]
    numbers = cs["blob/idx"].astype(np.int64) + 1
    columns = {
        "rlnImageName": [quoted(image_name(i, n)) for i, n in zip(numbers, names, strict=True)],
        "rlnOpticsGroup": [str(group + 1) for group in group_of.tolist()],
    }
    if "location/micrograph_path" in cs:
        paths = [path.removeprefix(">") for path in cs.text("location/micrograph_path")]
        columns["rlnMicrographName"] = [quoted(path) for path in paths]
    poses = poses_of_cs(cs)
    if poses is not None:
        columns |= pose_columns(poses)
    for name, field, factor in _OF_PARTICLES:
        if field in cs:
            columns[name] = printed(_numbers(cs, field) * factor)
    if f"{_MAIN}/split" in cs:
        columns["rlnRandomSubset"] = [f"{half + 1:.0f}" for half in _numbers(cs, f"{_MAIN}/split")]
    if f"{_MAIN}/class" in cs:
        columns["rlnClassNumber"] = [f"{k + 1:.0f}" for k in _numbers(cs, f"{_MAIN}/class")]
    blocks = (StarBlock("optics", text_table(optics)), StarBlock("particles", text_table(columns)))
    return StarFile(blocks, cs.path, version="30001", cs=cs)


def notes_of_cs(cs: CsFile) -> list[str]:
    """Say what of a ``.cs`` file is not as a STAR file would have it."""
    notes = list(cs.notes)
    dark = 0 if (signs := signs_of_cs(cs)) is None else int((signs < 0).sum())
    if dark:
        many = "" if dark == len(cs) else f" for {dark} of {len(cs)} particles"
        notes.append(
            f"blob/sign is -1{many}: those images are negated as they are read; a STAR file cannot "
            "say so, for RELION turn the stacks' contrast"
        )
    unused = [field for field in _NOT_USED if field in cs and bool(np.any(cs[field] != 0))]
    if unused:
        notes.append(f"not used: {', '.join(unused)}")
    classes = _classes(cs)
    if len(classes) < 2:
        return notes
    if any(each.posterior is None for each in classes):
        notes.append(
            f"no poses: the file has those of {len(classes)} classes and no {_POSTERIOR} for each "
            "to say which class a particle is of"
        )
        return notes
    posterior = np.sort([each.posterior for each in classes], axis=0)
    equal = int((posterior[-1] == posterior[-2]).sum())
    first = f"; {equal} have several as probable, and the first is used" if equal else ""
    notes.append(f"poses are those of each particle's most probable class{first}")
    return notes


def signs_of_cs(cs: CsFile) -> Floats | None:
    """Return what each image has to be multiplied by ``(n,)``; None where they are as they are."""
    if "blob/sign" not in cs:
        return None
    signs = _numbers(cs, "blob/sign")
    unknown = np.flatnonzero(signs == 0)
    if unknown.size:
        raise InputError(
            f"{cs.path}: row {unknown[0] + 1} has 0 in blob/sign, where 1 or -1 says whether the "
            "images are bright or dark; export the file again."
        )
    if bool((signs > 0).all()):
        return None
    return np.where(signs < 0, -1.0, 1.0)


def poses_of_cs(cs: CsFile) -> Poses | None:
    """Return the poses, those of the most probable class where there are several.

    None where the file has no poses, or does not say which class is the most probable.
    """
    classes = _classes(cs)
    if not classes:
        return None
    of_class = np.zeros(len(cs), dtype=np.int64)
    if len(classes) > 1:
        posteriors = [each.posterior for each in classes if each.posterior is not None]
        if len(posteriors) < len(classes):
            return None
        of_class = np.stack(posteriors).argmax(0)
    from scipy.spatial.transform import Rotation  # loads slowly; STAR files do without

    vectors = _chosen([each.vectors for each in classes], of_class)
    shifts = _chosen([each.shifts for each in classes], of_class)
    pixels = _chosen([each.pixel_sizes for each in classes], of_class)
    matrices = Rotation.from_rotvec(vectors).as_matrix().transpose(0, 2, 1)
    return Poses(matrices, 0.0 - shifts * pixels[:, None])


def cs_with_poses(
    cs: CsFile, poses: Poses, *, confidence: Floats | None = None, rows: Integers | None = None
) -> Records:
    """Return the records (``rows`` of them) with new poses in ``alignments3D``, all fields kept.

    Pixels of the shifts stay those of ``alignments3D/psize_A``. Where no job has aligned the
    particles the fields that cryoSPARC keeps with a pose are added, the halves taking turns.
    ``confidence`` goes to a field of its own, ``cryoorient/confidence``.
    """
    if rows is not None:
        cs = CsFile(cs.records[np.asarray(rows)], cs.path)
    n = len(cs)
    if len(poses) != n or (confidence is not None and len(confidence) != n):
        raise ValueError(f"{len(poses)} poses for {n} records")
    pixels = _pixel_sizes(cs, _MAIN)
    from scipy.spatial.transform import Rotation

    vectors = Rotation.from_matrix(poses.rotations.transpose(0, 2, 1)).as_rotvec()
    new: dict[str, Records] = {}
    if f"{_MAIN}/{_POSE}" not in cs:
        new = {f"{_MAIN}/{name}": np.full(n, value, kind) for name, kind, value in _ALIGNMENT}
        new[f"{_MAIN}/split"] = (np.arange(n) % 2).astype("<u4")
        new = {name: column for name, column in new.items() if name not in cs}
    new[f"{_MAIN}/{_POSE}"] = vectors.astype("<f4")
    with np.errstate(over="ignore"):
        shifts = (-poses.shifts_angstrom / pixels[:, None]).astype("<f4")
    if not np.isfinite(shifts).all():
        row = int(np.argmin(np.isfinite(shifts).all(axis=1)))
        raise InputError(f"{cs.path}: row {row + 1} has a shift too large for a .cs file.")
    new[f"{_MAIN}/{_SHIFT}"] = shifts
    new[f"{_MAIN}/{_PIXEL}"] = pixels.astype("<f4")
    if confidence is not None:
        new[_CONFIDENCE_FIELD] = np.asarray(confidence, dtype="<f4")
    return with_fields(cs.records, new)


def _optics(cs: CsFile) -> tuple[dict[str, list[str]], Integers]:
    """Return the optics block's columns, and which of its rows is each particle's ``(n,)``."""
    present = [(name, field) for name, field, _ in _OPTICS if field in cs]
    values = [_numbers(cs, field) for _, field in present]
    exposures = _numbers(cs, "ctf/exp_group_id") if "ctf/exp_group_id" in cs else values[0] * 0
    groups, first, group_of = np.unique(
        np.stack([exposures, *values], axis=1), axis=0, return_index=True, return_inverse=True
    )
    numbers = [str(i + 1) for i in range(len(groups))]
    columns = {
        "rlnOpticsGroup": numbers,
        "rlnOpticsGroupName": [
            f"exposureGroup{int(group[0])}_{i}" for i, group in zip(numbers, groups, strict=True)
        ],
    }
    columns |= {name: printed(groups[:, i + 1]) for i, (name, _) in enumerate(present)}
    if "blob/shape" in cs:
        columns["rlnImageSize"] = [str(int(size)) for size in cs["blob/shape"][first][:, 0]]
    columns["rlnImageDimensionality"] = ["2"] * len(groups)
    return columns, np.asarray(group_of.ravel(), dtype=np.int64)


@dataclass(frozen=True)
class _OfClass:
    """What the file says of all particles as members of one class."""

    vectors: Floats  # (n, 3)
    shifts: Floats  # (n, 2), in pixels
    pixel_sizes: Floats  # (n,)
    posterior: Floats | None  # (n,)


def _classes(cs: CsFile) -> list[_OfClass]:
    """Return cryoSPARC's main poses as one class, else those of each class, else nothing."""
    n = len(cs)
    if f"{_MAIN}/{_POSE}" in cs:
        return [_of_class(cs, _MAIN)]
    prefixes = [match[0] for name in cs.fields if (match := _CLASS.match(name))]
    if prefixes:
        return [_of_class(cs, prefix) for prefix in prefixes]
    if f"{_MULTI}/{_POSE}" not in cs:
        return []
    vectors = _numbers(cs, f"{_MULTI}/{_POSE}")
    n_classes = vectors.shape[1] if vectors.ndim == 3 else 0
    _check_shape(cs, f"{_MULTI}/{_POSE}", (n, n_classes, 3))
    _check_shape(cs, f"{_MULTI}/{_SHIFT}", (n, n_classes, 2))
    shifts, pixels = _numbers(cs, f"{_MULTI}/{_SHIFT}"), _pixel_sizes(cs, _MULTI)
    # One pixel size for all classes, or one for each.
    pixels = np.broadcast_to(pixels[:, None] if pixels.ndim == 1 else pixels, (n, n_classes))
    posterior: Floats | None = None
    if f"{_MULTI}/{_POSTERIOR}" in cs:
        _check_shape(cs, f"{_MULTI}/{_POSTERIOR}", (n, n_classes))
        posterior = _numbers(cs, f"{_MULTI}/{_POSTERIOR}")
    return [
        _OfClass(
            vectors[:, k],
            shifts[:, k],
            pixels[:, k],
            None if posterior is None else posterior[:, k],
        )
        for k in range(n_classes)
    ]


def _of_class(cs: CsFile, prefix: str) -> _OfClass:
    n = len(cs)
    _check_shape(cs, f"{prefix}/{_POSE}", (n, 3))
    _check_shape(cs, f"{prefix}/{_SHIFT}", (n, 2))
    field = f"{prefix}/{_POSTERIOR}"
    return _OfClass(
        _numbers(cs, f"{prefix}/{_POSE}"),
        _numbers(cs, f"{prefix}/{_SHIFT}"),
        _pixel_sizes(cs, prefix),
        _numbers(cs, field) if field in cs else None,
    )


def _check_shape(cs: CsFile, field: str, shape: tuple[int, ...]) -> None:
    """Raise InputError where a field is missing, or has another shape than cryoSPARC gives it."""
    if field not in cs:
        raise InputError(f"{cs.path} has poses and no {field}; export it again.")
    if cs[field].shape != shape:
        raise InputError(
            f"{cs.path} has {field} of shape {cs[field].shape}, and {shape} is what cryoSPARC "
            "writes; export it again."
        )


def _pixel_sizes(cs: CsFile, prefix: str) -> Floats:
    field = f"{prefix}/{_PIXEL}"
    sizes = _numbers(cs, field) if field in cs else np.zeros(len(cs))
    if not sizes.any():  # not set where no job has aligned the particles
        field = "blob/psize_A"
        sizes = _numbers(cs, field)
    low, high = _PIXEL_RANGE_ANGSTROM
    odd = np.flatnonzero((sizes.reshape(len(cs), -1) < low) | (sizes.reshape(len(cs), -1) > high))
    if odd.size:
        raise InputError(
            f"{cs.path} has a pixel size of {sizes.ravel()[odd[0]]:g} A in {field}, which should "
            f"be from {low:g} to {high:g}."
        )
    return sizes


def _chosen(columns: list[Floats], of_class: Integers) -> Floats:
    """Take row i of column ``of_class[i]``."""
    return np.asarray(np.stack(columns)[of_class, np.arange(len(of_class))])


def _numbers(cs: CsFile, field: str) -> Floats:
    """Return a field as float64; raises InputError for values that are not finite numbers."""
    column = cs[field]
    if column.dtype.kind not in "iufb":
        raise InputError(f"{cs.path} has no numbers in {field}; export it again.")
    with np.errstate(over="ignore"):
        numbers = column.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers.reshape(len(cs), -1)).all(axis=1))
    if bad.size:
        raise InputError(f"{cs.path}: row {bad[0] + 1} has no finite number in {field}.")
    return np.asarray(numbers)
