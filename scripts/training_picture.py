"""Make the moving picture on top of the README: a training in a real napari window.

    scripts/with_screen.sh .venv/bin/python scripts/training_picture.py [FILE]

FILE is ``docs/images/training.gif`` unless given.  The run takes about two minutes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from screenshots import Studio

from napari_cryoorient.session.sample import make_sample

MINUTES, N_PARTICLES = 1.0, 2000
PAUSE_S = 2.0  # between two frames; the picture plays faster than life
CHANGE_OF_W = (8, 0.5)  # after this many frames w goes to this value
FRAME_MS, LAST_FRAME_MS = 250, 2500
WIDTH = 900  # px, as wide as a page shows it
N_COLOURS = 192
MOST_BYTES = 3_000_000  # what a reader on a slow line still waits for


def record(studio: Studio, work: Path) -> list[Image.Image]:
    """Train on made particles, change w on the way, and return the frames."""
    dock, session = studio.dock, studio.dock.session
    star, map_path = make_sample("C1", work / "sample", n=N_PARTICLES)
    dock.controller.load(star, map_path)
    studio.wait_for(lambda: session.data.is_trainable)
    frames = [frame_of(studio)]
    dock.show_step("2 Train")
    session.change_settings(minutes=MINUTES)
    dock.controller.train()
    studio.wait_for(lambda: session.run is not None and len(session.run.metrics) > 0)
    while session.run is not None and not session.run.is_over:
        studio.rest(PAUSE_S)
        frames.append(frame_of(studio))
        if len(frames) == CHANGE_OF_W[0]:
            session.change_settings(w=CHANGE_OF_W[1])
    studio.wait_for(lambda: session.inspection.kind == "predictions" and not dock.jobs.busy)
    studio.rest(3.0)
    return [*frames, frame_of(studio)]


def frame_of(studio: Studio) -> Image.Image:
    """Return the window as it is, as small as a page shows it."""
    pixels = studio.viewer.window.screenshot(flash=False, canvas_only=False)
    image = Image.fromarray(pixels).convert("RGB")
    return image.resize((WIDTH, round(WIDTH * image.height / image.width)), Image.Resampling.BOX)


def palette_of(frames: Sequence[Image.Image]) -> Image.Image:
    """Return colours for all frames; the octree keeps the rare bright ones of curves and points."""
    some = frames[:: max(len(frames) // 4, 1)]
    width, height = some[0].size
    tall = Image.new("RGB", (width, height * len(some)))
    for place, frame in enumerate(some):
        tall.paste(frame, (0, place * height))
    return tall.quantize(N_COLOURS, method=Image.Quantize.FASTOCTREE)


def save(frames: Sequence[Image.Image], path: Path, *, frame_ms: int = FRAME_MS) -> None:
    """Write a GIF with one palette, so that what stands still costs nothing."""
    palette = palette_of(frames)
    few = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [frame_ms] * (len(few) - 1) + [LAST_FRAME_MS]
    few[0].save(path, save_all=True, append_images=few[1:], duration=times, loop=0, optimize=True)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size} bytes, more than {MOST_BYTES}: take fewer frames")
    print(f"{path}: {len(few)} frames, {size / 1e6:.1f} MB")


def main(path: Path) -> None:
    """Open the window, record a training, and write the picture."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        studio = Studio(path.parent, work)
        save(record(studio, work), path)
        studio.viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images/training.gif"))
