"""From images with poses to a map, and how well two maps agree."""
