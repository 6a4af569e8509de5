"""What the program says, in the window's words: its units, and names of what the panel has."""

from __future__ import annotations

import re

# Flags of the command line that messages name, as the panel calls them.
_IN_THE_PANEL = {
    "--pixel-size gives the map's": "the button under 1 Data uses the stack's for the map",
    "--pixel-size": "the pixel size",
    "--project-dir": "the Project folder under File > Preferences > CryoOrient",
    "--invert-contrast no forbids it": "Invert contrast: no, under More settings, forbids it",
    "--invert-contrast yes": "Invert contrast: yes, under More settings,",
    "--invert-contrast": "Invert contrast",
    "--labels simulated": "Labels from: projections of the map",
    "--labels search": "Labels from: a global search",
    "--labels star": "Labels from: the STAR file's poses",
    "--preset fast": "Preset: fast",
    "--device cpu": "Device: cpu",
    "--learning-rate": "Learning rate",
    "--test-fraction": "Test fraction",
    "--warm-up": "Warm-up",
    "--n-folds": "Folds",
    "--fold": "Held-out fold",
    "--minutes": "Time",
    "--symmetry": "Symmetry",
    "--weights": "Weights",
    "--box": "Working box",
    "--from": "Fine-tune from",
    "--map": "a map",
}
_FLAG = re.compile("|".join(re.escape(f) for f in sorted(_IN_THE_PANEL, key=len, reverse=True)))
_PATH_FIRST = re.compile(
    r"(?P<folder>(?:[A-Za-z]:)?[\\/](?:[^\\/\n]+[\\/])*)(?P<name>[^\\/\n]+?)(?=:| [a-z])"
)
_ANGSTROM = re.compile(r"(?<=[0-9]) A(?![\w'])")


def on_screen(sentence: str) -> str:
    """Say a sentence of the program in the window's words: Å, and no flags."""
    sentence = _FLAG.sub(lambda m: _IN_THE_PANEL[m.group()], sentence)
    return path_last(_ANGSTROM.sub(" Å", sentence))


def warning_of(line: str, *, is_negated: bool = False) -> str:
    """Return the warning in a line that a command said; empty where there is none to be told.

    That particles are turned over is under 1 Data already, where they are: ``is_negated``.
    """
    _, found, warning = line.partition("WARNING: ")
    if not found or (is_negated and warning.startswith("contrast is inverted, ")):
        return ""
    return warning[:1].upper() + warning[1:]


def path_last(sentence: str) -> str:
    """Let a sentence that begins with a path begin with the file's name; the path comes last."""
    found = _PATH_FIRST.match(sentence)
    if found is None:
        return sentence
    return f"{found['name']}{sentence[found.end() :]} ({found['folder']}{found['name']})"


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 image, 2 images."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
