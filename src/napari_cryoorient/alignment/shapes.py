"""The shapes that likelihood and climbs take and give, read as in ``projection/shapes.py``.

``b`` poses or images are compared pair by pair, at ``m`` frequencies or ``p`` points.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

Shifts = Annotated[Tensor, "b 2"]
AnyShifts = Annotated[Tensor, "*b 2"]
Frequencies = Annotated[Tensor, "p 2"]
PlanePoints = Annotated[Tensor, "b 3 n_frequencies"]
Slices = Annotated[Tensor, "b n_frequencies"]
Ramps = Annotated[Tensor, "*b n_frequencies"]
# Real and imaginary parts side by side.
RealValues = Annotated[Tensor, "b 2*p"]
RealGradients = Annotated[Tensor, "b 3 2*p"]
Templates = Annotated[Tensor, "b m"]
PerPose = Annotated[Tensor, "b"]
Steps = Annotated[Tensor, "b 5"]
