"""Whether this process may have the memory that the libraries themselves take."""

from __future__ import annotations

# Under less OpenBLAS ends the process, and imports fail half-way in many ways, or Arrow at the end.
LEAST_BYTES = 1_000_000_000
TOO_LITTLE_MEMORY = (
    "This process may have too little memory for the program's libraries: PyTorch alone needs "
    "about 2 GB of address space; raise the limit of the shell (ulimit -v) or of the job."
)
_SAID_OF_NO_ROOM = ("failed to map segment", "cannot allocate memory", "cannot create thread")


def is_address_space_short() -> bool:
    """Tell whether ``ulimit -v`` allows less than any command needs."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    return allowed != resource.RLIM_INFINITY and allowed < LEAST_BYTES


def is_library_without_room(error: BaseException) -> bool:
    """Tell whether a library found no room in memory when it was to be loaded."""
    said = str(error).lower()
    return isinstance(error, ImportError) and any(words in said for words in _SAID_OF_NO_ROOM)
