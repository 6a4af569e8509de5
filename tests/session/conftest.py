from support.session import BOX, PIXEL_SIZE, AtOnce, N, Stack, Told, made

__all__ = ["BOX", "PIXEL_SIZE", "AtOnce", "N", "Stack", "Told", "made"]
