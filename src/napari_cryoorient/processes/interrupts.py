"""Ctrl-C and the batch system's stop, from the first moment of the program to its last.

While modules are imported the program ends at once: an exception there would come out as some
module's failure. Later a signal is a KeyboardInterrupt, and what was begun is tidied up. The module
is imported before all others, so it imports next to nothing.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what the module signal is made of, without the enumerations, which take time
import os
import sys
import types

PROGRAM = "napari-cryoorient"
STOPPED = "Interrupted; finished files are kept, half-written ones are not."
# Ctrl-C, the batch system, and a terminal that is closed.
STOPPING: tuple[int, ...] = tuple(
    int(getattr(_signal, name))
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(_signal, name)
)
_DELIVER_AGAIN_S = 0.02
_first_received: int | None = None
_has_begun = False


def watch_signals() -> None:
    """Take the signals to stop, but for those that whoever started the program has turned off."""
    for number in STOPPING:
        if _signal.getsignal(number) in (_signal.SIG_DFL, _signal.default_int_handler):
            _signal.signal(number, _on_signal)
    sys.unraisablehook = _deliver_again


def begin() -> None:
    """From here on a signal is an exception, except while something is imported."""
    global _has_begun
    _has_begun = True


def end() -> None:
    """The status is final: signals no longer change it."""
    for number in STOPPING:
        if _signal.getsignal(number) is _on_signal:
            _signal.signal(number, _signal.SIG_IGN)


def note_signal(number: int) -> None:
    """Keep which signal asked this process to stop, the first if there are several."""
    global _first_received
    if _first_received is None:
        _first_received = int(number)


def forget_signals() -> None:
    """Start over, for a process that carries out several commands."""
    global _first_received
    _first_received = None


def status_of_stop() -> int:
    """Return the exit status of a process that was stopped: 128 and the signal, as shells say."""
    return 128 + int(_signal.SIGINT if _first_received is None else _first_received)


def is_status_of_stop(status: int) -> bool:
    """Tell whether an exit status says that a process was stopped by one of these signals."""
    return status in {code for number in STOPPING for code in (-number, 128 + number)}


def _on_signal(number: int, frame: types.FrameType | None) -> None:
    note_signal(number)
    if _has_begun and not _is_importing(frame):
        raise KeyboardInterrupt
    _leave()


def _is_importing(frame: types.FrameType | None) -> bool:
    """Tell whether a module is being imported, or text executed as one.

    CPython ends with another status where an interrupt came out of such text, even if handled.
    """
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith("<frozen importlib"):
            return True
        if code.co_filename == "<string>" and code.co_name == "<module>" and frame.f_back:
            return True
        frame = frame.f_back
    return False


def _leave() -> None:
    """Say it in one line, remove what is half-written, and end."""
    for module, tidy in (("io.atomic", "discard_unfinished"), ("io.scratch", "remove_own")):
        known = getattr(sys.modules.get(f"napari_cryoorient.{module}"), tidy, None)
        if known is not None:  # it has been imported, whole
            known()
    status = status_of_stop()
    lines = [(2, f"{PROGRAM}: {STOPPED}\n")]
    if "--json" in sys.argv:
        lines.append((1, f'{{"error": "{STOPPED}", "status": {status}}}\n'))
    for stream, line in lines:
        try:  # noqa: SIM105  contextlib takes time to import
            os.write(stream, line.encode())
        except OSError:
            pass
    os._exit(status)


def _deliver_again(lost: sys.UnraisableHookArgs) -> None:
    """Interrupt once more where Python had to drop the first, as in a destructor."""
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
        return
    import _thread
    import threading

    timer = threading.Timer(_DELIVER_AGAIN_S, _thread.interrupt_main)
    timer.daemon = True
    timer.start()
