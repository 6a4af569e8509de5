"""What a search finds where there is nothing to find: the measure of what it finds otherwise."""
