"""Variables of the environment by which programs that start a command talk to it."""

# A program that starts a command names a file in this one, and reads in it how far the command is
# (see ``cli.progress.StatusFile``).
STATUS_VARIABLE = "NAPARI_CRYOORIENT_STATUS"
# A command that is given this one stops, as by Ctrl-C, once its standard input is closed: a program
# that keeps the other end of a pipe takes it along, however it ends itself.
ENDS_WITH_INPUT = "NAPARI_CRYOORIENT_ENDS_WITH_INPUT"
