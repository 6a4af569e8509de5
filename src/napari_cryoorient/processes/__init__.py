"""Signals and interrupts, told to work that can stop."""
