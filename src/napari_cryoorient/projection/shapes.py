"""The shapes of what this room takes and gives, as its signatures say them.

A name is one length throughout a call, ``*b`` any leading axes, ``#b`` b or 1; an argument that is
a number may stand in an expression by its name.  The tests check every call
(``tests/support/shapes.py``); at run time these are plain tensors.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

Images = Annotated[Tensor, "*b n n"]
HalfPlanes = Annotated[Tensor, "*b n n//2+1"]
Volume = Annotated[Tensor, "n n n"]
Rotations = Annotated[Tensor, "b 3 3"]
ResizedImages = Annotated[Tensor, "*b box box"]
ResizedHalfPlanes = Annotated[Tensor, "*b box box//2+1"]
ResizedVolume = Annotated[Tensor, "box box box"]
# Points x, y, z of a half space, whose parts are real and imaginary over z, y, x.
HalfSpace = Annotated[Tensor, "2 d d e"]
Points = Annotated[Tensor, "b 3 p"]
Values = Annotated[Tensor, "b p"]
