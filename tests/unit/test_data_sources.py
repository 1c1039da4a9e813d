"""Fetching against a real HTTP server on loopback that misbehaves on demand."""

import gzip
import hashlib
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.progress import Progress

from aib.data import asking, progress, sources, transfer
from aib.data.sources import check_file, fetch
from aib.errors import AibError
from aib.params import Download

FILE = "archive.tar.gz"
CONTENT = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(12_000))
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
SIZE, CUT, LITTLE = len(CONTENT), 100_000, 1000
TRIES = sources.TRIES


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

    def answer_stuck(self, start):  # every connection ends at the same byte
        self.answer_good(start, stop=CUT)

    def answer_stall(self, start):
        self.answer_good(start, stop=LITTLE if self._count() == 1 else None)
        if self._count() == 1:
            self.server.released.wait()

    def answer_recovers(self, start):
        self._head(500, 0) if self._count() < TRIES else self.answer_good(start)

    def answer_broken(self, _):
        self._head(500, 0)

    def answer_busy(self, start):
        self._head(429, 0, {"Retry-After": 1}) if self._count() == 1 else self.answer_good(start)

    def answer_closed(self, _):
        self._head(503, 0, {"Retry-After": 3600})

    def answer_hangs_up(self, _):
        self.close_connection = True

    def answer_no_range(self, _):
        self.answer_good(0)

    def answer_refuses(self, start):
        self._head(416, 0) if start else self.answer_good(0)

    def answer_other_part(self, start):
        self._head(206, 9, {"Content-Range": f"bytes 1-9/{SIZE}"}) if start else self.answer_good(0)

    def answer_missing(self, _):
        self._head(404, 0)

    def answer_wrong(self, start):
        self.answer_good(start, bytes(len(CONTENT)))

    def answer_short(self, _):
        self.answer_good(0, b"An archive of another size")

    def answer_page(self, _):
        self._head(200, SIZE, {"Content-Type": "text/html; charset=utf-8"})
        self.wfile.write(b"<html>Please log in</html>".ljust(SIZE))

    def answer_encoded(self, _):
        self._head(200, len(CONTENT), {"Content-Encoding": "x-gzip"})
        self.wfile.write(CONTENT)

    def answer_compresses(self, start):
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self._head(200, more={"Content-Encoding": "gzip"})
            self.wfile.write(gzip.compress(CONTENT))
        else:
            self.answer_good(start)

    def answer_loop(self, _):
        self._head(302, 0, {"Location": self.path})

    def answer_huge(self, _):
        self._head(200, 1 << 60)

    def answer_nowhere(self, _):
        self._head(302, 0, {"Location": "http://[::1"})

    def answer_no_port(self, _):
        self._head(302, 0, {"Location": "http://127.0.0.1:99999/"})

    def answer_many_labels(self, _):
        self._head(302, 0, {"Location": f"http://{'a' * 70}..example/"})

    def answer_elsewhere(self, _):
        self._head(302, 0, {"Location": "file:///etc/passwd"})

    def answer_large_part(self, start):
        self._head(206, 9, {"Content-Range": f"bytes {start}-{start + 8}/{'9' * 30}"})

    def answer_endless_part(self, _):
        self._head(206, 9, {"Content-Range": f"bytes 0-8/{'9' * 5000}"})

    def answer_long_length(self, _):
        self._head(200, "9" * 5000)

    def answer_two_lengths(self, _):
        self._head(200, "5, 6")

    def answer_negative(self, _):
        self._head(200, -5)

    def answer_no_number(self, _):
        self._head(200, "many")

    def answer_hesitates(self, _):  # byte after byte of a header, so that no read times out
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Wait: ")
        with suppress(ConnectionError):
            while not self.server.released.wait(0.05):
                self.wfile.write(b".")

    def answer_no_length(self, _):
        self._head(200)
        self.wfile.write(CONTENT)

    def answer_quits(self, _):
        self._head(200)
        self.wfile.write(CONTENT[:CUT])

    def answer_endless(self, _):
        self._head(200)
        with suppress(ConnectionError):
            for _ in range(200):  # not for ever, so that a client that takes it all fails
                self.wfile.write(CONTENT)

    def _count(self):
        return len(self.server.requests)

    def _head(self, status, length=None, more=None):
        self.send_response(status)
        lengths = {} if length is None else {"Content-Length": length}
        for name, value in (lengths | (more or {})).items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("AIB_MIRROR", "AIB_OFFLINE", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(sources, "BACKOFF_SECONDS", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests, server.released = [], threading.Event()
        server.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def download(*addresses, size=SIZE, checksum=CHECKSUM):
    return Download(file=FILE, addresses=addresses, checksum=checksum, bytes=size)


def at(server, *behaviours, **fields):
    return download(*(f"{server.address}/{behaviour}/{FILE}" for behaviour in behaviours), **fields)


def message_of(wanted, folder) -> str:
    """The message of a fetch that must fail, in one line and without a file left behind."""
    with pytest.raises(AibError) as caught:
        fetch(wanted, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".locks"}


def test_fetches_once_and_then_finds_the_file(server, tmp_path):
    for _ in range(2):
        path = fetch(at(server, "good"), tmp_path / "new" / "folder")
        assert path.read_bytes() == CONTENT
    assert server.requests == [("good", 0)]
    assert files(path.parent) == {FILE}


def test_md5_is_understood(server, tmp_path):
    checksum = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    assert fetch(at(server, "good", checksum=checksum), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("digits", [8, 13, 64])
def test_a_sha256_may_be_its_first_digits(server, tmp_path, digits):
    checksum = CHECKSUM[: len("sha256:") + digits]
    assert fetch(at(server, "good", checksum=checksum), tmp_path).read_bytes() == CONTENT
    check_file(tmp_path / FILE, checksum)
    other = checksum[:-1] + ("0" if checksum[-1] != "0" else "1")
    with pytest.raises(AibError, match=f"expected {other}, found {CHECKSUM}"):
        check_file(tmp_path / FILE, other)
    assert f"expected {other}" in message_of(at(server, "good", checksum=other), tmp_path / "new")


def test_a_wrong_file_present_is_explained_and_left_alone(server, tmp_path):
    (tmp_path / FILE).write_bytes(b"mine")
    message = message_of(at(server, "good"), tmp_path)
    found = f"sha256:{hashlib.sha256(b'mine').hexdigest()}"
    for part in (str(tmp_path / FILE), CHECKSUM, found, "delete"):
        assert part in message
    assert (tmp_path / FILE).read_bytes() == b"mine"
    assert server.requests == []


REFUSALS = {
    "missing": "HTTP 404 Not Found",
    "page": "sends an HTML page instead of the file",
    "short": "offers 26 bytes, expected 384,000",
    "wrong": f"expected {CHECKSUM}, found sha256:{hashlib.sha256(bytes(SIZE)).hexdigest()}",
    "endless": "sends more than 384,000 bytes",
    "loop": "redirects without end",
    "closed": "HTTP 503 Service Unavailable, asks to wait 3,600 s",
    "broken": f"HTTP 500 Internal Server Error ({TRIES} tries)",
    "hangs_up": f"the connection was cut ({TRIES} tries)",
    "stuck": f"the connection was cut ({TRIES} tries)",
    "quits": f"ended after 100,000 of 384,000 bytes ({TRIES} tries)",
}


@pytest.mark.parametrize("behaviour", REFUSALS)
def test_each_misbehaviour_is_one_clear_line(server, tmp_path, behaviour):
    wanted = at(server, behaviour)
    message = message_of(wanted, tmp_path)
    assert f": {wanted.addresses[0]}: {REFUSALS[behaviour]}. Remedy: " in message
    for part in (FILE, f"{SIZE:,} bytes", CHECKSUM, str(tmp_path / FILE), "AIB_MIRROR"):
        assert part in message
    # Only the right bytes so far are worth keeping.
    kept = tmp_path / f"{FILE}.partial"
    assert files(tmp_path) == ({kept.name} if behaviour in ("stuck", "quits") else set())
    assert not kept.exists() or kept.read_bytes() == CONTENT[:CUT]


def test_what_cannot_pass_is_asked_for_once(server, tmp_path):
    wanted = at(server, "missing", "page", "short", "wrong", "endless", "closed", "good", "missing")
    assert fetch(wanted, tmp_path).read_bytes() == CONTENT
    tried = [behaviour for behaviour, _ in server.requests]
    assert tried == ["missing", "page", "short", "wrong", "endless", "closed", "good"]


def test_when_all_fail_each_address_is_named_with_its_reason(server, tmp_path):
    behaviours = ("missing", "page", "wrong", "loop")
    wanted = at(server, *behaviours)
    message = message_of(wanted, tmp_path)
    for address, behaviour in zip(wanted.addresses, behaviours, strict=True):
        assert f"{address}: {REFUSALS[behaviour]}" in message


def test_a_server_error_may_pass(server, tmp_path, capsys):
    assert fetch(at(server, "recovers"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("recovers", 0)] * TRIES
    assert capsys.readouterr().err.count("HTTP 500 Internal Server Error; again in 0.0 s") == 2


def test_waits_grow(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sources, "BACKOFF_SECONDS", 0.1)
    message_of(at(server, "broken"), tmp_path)
    first, second = map(float, re.findall(r"again in ([\d.]+) s", capsys.readouterr().err))
    assert 0.1 <= first <= 0.2 <= second <= 0.4


def test_retry_after_is_respected(server, tmp_path, capsys):
    started = time.monotonic()
    assert fetch(at(server, "busy"), tmp_path).read_bytes() == CONTENT
    assert time.monotonic() - started >= 1
    assert "HTTP 429 Too Many Requests; again in 1.0 s" in capsys.readouterr().err


def test_a_silent_server_is_asked_again(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(asking, "SILENCE_SECONDS", 0.5)
    assert fetch(at(server, "stall"), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("stall", LITTLE)
    assert "timed out; again in" in capsys.readouterr().err


def test_no_network_is_one_line(server, tmp_path):
    server.server_close()
    assert "no connection. Remedy" in message_of(at(server, "good"), tmp_path)


def test_a_server_that_speaks_no_tls_is_one_line(server, tmp_path):
    wanted = download(f"{server.address}/good/{FILE}".replace("http:", "https:"))
    assert "certificate or encryption is not accepted" in message_of(wanted, tmp_path)


def test_no_address_at_all_is_one_line(server, tmp_path):
    assert "no address is known" in message_of(download(), tmp_path)


def test_a_cut_download_keeps_its_bytes_and_the_next_fetch_resumes(server, tmp_path):
    message = message_of(at(server, "stuck"), tmp_path)
    assert f"{CUT:,} bytes are kept" in message
    assert server.requests == [("stuck", 0)] + [("stuck", CUT)] * TRIES

    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("good", CUT)
    assert files(tmp_path) == {FILE}


def test_the_next_address_continues_a_cut_download(server, tmp_path):
    assert fetch(at(server, "stuck", "good"), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("good", CUT)


def test_a_host_that_cuts_often_still_delivers(server, tmp_path):
    assert fetch(at(server, "cut"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("cut", start) for start in range(0, SIZE, CUT)]


def test_a_killed_process_resumes(server, tmp_path):
    code = "import sys; from test_data_sources import *; fetch(download(sys.argv[1]), Path('.'))"
    python_path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", code, f"{server.address}/stall/{FILE}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": python_path},
        stderr=subprocess.DEVNULL,
    )
    partial = tmp_path / f"{FILE}.partial"
    while not partial.exists() or partial.stat().st_size < LITTLE:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("stall", 0), ("good", LITTLE)]


@pytest.mark.parametrize(
    ("behaviour", "starts"), [("no_range", [CUT]), ("refuses", [CUT, 0]), ("other_part", [CUT, 0])]
)
def test_a_server_that_cannot_continue_starts_over(server, tmp_path, capsys, behaviour, starts):
    (tmp_path / f"{FILE}.partial").write_bytes(CONTENT[:CUT])
    assert fetch(at(server, behaviour), tmp_path).read_bytes() == CONTENT
    assert [start for _, start in server.requests] == starts
    assert len(capsys.readouterr().err.splitlines()) == 3  # among them one that says so


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
    assert fetch(at(server, "page", "short", "good"), tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("good", CUT)


def test_unknown_size(server, tmp_path):
    assert fetch(at(server, "no_length", size=None), tmp_path).read_bytes() == CONTENT


def test_a_file_of_unknown_size_has_a_limit(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "UNDECLARED_LIMIT", CUT)
    message = message_of(at(server, "no_length", size=None), tmp_path)
    assert "sends more than 100,000 bytes, and no size is declared" in message


@pytest.mark.parametrize("behaviour", ["encoded", "compresses"])
def test_content_encodings_change_nothing(server, tmp_path, behaviour):
    assert fetch(at(server, behaviour), tmp_path).read_bytes() == CONTENT


def test_a_full_disk_is_noticed_before_the_transfer(server, tmp_path):
    message = message_of(at(server, "huge", "good", size=1 << 60), tmp_path)
    assert "MB free" in message
    assert str(tmp_path) in message
    assert files(tmp_path) == set()


BAD = ("nowhere", "no_port", "many_labels", "elsewhere", "large_part", "endless_part", "huge")
BAD += ("long_length", "two_lengths", "negative", "no_number")


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("behaviour", BAD)
def test_nothing_that_one_server_says_keeps_the_next_from_being_asked(
    server, tmp_path, behaviour, size
):
    assert fetch(at(server, behaviour, "good", size=size), tmp_path).read_bytes() == CONTENT
    assert server.requests[0][0] == behaviour
    assert files(tmp_path) == {FILE}


def test_headers_that_do_not_end_are_announced_and_given_up(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(asking, "SILENT_SECONDS", 0)
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.3)
    assert fetch(at(server, "hesitates", "good"), tmp_path).read_bytes() == CONTENT
    said = capsys.readouterr().err
    assert "no answer for 0 s; waiting for 0.3 s" in said
    assert f"timed out before its answer ({TRIES} tries)" in said


@pytest.mark.parametrize(("rate", "asked"), [(0, ["cut"] * 4), (math.inf, ["cut", "good"])])
def test_a_server_below_the_slowest_rate_is_left_for_another(
    server, tmp_path, monkeypatch, rate, asked
):
    monkeypatch.setattr(asking, "PACE_SECONDS", 0)
    monkeypatch.setattr(sources, "SLOWEST_RATE", rate)
    assert fetch(at(server, "cut", "good"), tmp_path).read_bytes() == CONTENT
    assert [behaviour for behaviour, _ in server.requests] == asked
    assert server.requests[1][1] > 0  # what has come is kept


def test_passwords_of_addresses_are_told_nobody(server, tmp_path, monkeypatch, capsys):
    def address(behaviour, password="s3cr:t@1"):
        return f"{server.address}/{behaviour}/{FILE}".replace("//", f"//me:{password}@")

    monkeypatch.setenv("AIB_MIRROR", f"{server.address}/missing".replace("//", "//me:s3cr:t@1@"))
    wanted = download(address("missing"), address("broken", "s3cr/et"), address("short"))
    said = message_of(wanted, tmp_path) + capsys.readouterr().err
    assert "s3cr" not in said
    assert f"/missing/{FILE}: HTTP 404" in said
    monkeypatch.setenv("AIB_MIRROR", "ftp://me:s3cr@example.org")
    assert "s3cr" not in message_of(wanted, tmp_path)


def mirror_with(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    (folder / FILE).write_bytes(content)
    return folder


def test_mirror_folder_comes_first(server, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / FILE).write_bytes(CONTENT)
    monkeypatch.setenv("AIB_MIRROR", f"{tmp_path / 'absent'},{mirror}/")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / f"{FILE}.partial").write_bytes(CONTENT[:CUT])
    assert fetch(at(server, "good"), tmp_path / "kept").read_bytes() == CONTENT
    assert server.requests == []
    assert (mirror / FILE).read_bytes() == CONTENT


def test_mirror_address_comes_first(server, tmp_path, monkeypatch):
    monkeypatch.setenv("AIB_MIRROR", f"{server.address}/missing {server.address}/no_range/")
    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT
    assert [behaviour for behaviour, _ in server.requests] == ["missing", "no_range"]


@pytest.mark.parametrize("content", [b"old", bytes(SIZE)])
def test_a_mirror_without_the_right_file_is_passed_over(
    server, tmp_path, monkeypatch, capsys, content
):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / FILE).write_bytes(content)
    monkeypatch.setenv("AIB_MIRROR", str(mirror))
    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT
    assert re.search(rf"{mirror / FILE}: .*expected ({SIZE:,}|{CHECKSUM})", capsys.readouterr().err)


@pytest.mark.parametrize("content", [b"old", bytes(SIZE)])
def test_a_wrong_file_in_a_mirror_costs_none_of_the_bytes_kept(
    server, tmp_path, monkeypatch, capsys, content
):
    mirror = mirror_with(tmp_path / "mirror", content)
    monkeypatch.setenv("AIB_MIRROR", str(mirror))
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / f"{FILE}.partial").write_bytes(CONTENT[:CUT])
    (kept / f"{FILE}.copy").write_bytes(b"of a process that was killed")
    assert fetch(at(server, "good"), kept).read_bytes() == CONTENT
    assert server.requests == [("good", CUT)]
    assert files(kept) == {FILE}
    said = capsys.readouterr().err
    assert "of no use" not in said
    assert said.count(f"{FILE}: {mirror / FILE} (") <= 1  # copied once at most


def test_wrong_bytes_sent_from_the_start_are_not_blamed_on_those_kept(server, tmp_path, capsys):
    (tmp_path / f"{FILE}.partial").write_bytes(bytes(CUT))
    wanted = at(server, "no_range", checksum="sha256:" + "0" * 64)
    assert f"found {CHECKSUM}" in message_of(wanted, tmp_path)
    assert server.requests == [("no_range", CUT)]
    assert "of no use" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "value",
    [
        "{base}/my mirror",
        "{base}/absent,{base}/my mirror/",
        "{base}/absent other, {base}/my mirror",
        "{base}/absent\n{base}/my mirror\n",
        "{base}/absent {base}/plain",
        "{base}/with, a comma",
        "file://{base}/plain",
        "file://localhost{base}/plain/",
        "file://{base}/my%20mirror",
    ],
)
def test_folders_of_mirrors(server, tmp_path, monkeypatch, value):
    for name in ("my mirror", "plain", "with, a comma"):
        mirror_with(tmp_path / name, CONTENT)
    monkeypatch.setenv("AIB_MIRROR", value.format(base=tmp_path))
    assert fetch(at(server, "good"), tmp_path / "kept").read_bytes() == CONTENT
    assert server.requests == []


@pytest.mark.parametrize(
    ("mirror", "reason"),
    [
        ("ftp://example.org/mirror", "ftp:// is not understood"),
        ("s3://bucket", "s3:// is not understood"),
        ("file://server/folder", "names another machine"),
    ],
)
def test_a_mirror_of_another_kind_is_refused(server, tmp_path, monkeypatch, mirror, reason):
    monkeypatch.setenv("AIB_MIRROR", f"{tmp_path},{mirror}")
    assert message_of(at(server, "good"), tmp_path).startswith(f"AIB_MIRROR: '{mirror}': {reason}")
    assert server.requests == []


def test_a_copy_on_this_machine_comes_first_and_is_linked(server, tmp_path, monkeypatch):
    copy = mirror_with(tmp_path / "other", CONTENT) / FILE
    monkeypatch.setenv("AIB_MIRROR", f"{server.address}/good")
    path = fetch(at(server, "good"), tmp_path / "kept", copies=[tmp_path / "absent", copy])
    assert path.samefile(copy)
    assert server.requests == []


def test_where_files_cannot_be_linked_they_are_copied(server, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("not here")

    monkeypatch.setattr(os, "link", refuse)
    copy = mirror_with(tmp_path / "other", CONTENT) / FILE
    path = fetch(at(server, "good"), tmp_path / "kept", copies=[copy])
    assert path.read_bytes() == CONTENT
    assert not path.samefile(copy)
    assert server.requests == []


def test_a_damaged_copy_is_left_alone_and_passed_over(server, tmp_path):
    copy = mirror_with(tmp_path / "other", bytes(SIZE)) / FILE
    path = fetch(at(server, "good"), tmp_path / "kept", copies=[copy])
    assert path.read_bytes() == CONTENT
    assert copy.read_bytes() == bytes(SIZE)


def test_of_two_that_want_the_same_file_the_second_finds_the_copy_of_the_first(server, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    copies = [folder / FILE for folder in folders]
    locks = tmp_path / ".locks"
    with ThreadPoolExecutor(2) as pool:
        options = {"copies": copies, "locks": locks}
        list(pool.map(lambda folder: fetch(at(server, "good"), folder, **options), folders))
    assert [path.read_bytes() for path in copies] == [CONTENT, CONTENT]
    assert server.requests == [("good", 0)]
    assert [path.name for path in locks.iterdir()] == [CHECKSUM.replace(":", "-")]


def test_offline_nothing_is_asked_and_the_error_says_what_to_put_where(
    server, tmp_path, monkeypatch
):
    monkeypatch.setenv("AIB_OFFLINE", "1")
    monkeypatch.setenv("AIB_MIRROR", f"{server.address}/good {tmp_path / 'mirror'}")
    monkeypatch.chdir(tmp_path)
    message = message_of(at(server, "good"), Path("kept"))
    folder_failed = f"{tmp_path / 'mirror' / FILE}: No such file or directory. "
    for part in ("AIB_OFFLINE", folder_failed, f"{SIZE:,} bytes", CHECKSUM, "AIB_MIRROR"):
        assert part in message
    assert f"at {tmp_path / 'kept' / FILE}, " in message
    assert server.requests == []

    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / FILE).write_bytes(CONTENT)
    assert fetch(at(server, "good"), Path("kept")).read_bytes() == CONTENT
    assert server.requests == []


def test_offline_may_be_switched_off(server, tmp_path, monkeypatch):
    monkeypatch.setenv("AIB_OFFLINE", "0")
    assert fetch(at(server, "good"), tmp_path).read_bytes() == CONTENT


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


@pytest.mark.parametrize(("slow_rate", "word"), [(0, False), (math.inf, True)])
def test_without_a_terminal_lines_say_how_far_it_is(
    server, tmp_path, monkeypatch, capsys, slow_rate, word
):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    monkeypatch.setattr(progress, "SLOW_RATE", slow_rate)
    fetch(at(server, "cut"), tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if "MB/s" in line]
    assert re.match(rf"{FILE}: 0\.\d of 0\.4 MB, [\d.,]+ MB/s", lines[0])
    assert all(("slow server" in line) == word for line in lines)


def test_rate_and_time_left_are_those_of_the_last_half_minute():
    clock = [0.0]
    with Progress(get_time=lambda: clock[0], disable=True) as display:
        number = display.add_task(FILE, total=20e6)
        for clock[0], count in ((1.0, 8e6), (60.0, 1e6), (70.0, 1e6), (80.0, 1e6)):
            display.advance(number, count)
        line = progress._line(display.tasks[0])
    assert line == f"{FILE}: 11.0 of 20.0 MB, 0.10 MB/s (slow server), 0:01:30 left"


@pytest.mark.parametrize("bar", [True, False])
def test_on_a_terminal_a_bar_with_the_rate(server, tmp_path, monkeypatch, capsys, bar):
    monkeypatch.setenv("FORCE_COLOR", "1")  # how rich is told of a terminal
    monkeypatch.setattr(progress, "SLOW_RATE", math.inf)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    monkeypatch.setattr(transfer, "CHUNK_BYTES", 10_000)  # a rate needs two chunks
    fetch(at(server, "good"), tmp_path, bar)
    shown = capsys.readouterr().err
    assert ("\u2501" in shown) == bar
    assert bool(re.search(r"of 0\.4 MB, [\d.,]+ MB/s", shown)) != bar
    assert re.search(r"[kM]B/s.* slow server|MB/s \(slow server\)", shown)


def test_on_a_terminal_a_silent_server_is_told_from_a_hang(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(progress, "SILENT_SECONDS", -1)
    fetch(at(server, "good"), tmp_path)
    assert "nothing for 0 s" in capsys.readouterr().err


def test_a_host_known_to_be_slow_is_announced(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("http_proxy", server.address)
    fetch(download(f"http://www.cs.toronto.edu/good/{FILE}"), tmp_path)
    assert "about an hour" in capsys.readouterr().err
