"""What napari sees of the project: readers and layers. Nothing here imports a Qt binding."""
