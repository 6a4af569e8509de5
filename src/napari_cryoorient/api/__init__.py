"""What ``import napari_cryoorient`` offers: one function a task, in memory or from files.

No flags, folders of runs, screens or processes; nothing is printed.  Wherever particles or a map
are asked for, a path will do.
"""
