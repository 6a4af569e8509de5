"""Maps of EMDB: fetched once from a server on this machine, checked, refused in a sentence."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from napari_cryoorient.errors import InputError
from napari_cryoorient.io import emdb
from napari_cryoorient.io.emdb import EmdbMap, fetch_emdb_map
from napari_cryoorient.io.maps import read_map, write_map
from napari_cryoorient.particles import DensityMap

PATH = "/EMD-1/map/emd_1.map.gz"


@dataclass
class Server:
    url: str
    content: bytes = b""
    sends: int | None = None  # bytes, if not all
    asked_for: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked_for.append(self.path)
            if self.path != PATH:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(told.content)))
            self.end_headers()
            self.wfile.write(told.content[: told.sends])

        def log_message(self, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Server(f"http://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield told
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def entry(server: Server, tmp_path: Path) -> EmdbMap:
    voxels = np.random.default_rng(2).normal(size=(8, 8, 8)).astype(np.float32)
    write_map(DensityMap(voxels, 2.5), tmp_path / "made.mrc")
    server.content = gzip.compress((tmp_path / "made.mrc").read_bytes())
    return EmdbMap(1, "a made map", "C1", hashlib.sha256(server.content).hexdigest())


def test_a_map_is_fetched_once(server, entry, tmp_path):
    for _ in range(2):
        path = fetch_emdb_map(entry, tmp_path / "cache", url=server.url)
        assert read_map(path).pixel_size_angstrom == pytest.approx(2.5)
    assert server.asked_for == [PATH]


@pytest.mark.parametrize("what", ["cut short", "another"])
def test_what_is_not_the_map_is_refused_and_not_kept(server, entry, tmp_path, what):
    if what == "cut short":
        server.sends = len(server.content) // 2
    else:
        server.content = server.content[:-1] + b"\1"
    with pytest.raises(InputError, match=r"SHA-256 differs|could not be downloaded") as refused:
        fetch_emdb_map(entry, tmp_path / "cache", url=server.url)
    assert "\n" not in str(refused.value)
    assert not list((tmp_path / "cache").glob("*"))


def test_a_damaged_file_in_the_cache_is_fetched_again(server, entry, tmp_path):
    path = fetch_emdb_map(entry, tmp_path / "cache", url=server.url)
    path.write_bytes(b"half a file")
    fetch_emdb_map(entry, tmp_path / "cache", url=server.url)
    assert path.read_bytes() == server.content
    assert len(server.asked_for) == 2


@pytest.mark.parametrize("where", ["404", "offline"])
def test_a_map_that_cannot_be_had_is_a_sentence(server, entry, tmp_path, where):
    url = server.url + "/elsewhere" if where == "404" else "http://127.0.0.1:9"
    with pytest.raises(
        InputError, match=r"EMD-1 could not be downloaded from .*check the connection"
    ):
        fetch_emdb_map(entry, tmp_path / "cache", url=url)


def test_the_samples_have_checksums():
    for entry in (emdb.RIBOSOME_80S, emdb.BETA_GALACTOSIDASE, emdb.PROTEASOME_20S):
        assert len(bytes.fromhex(entry.sha256)) == 32
