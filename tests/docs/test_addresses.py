"""Links on the package index and the hub lead somewhere: whole addresses, of files that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
URLS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]
HOME, SITE = URLS["Homepage"], URLS["Documentation"]
SHOWN_ELSEWHERE = ["README.md", ".napari-hub/DESCRIPTION.md"]


def file_behind(address: str) -> Path | None:
    """Return the file of this repository that an address of its home or its site shows."""
    raw = HOME.replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"
    for start in (raw, f"{HOME}/blob/main/", f"{HOME}/tree/main/"):
        if address.startswith(start):
            return REPOSITORY / address.removeprefix(start)
    if address.startswith(SITE):
        page = address.removeprefix(SITE).partition("#")[0].strip("/")
        return REPOSITORY / "docs" / f"{page or 'index'}.md"
    return None


@pytest.mark.parametrize("name", SHOWN_ELSEWHERE)
def test_every_link_is_a_whole_address_and_ours_lead_to_files(name):
    links = re.findall(r"\]\(([^)\s]+)\)", (REPOSITORY / name).read_text())
    assert links
    assert not [link for link in links if not link.startswith("https://")]
    ours = [link for link in links if file_behind(link) is not None]
    assert ours
    assert not [link for link in ours if not file_behind(link).is_file()]


def test_site_and_citation_name_the_same_home():
    assert f"site_url: {SITE}\n" in (REPOSITORY / "mkdocs.yml").read_text()
    assert f"repo_url: {HOME}\n" in (REPOSITORY / "mkdocs.yml").read_text()
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["repository-code"] == HOME
    assert citation["url"] == SITE


def test_the_index_is_offered_what_napari_s_hub_shows():
    assert {"Homepage", "Documentation", "Bug Tracker", "User Support", "Changelog"} <= set(URLS)


def test_the_moving_picture_is_small_enough_to_be_loaded_at_once():
    assert (REPOSITORY / "docs" / "images" / "training.gif").stat().st_size < 3_000_000
