"""Ask a web server for a file, and say in our words what is wrong with its answer.

A server ends no more than its own transfer, whatever it says, or if it says nothing.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from http.client import responses
from threading import Thread

import requests
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError, SSLError
from urllib3.util import Retry

from aib.data.progress import SILENT_SECONDS, say

CONNECT_SECONDS = 10
SILENCE_SECONDS = 60  # a server that sends nothing for so long is given up
ANSWER_SECONDS = 60  # the same of one whose headers are not complete
PACE_SECONDS = 30  # over which a rate is taken
PASSING = {408, 429, 500, 502, 503, 504}  # the same as curl --retry


class TransferError(Exception):
    """The address did not deliver; the message is the reason."""


class PassingError(TransferError):
    """The address may deliver when asked again, not sooner than after `wait` seconds."""

    def __init__(self, reason: str, wait: float = 0):
        super().__init__(reason)
        self.wait = wait


def answer_of(address: str, file: str, headers: dict[str, str]) -> requests.Response:
    """The answer of a server, with its headers; one that does not complete them is given up.

    Asked in a thread that is left behind then: no time-out ends headers that come byte by byte.
    """
    answer: Future[requests.Response] = Future()
    timeout = (CONNECT_SECONDS, SILENCE_SECONDS)

    def ask() -> None:
        try:
            answer.set_result(requests.get(address, headers=headers, stream=True, timeout=timeout))
        except Exception as error:
            answer.set_exception(error)

    Thread(target=ask, daemon=True).start()
    announced = min(SILENT_SECONDS, ANSWER_SECONDS)
    if not wait([answer], announced).done:
        say(f"{file}: {address}: no answer for {announced:g} s; waiting for {ANSWER_SECONDS:g} s")
    if not wait([answer], ANSWER_SECONDS - announced).done:
        raise PassingError("timed out before its answer")
    return answer.result()


def paced(chunks: Iterator[bytes], floor: float) -> Iterator[bytes]:
    """The chunks, while they come at that many bytes/s at least."""
    begin, count = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        count += len(chunk)
        seconds = time.monotonic() - begin
        if seconds >= PACE_SECONDS:
            if count < floor * seconds:
                raise TransferError(f"sends less than {floor / 1e3:,.0f} kB/s")
            begin, count = time.monotonic(), 0


def check_answer(response: requests.Response) -> None:
    """Refuse what is not the file: an error, or a page for people."""
    status = response.status_code
    meaning = f"HTTP {status} {responses.get(status, '')}".rstrip()
    if status in PASSING:
        raise PassingError(meaning, Retry().get_retry_after(response.raw) or 0)
    if status not in (requests.codes.ok, requests.codes.partial_content):
        raise TransferError(meaning)
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise TransferError("sends an HTML page instead of the file")


@contextmanager
def own_words() -> Iterator[None]:
    """Turn the libraries' errors, whose texts run to several lines, into one of ours."""
    try:
        yield
    except (HTTPError, OSError, ValueError) as error:
        if error.args and isinstance(error.args[0], ProtocolError):  # cut before the answer
            error = error.args[0]
        match error:
            case requests.Timeout() | ReadTimeoutError():
                raise PassingError("timed out") from error
            case ProtocolError():
                raise PassingError("the connection was cut") from error
            case requests.TooManyRedirects():
                raise TransferError("redirects without end") from error
            case requests.exceptions.SSLError() | SSLError():
                raise TransferError("its certificate or encryption is not accepted") from error
            case ValueError():  # whose text would quote it, with its password
                raise TransferError("its address, or where it redirects to, is none") from error
            case requests.ConnectionError():
                raise TransferError("no connection") from error
            case OSError(strerror=str(text)):
                raise TransferError(text) from error
            case _:
                raise TransferError(" ".join(str(error).split())) from error
