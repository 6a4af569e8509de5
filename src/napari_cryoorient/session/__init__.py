"""The one mutable state of the window, and what follows from it; without Qt and without napari."""
