"""ImageNet weights: from a file server on this machine, from a file, or not at all."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from napari_cryoorient.errors import InputError
from napari_cryoorient.networks.vgg import vgg16_blocks
from napari_cryoorient.networks.weights import load_imagenet_weights


@pytest.fixture(scope="module")
def vgg16_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file laid out as torchvision's, with made weights and a classifier nobody wants."""
    path = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    generator = torch.Generator().manual_seed(1)
    state = {
        f"features.{key}": torch.randn(value.shape, generator=generator)
        for key, value in vgg16_blocks().state_dict().items()
    }
    state["features.28.weight"] = torch.zeros(3)
    state["classifier.6.bias"] = torch.zeros(1000)
    torch.save(state, path)
    return path


@dataclass
class Server:
    url: str
    n_requests: int = 0


@pytest.fixture
def server(vgg16_file: Path) -> Iterator[Server]:
    content = vgg16_file.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            counted.n_requests += 1
            if self.path != "/vgg16.pth":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    counted = Server(f"http://127.0.0.1:{httpd.server_port}/vgg16.pth")
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield counted
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_filled(features: torch.nn.Sequential, path: Path) -> None:
    wanted = torch.load(path, weights_only=True)
    for key, value in features.state_dict().items():
        torch.testing.assert_close(value, wanted[f"features.{key}"], rtol=0, atol=0)


def test_release_file_is_fetched_once_and_kept_small(vgg16_file, server, tmp_path: Path):
    for _ in range(2):
        features = vgg16_blocks()
        note = load_imagenet_weights(
            features,
            url=server.url,
            sha256=sum_of(vgg16_file),
            cache=tmp_path,
        )
        assert note.startswith("VGG16 blocks start from ImageNet weights")
        assert_filled(features, vgg16_file)
    assert server.n_requests == 1
    assert [p.name for p in tmp_path.iterdir()] == [
        f"vgg16-{sum_of(vgg16_file)[:8]}-blocks-1-3.pth"
    ]


def test_file_with_another_checksum_is_not_used(server, tmp_path: Path):
    features = vgg16_blocks()
    before = features[0].weight.clone()
    note = load_imagenet_weights(features, url=server.url, cache=tmp_path)
    assert note.startswith("WARNING")
    assert "397923af" in note
    torch.testing.assert_close(features[0].weight, before, rtol=0, atol=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["/absent.pth", None], ids=["404", "refused"])
def test_unreachable_file_is_a_loud_notice_and_he_initialisation(server, tmp_path, place):
    base = server.url.rsplit("/", 1)[0]
    url = base + place if place else "http://127.0.0.1:9/vgg16.pth"
    note = load_imagenet_weights(vgg16_blocks(), url=url, cache=tmp_path)
    assert note.startswith("WARNING")
    assert "He initialisation" in note
    assert "--weights" in note


def test_damaged_cache_is_fetched_again(vgg16_file, server, tmp_path: Path):
    whole = sum_of(vgg16_file)
    (tmp_path / f"vgg16-{whole[:8]}-blocks-1-3.pth").write_bytes(b"half a file")
    features = vgg16_blocks()
    load_imagenet_weights(features, url=server.url, sha256=whole, cache=tmp_path)
    assert_filled(features, vgg16_file)


def test_local_file_is_used_and_must_fit(vgg16_file, tmp_path: Path):
    features = vgg16_blocks()
    load_imagenet_weights(features, str(vgg16_file))
    assert_filled(features, vgg16_file)

    other = tmp_path / "resnet.pth"
    torch.save({"conv1.weight": torch.zeros(2)}, other)
    with pytest.raises(InputError, match=r"features\.0\.weight"):
        load_imagenet_weights(vgg16_blocks(), str(other))
    other.write_text("<html>")
    with pytest.raises(InputError, match="not a PyTorch"):
        load_imagenet_weights(vgg16_blocks(), str(other))
    with pytest.raises(InputError, match="No weights file"):
        load_imagenet_weights(vgg16_blocks(), str(tmp_path / "absent.pth"))


def test_none_is_said():
    assert "as requested" in load_imagenet_weights(vgg16_blocks(), "none")
