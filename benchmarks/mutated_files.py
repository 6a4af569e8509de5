"""Read files with random damage: no traceback, no hang, no more than 1 GB.

    python benchmarks/mutated_files.py [--n 10000] [--seed 0] [--keep DIR]

Makes a particle set as STAR files of two dialects, as ``.cs`` files, as stacks and as maps, damages
copies of them (bits, numbers, words, lines, lengths, header fields) and gives each to what the
commands call: particles opened, images read, poses written in both dialects and as ``.cs``. Each
has to end in a result or in one sentence. Prints a line of JSON for each kind of file; files that
end otherwise are kept in DIR, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

import napari_cryoorient as nc
from napari_cryoorient import DensityMap, InputError, Poses
from napari_cryoorient.io.new_star import new_particle_star
from napari_cryoorient.io.pose_table import read_pose_table
from napari_cryoorient.io.stacks import MrcStackCollection, StackWriter
from napari_cryoorient.io.star import read_particles, write_poses, write_star
from napari_cryoorient.io.star_dialect import in_dialect

N_IMAGES, BOX, PIXEL = 12, 16, 2.0
MOST_SECONDS, MOST_SECONDS_WAITING, MOST_GB = 10, 120, 1.0
STACK = "particles.mrcs"
NUMBERS = (0, 1, -1, 2, 3, 4, 101, 255, 65535, 2**16, 2**24, 2**30, 2**31 - 1, -(2**31))
FLOATS = (0.0, -1.0, 1e-38, 1e38, float("inf"), float("nan"))
WORDS = (
    *(b"", b"nan", b"inf", b"-1", b"0", b"1e400", b"1e300", b"9" * 30, b"0.5", b"1,5", b"0x10"),
    *(b"data_", b"data_x", b"loop_", b"DATA_", b"_rlnImageName", b"_", b"#", b"'", b'"', b"'a b'"),
    *(b"@", b"1@", b"0@particles.mrcs", b"99@particles.mrcs", b"1@/dev/null", b"1@..", b";"),
    *(b"\xff", b"\xc3\xa9", b"\0", b"\r", b"\t", b"\x0b", b"\x1a", b"-999", b"None", b"3.0"),
)
LINES = (
    *(b"", b"data_", b"data_particles", b"data_optics", b"loop_", b"_rlnNew #99", b"# version 9"),
    *(b"#", b"_rlnImageName #1", b"_rlnTomoName #2", b"hello", b"_rlnA 1 2 3", b"stop_"),
)

Damage = Callable[[bytes, np.random.Generator], bytes]


def main() -> int:
    """Damage and read ``--n`` files, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kinds = made_files(Path(folder))
        share = -(-given.n // len(kinds))
        n_bad = 0
        for kind, sources in kinds.items():
            began = time.monotonic()
            ends, slowest = run(kind, sources, share, given.seed, given.keep)
            bad = {end: n for end, n in ends.items() if end not in ("read", "refused")}
            n_bad += sum(bad.values())
            gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
            n_bad += gb > MOST_GB
            line = {"kind": kind, "files": share, "read": ends["read"], "refused": ends["refused"]}
            line |= {"bad": bad, "slowest_s": round(slowest, 2), "peak_gb_so_far": round(gb, 3)}
            print(json.dumps(line | {"seconds": round(time.monotonic() - began, 1)}), flush=True)
    return int(n_bad > 0)


def run(
    kind: str, sources: list[Path], n: int, seed: int, keep: Path | None = None
) -> tuple[Counter[str], float]:
    """Read ``n`` damaged copies; return how many ended how, and the longest time in seconds."""
    ends: Counter[str] = Counter()
    slowest = 0.0
    contents = [path.read_bytes() for path in sources]
    damages = DAMAGES[kind]
    for i in range(n):
        rng = np.random.default_rng([seed, i, *kind.encode()])
        source = sources[i % len(sources)]
        content = contents[i % len(sources)]
        for _ in range(1 if rng.random() < 0.7 else 3):
            content = damages[rng.integers(len(damages))](content, rng)
        path = source.with_name(f"damaged{source.suffix}")
        path.write_bytes(content)
        began = time.process_time()
        try:
            with warnings.catch_warnings(), limited_time():
                warnings.simplefilter("error")
                READERS[kind](path)
            end = "read"
        except InputError as error:
            end = "refused" if "\n" not in str(error) else "refused in several lines"
        except TooSlow:
            end = "hang"
        except Exception as error:  # what this program is there to find
            end = f"{type(error).__name__}: {str(error)[:120]}"
        ends[end] += 1
        slowest = max(slowest, time.process_time() - began)
        if end not in ("read", "refused") and keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, keep / f"{kind}-{i}{source.suffix}")
    return ends, slowest


