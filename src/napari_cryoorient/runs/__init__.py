"""The run folder: what is in it, written and read, and the inputs it was made from."""
