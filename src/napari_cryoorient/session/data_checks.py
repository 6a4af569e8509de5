"""What is found out about new data in the background: symmetry, and whether the map belongs."""

from __future__ import annotations

from napari_cryoorient.session.background import BackgroundJobs, Notify
from napari_cryoorient.session.session import Session
from napari_cryoorient.session.suggest import find_symmetry, symmetry_words
from napari_cryoorient.session.verdict import verdict_on_poses


class DataChecks:
    """Looks at what is loaded and tells the session, unless other data are loaded by then."""

    def __init__(self, session: Session, jobs: BackgroundJobs, notify: Notify) -> None:
        self._session = session
        self._jobs = jobs
        self._notify = notify

    def start(self) -> None:
        """Look at what is loaded now."""
        self._look_for_symmetry()
        self._compare_with_decoys()

    def _look_for_symmetry(self) -> None:
        session, density = self._session, self._session.data.density
        if density is None or session.map_symmetry:
            return

        def take(words: str) -> None:
            if session.data.density is density:
                session.set_map_symmetry(words)

        self._jobs.start(
            "Finding the map's symmetry",
            lambda: symmetry_words(find_symmetry(density)),
            take,
            self._notify.error,
        )

    def _compare_with_decoys(self) -> None:
        session, data = self._session, self._session.data
        if data.particles is None or data.particles.poses is None or data.projector is None:
            return

        def take(sentence: str) -> None:
            if session.data is data:
                session.set_verdict(sentence)

        self._jobs.start(
            "Comparing with decoys", lambda: verdict_on_poses(data), take, self._notify.error
        )
