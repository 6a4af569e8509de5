"""Variables of the environment by which programs that start a command talk to it."""

# A program that starts a command names a file in this one, and reads in it how far the command is
# (see ``cli.progress.StatusFile``).
STATUS_VARIABLE = "NAPARI_CRYOORIENT_STATUS"
