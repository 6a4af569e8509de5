"""What the commands that can be spread over workers have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_cryoorient.cli.settings_flags import build_settings
from napari_cryoorient.config import SpreadConfig

if TYPE_CHECKING:
    from napari_cryoorient.reporting import Reporter
    from napari_cryoorient.tasks.spread import Spread


def spread_settings(settings: dict[str, Any]) -> SpreadConfig:
    """Take those of ``settings`` out that say how the work is spread."""
    own = {name: settings.pop(name) for name in SpreadConfig.model_fields if name in settings}
    return build_settings(SpreadConfig, own)


def is_only_shown(spreading: SpreadConfig) -> bool:
    """Print the job script where that alone is asked for, and tell whether it was."""
    if not spreading.dry_run:
        return False
    from napari_cryoorient.cluster.workers import job_script

    print(job_script(spreading).rstrip())
    return True


@contextmanager
def spread_as(
    spreading: SpreadConfig, *task: Any, reporter: Reporter, **files: Any
) -> Iterator[Spread]:
    """Give how a command's work is spread (``Workplace.spread``); at once needs no import of it."""
    if not spreading.is_spread and spreading.parts is None:
        from napari_cryoorient.tasks.spread import AT_ONCE

        yield AT_ONCE
        return
    from napari_cryoorient.cluster.commands import Workplace

    with Workplace(spreading, reporter) as place, place.spread(*task, **files) as spread:
        yield spread
