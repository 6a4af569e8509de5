"""From a map to images: Fourier slices, CTF, shifts, cropping and filtering."""
