"""Time left as people want it told: it counts down, and when it grows it says why."""

from __future__ import annotations

# An end later than the one told by less than this part of the whole is not worth a word.
PATIENCE = 0.1


class Countdown:
    """Turns estimates that waver into a time that only grows with a reason."""

    def __init__(self) -> None:
        self._end_s: float | None = None  # when it will be over, as last told
        self.is_slower = False

    def update(self, now_s: float, left_s: float) -> float:
        """Take an estimate made at ``now_s``; return the seconds left to tell of.

        ``is_slower`` is true from the moment the work takes clearly longer than was told.
        """
        end_s = now_s + left_s
        if self._end_s is None or end_s <= self._end_s:
            self._end_s, self.is_slower = end_s, False
        elif end_s > self._end_s + PATIENCE * max(self._end_s, 1.0):
            self._end_s, self.is_slower = end_s, True
        return max(self._end_s - now_s, 0.0)
