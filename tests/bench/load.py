"""A load generator that costs little: prebuilt requests on raw connections, answers counted."""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop


@dataclass(frozen=True)
class Load:
    """What a run showed: requests a second, latency in milliseconds, answers that weren't 200."""

    rate: float
    p50: float
    p99: float
    bad: int


class _Client(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last one is complete."""

    def __init__(self, requests: list[bytes], times: list[float], done: asyncio.Event) -> None:
        self._requests, self._times, self._done = requests, times, done
        self._buffer = b""
        self.bad = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._next()

    def _next(self) -> None:
        if not self._requests:
            self._transport.close()
            self._done.set()
            return
        self._sent = time.perf_counter()
        self._transport.write(self._requests.pop())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 : lower.find(b"\r\n", at) if b"\r\n" in lower[at:] else None])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.bad += 1
        self._buffer = b""
        self._times.append(time.perf_counter() - self._sent)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done.set()


def post(path: str, body: bytes, port: int) -> bytes:
    """A POST as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _run(port: int, requests: Sequence[bytes], connections: int) -> Load:
    loop = asyncio.get_running_loop()
    queue, times = list(requests)[::-1], list[float]()
    clients, events = [], []
    started = time.perf_counter()
    for _ in range(connections):
        done = asyncio.Event()
        _, client = await loop.create_connection(
            lambda done=done: _Client(queue, times, done),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        clients.append(client)
        events.append(done)
    await asyncio.gather(*(event.wait() for event in events))
    seconds = time.perf_counter() - started
    times.sort()
    bad = sum(client.bad for client in clients) + len(requests) - len(times)
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return Load(len(times) / seconds, p50 * 1e3, p99 * 1e3, bad)


def _child(port: int, requests: Sequence[bytes], connections: int, results: object) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results.put(runner.run(_run(port, requests, connections)))  # type: ignore[attr-defined]


def put_load(port: int, requests: Sequence[bytes], connections: int = 64) -> Load:
    """Send all requests from a process of its own and wait for the answers."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=_child, args=(port, requests, connections, results))
    process.start()
    load: Load = results.get()
    process.join()
    return load
