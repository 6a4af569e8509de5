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
# Of a search: s shifts, v views, b images, in-plane orders and twice the rings.
TriedShifts = Annotated[Tensor, "s 2"]
PerTriedShift = Annotated[Tensor, "s"]
PerShift = Annotated[Tensor, "*b"]
Directions = Annotated[Tensor, "d 3"]
Group = Annotated[Tensor, "g 3 3"]
Nearest = Annotated[Tensor, "v k"]
ChosenViews = Annotated[Tensor, "b n"]
Cells = Annotated[Tensor, "*c"]
CellRotations = Annotated[Tensor, "*c 3 3"]
ViewRotations = Annotated[Tensor, "v 3 3"]
BandValues = Annotated[Tensor, "b m"]
BandPowers = Annotated[Tensor, "c m"]
ImagesOnRings = Annotated[Tensor, "orders parts b"]
TwofoldImages = Annotated[Tensor, "orders parts 2 b"]
ViewsOnRings = Annotated[Tensor, "orders v parts"]
TwofoldViews = Annotated[Tensor, "orders 2*v parts"]