class TooSlow(BaseException):
    """A file that took longer than it may."""


@contextmanager
def limited_time() -> Iterator[None]:
    """Raise TooSlow where what is within takes too long.

    Processor time counts, for the machine may be busy; what waits without end, as on a pipe, uses
    none, and is ended by the clock.
    """

    def stop(*_: object) -> None:
        raise TooSlow

    limits = (
        (signal.SIGPROF, signal.ITIMER_PROF, MOST_SECONDS),
        (signal.SIGALRM, signal.ITIMER_REAL, MOST_SECONDS_WAITING),
    )
    before = [signal.signal(number, stop) for number, _, _ in limits]
    for _, timer, seconds in limits:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(limits, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def made_files(folder: Path) -> dict[str, list[Path]]:
    """Write the whole files into ``folder`` and return them by kind."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(N_IMAGES, BOX, BOX)).astype(np.float32)
    with StackWriter(folder / STACK, N_IMAGES, BOX, PIXEL) as writer:
        writer.append(images)
    rotations = Rotation.random(N_IMAGES, random_state=1).as_matrix()
    poses = Poses(rotations, rng.normal(size=(N_IMAGES, 2)))
    halves = np.arange(N_IMAGES) % 2 + 1
    modern = new_particle_star(
        STACK, poses, box=BOX, pixel_size_angstrom=PIXEL, random_subset=halves
    )
    write_star(modern, folder / "modern.star")
    write_star(in_dialect(modern, "3.0"), folder / "old.star")
    quoted = (folder / "modern.star").read_bytes().replace(b"opticsGroup1", b"'optics group' # 1")
    (folder / "quoted.star").write_bytes(quoted)
    records = made_records(rotations)
    names = [name for name in records.dtype.names if not name.startswith("alignments3D/")]
    for name, array in (("whole.cs", records), ("bare.cs", records[names])):
        with (folder / name).open("wb") as file:
            np.save(file, array)
    nc.write_map(
        folder / "map.mrc", DensityMap(rng.normal(size=(BOX, BOX, BOX)).astype(np.float32), PIXEL)
    )
    (folder / "map.mrc.gz").write_bytes(gzip.compress((folder / "map.mrc").read_bytes()))
    (folder / "zipped.mrcs").write_bytes(bz2.compress((folder / STACK).read_bytes()))
    return {
        "star": [folder / name for name in ("modern.star", "old.star", "quoted.star")],
        "cs": [folder / name for name in ("whole.cs", "bare.cs")],
        "stack": [folder / name for name in (STACK, "zipped.mrcs")],
        "map": [folder / name for name in ("map.mrc", "map.mrc.gz")],
    }


def made_records(rotations: np.ndarray) -> np.ndarray:
    """Return records such as cryoSPARC's, with several classes beside the main poses."""
    fields = [
        ("uid", "<u8"),
        ("blob/path", "S16"),
        ("blob/idx", "<u4"),
        ("blob/shape", "<u4", (2,)),
    ]
    fields += [(f"blob/{name}", "<f4") for name in ("psize_A", "sign")]
    ctf = ("accel_kv", "cs_mm", "amp_contrast", "df1_A", "df2_A", "df_angle_rad")
    fields += [(f"ctf/{name}", "<f4") for name in ctf]
    fields += [("alignments3D/split", "<u4"), ("alignments3D/pose", "<f4", (3,))]
    fields += [("alignments3D/shift", "<f4", (2,)), ("alignments3D/psize_A", "<f4")]
    multi = (("pose", (2, 3)), ("shift", (2, 2)), ("psize_A", (2,)), ("class_posterior", (2,)))
    fields += [(f"alignments3D_multi/{name}", "<f4", shape) for name, shape in multi]
    records = np.ones(len(rotations), dtype=fields)
    records["uid"] = np.arange(len(rotations)) + 10**18
    records["blob/path"] = f">{STACK}".encode()
    records["blob/idx"] = np.arange(len(rotations))
    records["blob/shape"] = BOX
    records["blob/psize_A"] = PIXEL
    for name, value in zip(ctf, (300, 2.7, 0.1, 15000, 14000, 0.5), strict=True):
        records[f"ctf/{name}"] = value
    records["alignments3D/pose"] = Rotation.from_matrix(rotations).as_rotvec()
    records["alignments3D_multi/class_posterior"][:, 1] = 0.5
    return records


def read_particle_file(path: Path) -> None:
    """Open particles, read some images, and write their poses every way there is."""
    particles, star = read_particles(path)
    particles.images.read([0, len(particles) - 1])
    poses = particles.poses
    read_pose_table(path)
    out = path.with_name("out.star")
    write_star(in_dialect(star, "3.0"), out)
    write_star(in_dialect(star, "3.1", image_size=BOX), out)
    if poses is not None:
        write_poses(star, poses, out)
        read_pose_table(out)
        if star.cs is not None:
            write_poses(star, poses, out.with_suffix(".cs"))


def read_stack(path: Path) -> None:
    """Read the first and the last image of a stack, resampled too."""
    for box in (None, BOX // 2):
        stack = MrcStackCollection.of_one(path, PIXEL, box=box)
        stack.read([0, len(stack) - 1])


def in_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Change some bytes anywhere, or among the first, where headers are."""
    changed = bytearray(content)
    reach = len(changed) if rng.random() < 0.5 else min(len(changed), 1024)
    for at in rng.integers(0, max(1, reach), rng.integers(1, 9)):
        changed[at : at + 1] = bytes([rng.integers(256)])
    return bytes(changed)


def in_length(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut, leave out, repeat or insert a piece."""
    start, end = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    piece = content[start:end]
    random = rng.bytes(int(rng.integers(1, 64)))
    choices = (
        content[:end],
        content[:start] + content[end:],
        content[:end] + piece + content[end:],
        content[:start] + random + content[start:],
        content[:start] + b"\0" * len(piece) + content[end:],
    )
    return choices[rng.integers(len(choices))]


def in_numbers(content: bytes, rng: np.random.Generator) -> bytes:
    """Put an extreme number into an aligned word, of the header as a rule."""
    reach = 256 if rng.random() < 0.8 else len(content) // 4
    at = 4 * int(rng.integers(0, max(1, min(reach, len(content) // 4))))
    order = "<>"[rng.integers(2)]
    if rng.random() < 0.7:
        word = struct.pack(f"{order}i", NUMBERS[rng.integers(len(NUMBERS))])
    else:
        word = struct.pack(f"{order}f", FLOATS[rng.integers(len(FLOATS))])
    return content[:at] + word + content[at + 4 :]


def in_words(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace one word of a line by another."""
    lines = content.split(b"\n")
    at = int(rng.integers(len(lines)))
    words = lines[at].split(b" ")
    words[rng.integers(len(words))] = WORDS[rng.integers(len(WORDS))]
    lines[at] = b" ".join(words)
    return b"\n".join(lines)


def in_digits(content: bytes, rng: np.random.Generator) -> bytes:
    """Exchange some digits for others, or for a sign, a point or an exponent."""
    changed = bytearray(content)
    places = [at for at, letter in enumerate(content) if letter in b"0123456789"]
    for at in rng.choice(places or [0], rng.integers(1, 6)):
        changed[at : at + 1] = b"01234567890123456789-.e"[(k := rng.integers(23)) : k + 1]
    return bytes(changed)


def in_lines(content: bytes, rng: np.random.Generator) -> bytes:
    """Leave out, repeat, exchange or insert lines, or end all lines otherwise."""
    lines = content.split(b"\n")
    a, b = rng.integers(0, len(lines), 2).tolist()
    choice = rng.integers(6)
    if choice == 0:
        del lines[a]
    elif choice == 1:
        lines.insert(b, lines[a])
    elif choice == 2:
        lines[a], lines[b] = lines[b], lines[a]
    elif choice == 3:
        lines.insert(a, LINES[rng.integers(len(LINES))])
    elif choice == 4:
        lines[min(a, b) : max(a, b)] = lines[min(a, b) : max(a, b)] * 2
    else:
        return (b"\r\n", b"\r", b"\n\n")[rng.integers(3)].join(lines)
    return b"\n".join(lines)


def unpacked_damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Damage what is in a compressed file, and compress it again."""
    for module in (gzip, bz2):
        try:
            inside = module.decompress(content)
        except (OSError, EOFError, ValueError, zlib.error):
            continue
        return module.compress(in_numbers(inside, rng))
    return in_numbers(content, rng)


DAMAGES: dict[str, list[Damage]] = {
    "star": [in_bytes, in_length, in_words, in_words, in_digits, in_digits, in_digits, in_lines],
    "cs": [in_bytes, in_length, in_numbers, in_numbers],
    "stack": [in_bytes, in_length, in_numbers, unpacked_damage, unpacked_damage],
    "map": [in_bytes, in_length, in_numbers, unpacked_damage, unpacked_damage],
}
READERS: dict[str, Callable[[Path], object]] = {
    "star": read_particle_file,
    "cs": read_particle_file,
    "stack": read_stack,
    "map": nc.read_map,
}

if __name__ == "__main__":
    sys.exit(main())
