"""The names of all files of a run folder; nothing else spells them."""

from __future__ import annotations

RECORD = "run.json"
"""The ``RunRecord``: state, settings, inputs (``runs/record.py``)."""
CONTROL = "control.json"
"""What the user asks of a running run: ``w`` and ``stop``."""
METRICS = "metrics.jsonl"
"""A line of figures for each report."""
LOG = "log.txt"
"""Sentences with their time."""
TERMINAL = "terminal.txt"
"""What the process printed, where a window or a study started it."""
PREVIEW = "preview.npz"
"""A few held-out particles with their projections at the true and the predicted poses."""
SPLIT = "split.npz"
"""``train_rows`` and ``test_rows`` of the STAR file."""
CHECKPOINT = "checkpoint.pt"
"""The network and the state of its training; all that ``predict`` needs."""
POSES = "poses.star"
"""The STAR file with predicted poses, written last."""

RUN_FILES = (RECORD, CONTROL, METRICS, LOG, TERMINAL, PREVIEW, SPLIT, CHECKPOINT, POSES)
