"""Studies of many training runs: over w, folds, noise and representations, each in one folder."""
