"""A stack beside its map: pairing, batches, spectra, statistics, odd images, work in chunks."""
