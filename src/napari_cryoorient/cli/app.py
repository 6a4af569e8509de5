"""The commands, and the one place where a failure becomes a sentence and an exit status.

0 done; 1 a run failed in a way the user can act on; 2 bad input; 128 and the number of the signal
that stopped it: 130 for Ctrl-C, 143 for the batch system's SIGTERM, 129 for a closed terminal.
"""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from napari_cryoorient.cli.address_space import (
    TOO_LITTLE_MEMORY,
    is_address_space_short,
    is_library_without_room,
)
from napari_cryoorient.cli.commands import COMMANDS, module_of
from napari_cryoorient.cli.files import keeping_inputs
from napari_cryoorient.cli.home import ensure_home
from napari_cryoorient.cli.progress import print_json
from napari_cryoorient.cli.streams import guarded_streams, open_closed_streams
from napari_cryoorient.errors import InputError, TrainingFailure
from napari_cryoorient.io.kept_inputs import watching_inputs
from napari_cryoorient.io.scratch import remove_left_over
from napari_cryoorient.processes.interrupts import (
    PROGRAM,
    STOPPED,
    begin,
    end,
    forget_signals,
    status_of_stop,
    watch_signals,
)
from napari_cryoorient.processes.starter import end_with_input

# Python's own threshold of 700 objects has the collector go through what is being imported some 300
# times: a sixth of the start.
COLLECTED_AFTER = 10_000, 10, 10
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def program(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """Return the program with these commands alone, whose modules are loaded."""
    app = typer.Typer(
        name=PROGRAM,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in names:
        command = module_of(name)
        app.command(name, short_help=command.SUMMARY)(keeping_inputs(command.run))
    app.callback()(_describe)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        from napari_cryoorient import __version__

        print(__version__)
        raise typer.Exit


def _describe(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version"),
    ] = False,
) -> None:
    """Find the orientation of every particle in a cryo-EM stack from a reference map."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; with --json the last line says why it failed.

    Without ``arguments`` it is the program itself, whose streams and signals are looked after too.
    """
    if arguments is not None:
        return _main(list(arguments))
    gc.set_threshold(*COLLECTED_AFTER)
    open_closed_streams()
    watch_signals()
    begin()
    end_with_input()
    try:
        ensure_home()
        return _main(sys.argv[1:])
    except KeyboardInterrupt:  # between the end of the work and here
        print(f"{PROGRAM}: {STOPPED}", file=sys.stderr)
        return status_of_stop()
    finally:
        end()


def _main(given: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):  # a degree sign must not end a run on an ASCII terminal
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    forget_signals()
    with guarded_streams() as (out, err):
        status = _carry_out(given)
        out.flush()
        if out.failure is not None:
            status = status or _say_lost(out.failure)
        err.flush()
    out.let_go()
    err.let_go()
    return status


def _say_lost(failure: OSError) -> int:
    """Say that the results could not be printed, unless nobody wants them, as after ``head``."""
    if isinstance(failure, BrokenPipeError):
        return FAILED
    print(
        f"{PROGRAM}: The results could not be printed ({failure.strerror}); files are written: "
        "give standard output another place.",
        file=sys.stderr,
    )
    return BAD_INPUT


def _carry_out(given: list[str]) -> int:
    """Run one command; every failure becomes one line on stderr and a status."""

    def say(message: str, status: int) -> int:
        sentence = " ".join(message.split())
        print(f"{PROGRAM}: {sentence}", file=sys.stderr)
        if "--json" in given:
            print_json({"error": sentence, "status": status})
        return status

    if is_address_space_short():
        return say(TOO_LITTLE_MEMORY, FAILED)
    try:
        remove_left_over()
        with watching_inputs():
            # A command that is named is loaded alone: the others would take half the start.
            app = program(given[:1] if given[:1] and given[0] in COMMANDS else COMMANDS)
            status = app(args=given, prog_name=PROGRAM, standalone_mode=False)
    except InputError as error:
        return say(str(error), BAD_INPUT)
    except TrainingFailure as error:
        return say(str(error), FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return say(STOPPED, status_of_stop())
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return say(f"{where}{error.strerror or error}.", BAD_INPUT)
    except Exception as error:
        if _is_usage_error(error):
            said: str = error.format_message()  # type: ignore[attr-defined]
            return say(said.replace("Value error, ", ""), BAD_INPUT)
        if is_library_without_room(error):
            return say(TOO_LITTLE_MEMORY, FAILED)
        if _is_out_of_memory(error):
            return say("Memory ran out: choose a smaller --box or other --device.", FAILED)
        if "--json" in given:
            print_json({"error": f"{type(error).__name__}: {error}", "status": FAILED})
        raise
    if status == INTERRUPTED:  # typer takes the interrupt itself, and says nothing
        return say(STOPPED, status_of_stop())
    return status if isinstance(status, int) else 0


def _is_usage_error(error: Exception) -> bool:
    """Tell errors in the flags; their class is click's or typer's own copy of it, by release."""
    return any(base.__name__ == "ClickException" for base in type(error).__mro__)


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether memory ran out; a device can only have done so once torch is loaded."""
    if isinstance(error, MemoryError):
        return True
    if "torch" not in sys.modules:
        return False
    from napari_cryoorient.device import is_out_of_memory

    return is_out_of_memory(error)
