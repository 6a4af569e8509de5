"""The names of the files that a simulation writes into its folder."""

STACK = "particles.mrcs"
MAP = "map.mrc"
STAR = "particles.star"
FILES = (STACK, MAP, STAR)
