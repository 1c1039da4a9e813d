"""Fetching against a real HTTP server on loopback that misbehaves on demand."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aib.data.sources import CHUNK_BYTES, fetch
from aib.errors import AibError
from aib.params import ArchiveDataset

FILE = "archive.tar.gz"
CONTENT = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(12_000))
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
SIZE, CUT = len(CONTENT), 100_000


class Handler(BaseHTTPRequestHandler):
    """The first part of the path says how the server behaves."""

    def do_GET(self):
        behaviour = self.path.split("/")[-2]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        self.server.requests.append((behaviour, start))
        getattr(self, f"answer_{behaviour}")(start)

    def answer_good(self, start, content=CONTENT, stop=None):
        if start >= len(content):
            self._head(416, 0)
        else:
            where = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            self._head(206 if start else 200, len(content) - start, where if start else {})
            self.wfile.write(content[start:stop])

    def answer_cut(self, start):
        self.answer_good(start, stop=start + CUT)

    def answer_stall(self, start):
        self.answer_good(start, stop=2 * CHUNK_BYTES)
        self.server.released.wait()

    def answer_no_range(self, _):
        self.answer_good(0)

    def answer_missing(self, _):
        self._head(404, 0)

    def answer_wrong(self, start):
        self.answer_good(start, bytes(len(CONTENT)))

    def answer_page(self, _):
        self.answer_good(0, b"<html>Please log in</html>")

    def answer_encoded(self, _):
        self._head(200, len(CONTENT), {"Content-Encoding": "x-gzip"})
        self.wfile.write(CONTENT)

    def answer_loop(self, _):
        self._head(302, 0, {"Location": self.path})

    def answer_huge(self, _):
        self._head(200, 1 << 60)

    def answer_no_length(self, _):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT)

    def _head(self, status, length, more=None):
        self.send_response(status)
        for name, value in {"Content-Length": length, **(more or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("AIB_MIRROR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests, server.released = [], threading.Event()
        server.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def dataset(*addresses, size=SIZE, checksum=CHECKSUM):
    return ArchiveDataset(
        kind="archive",
        file=FILE,
        addresses=addresses,
        checksum=checksum,
        bytes=size,
        decoder="cifar-python",
        classes=("cat", "dog"),
        image_size=32,
        unpacked_limit=1,
        horizontal_flip=True,
    )


def at(server, *behaviours, **fields):
    return dataset(*(f"{server.address}/{behaviour}/{FILE}" for behaviour in behaviours), **fields)


def message_of(wanted, folder) -> str:
    """The message of a fetch that must fail, in one line and without a file left behind."""
    with pytest.raises(AibError) as caught:
        fetch(wanted, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {f"{FILE}.lock"}


def test_fetches_once_and_then_finds_the_file(server, tmp_path):
    for _ in range(2):
        path = fetch(at(server, "good"), tmp_path / "new" / "folder")
        assert path.read_bytes() == CONTENT
    assert server.requests == [("good", 0)]
    assert files(path.parent) == {FILE}


def test_md5_is_understood(server, tmp_path):
    checksum = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    assert fetch(at(server, "good", checksum=checksum), tmp_path).read_bytes() == CONTENT


def test_a_wrong_file_present_is_explained_and_left_alone(server, tmp_path):
    (tmp_path / FILE).write_bytes(b"mine")
    message = message_of(at(server, "good"), tmp_path)
    found = f"sha256:{hashlib.sha256(b'mine').hexdigest()}"
    for part in (str(tmp_path / FILE), CHECKSUM, found, "delete"):
        assert part in message
    assert (tmp_path / FILE).read_bytes() == b"mine"
    assert server.requests == []


def test_addresses_are_tried_in_turn(server, tmp_path):
    wanted = at(server, "missing", "page", "loop", "wrong", "good", "missing")
    assert fetch(wanted, tmp_path).read_bytes() == CONTENT
    tried = dict.fromkeys(behaviour for behaviour, _ in server.requests)
    assert list(tried) == ["missing", "page", "loop", "wrong", "good"]


def test_when_all_fail_each_address_is_named_with_its_reason(server, tmp_path):
    wanted = at(server, "missing", "page", "wrong", "loop")
    message = message_of(wanted, tmp_path)
    zeros = hashlib.sha256(bytes(len(CONTENT))).hexdigest()
    reasons = ("HTTP 404", "offers 26 bytes", f"found sha256:{zeros}", "redirects")
    for address, reason in zip(wanted.addresses, reasons, strict=True):
        assert re.search(f"{re.escape(address)}: [^;]*{reason}", message)
    for part in (FILE, CHECKSUM, "AIB_MIRROR"):
        assert part in message
    assert files(tmp_path) == set()


def test_no_network_is_one_line(server, tmp_path):
    server.server_close()
    message = message_of(at(server, "good"), tmp_path)
    assert "no connection" in message
    assert "AIB_MIRROR" in message


def test_no_address_at_all_is_one_line(server, tmp_path):
    assert "no address is known" in message_of(dataset(), tmp_path)


def test_a_cut_download_keeps_its_bytes_and_resumes(server, tmp_path):
    message = message_of(at(server, "cut"), tmp_path)
    assert "the connection was cut" in message
    assert files(tmp_path) == {f"{FILE}.partial"}
    kept = (tmp_path / f"{FILE}.partial").stat().st_size
    assert 0 < kept <= CUT
    assert f"{kept:,} bytes are kept" in message

    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("good", kept)
    assert files(tmp_path) == {FILE}


def test_the_next_address_continues_a_cut_download(server, tmp_path):
    assert fetch(at(server, "cut", "cut", "good"), tmp_path).read_bytes() == CONTENT
    starts = [start for _, start in server.requests]
    assert starts[0] == 0 < starts[1] < starts[2]


def test_a_killed_process_resumes(server, tmp_path):
    code = "import sys; from test_data_sources import *; fetch(dataset(sys.argv[1]), Path('.'))"
    python_path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", code, f"{server.address}/stall/{FILE}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": python_path},
        stderr=subprocess.DEVNULL,
    )
    partial = tmp_path / f"{FILE}.partial"
    while not partial.exists() or partial.stat().st_size < 2 * CHUNK_BYTES:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("stall", 0), ("good", 2 * CHUNK_BYTES)]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    (tmp_path / f"{FILE}.partial").write_bytes(CONTENT[:CUT])
    assert fetch(at(server, "no_range"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("no_range", CUT)]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_download_killed_after_its_last_byte_is_only_verified(server, tmp_path, size):
    (tmp_path / f"{FILE}.partial").write_bytes(CONTENT)
    assert fetch(at(server, "good", size=size), tmp_path).read_bytes() == CONTENT
    assert server.requests == ([] if size else [("good", len(CONTENT))])


def test_stale_kept_bytes_do_not_spoil_a_good_address(server, tmp_path):
    (tmp_path / f"{FILE}.partial").write_bytes(b"stale")
    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("good", 5), ("good", 0)]


def test_a_page_instead_of_the_file_does_not_cost_the_kept_bytes(server, tmp_path):
    (tmp_path / f"{FILE}.partial").write_bytes(CONTENT[:CUT])
    assert fetch(at(server, "page", "good"), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("good", CUT)


def test_unknown_size(server, tmp_path):
    assert fetch(at(server, "no_length", size=None), tmp_path).read_bytes() == CONTENT


def test_a_server_that_declares_the_archive_as_encoding(server, tmp_path):
    assert fetch(at(server, "encoded"), tmp_path).read_bytes() == CONTENT


def test_a_full_disk_is_noticed_before_the_transfer(server, tmp_path):
    message = message_of(at(server, "huge", "good", size=None), tmp_path)
    assert "MB free" in message
    assert str(tmp_path) in message
    assert files(tmp_path) == set()


def test_mirror_folder_comes_first(server, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / FILE).write_bytes(CONTENT)
    monkeypatch.setenv("AIB_MIRROR", f"{tmp_path / 'absent'}, {mirror}/")
    assert fetch(at(server, "good"), tmp_path / "kept").read_bytes() == CONTENT
    assert server.requests == []
    assert (mirror / FILE).read_bytes() == CONTENT


def test_mirror_address_comes_first(server, tmp_path, monkeypatch):
    monkeypatch.setenv("AIB_MIRROR", f"{server.address}/missing {server.address}/no_range/")
    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT
    assert [behaviour for behaviour, _ in server.requests] == ["missing", "no_range"]


def test_a_mirror_without_the_right_file_is_passed_over(server, tmp_path, monkeypatch, capsys):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / FILE).write_bytes(b"old")
    monkeypatch.setenv("AIB_MIRROR", str(mirror))
    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT
    assert f"{mirror / FILE}: expected {CHECKSUM}" in capsys.readouterr().err


def test_one_fetch_at_a_time(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch(at(server, "good"), tmp_path), range(4)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert server.requests == [("good", 0)]


def test_without_a_terminal_a_line_at_start_and_end(server, tmp_path, capsys):
    wanted = at(server, "good")
    fetch(wanted, tmp_path)
    start, end = capsys.readouterr().err.splitlines()
    assert wanted.addresses[0] in start
    assert "0.4 MB" in start
    assert "verified" in end


@pytest.mark.parametrize("progress", [True, False])
def test_on_a_terminal_a_bar_with_the_rate(server, tmp_path, monkeypatch, capsys, progress):
    monkeypatch.setenv("FORCE_COLOR", "1")  # how rich is told of a terminal
    fetch(at(server, "good"), tmp_path, progress)
    assert bool(re.search(r"[kM]B/s", capsys.readouterr().err)) == progress


def test_a_host_known_to_be_slow_is_announced(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("http_proxy", server.address)
    fetch(dataset(f"http://www.cs.toronto.edu/good/{FILE}"), tmp_path)
    assert "about an hour" in capsys.readouterr().err
