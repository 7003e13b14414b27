"""A client that costs little: keep-alive connections that send one prepared request after another."""

import asyncio
import sys
import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Result:
    """What a run of the client saw: requests per second, latencies in milliseconds, and answers that were not 200."""

    per_s: float
    p50_ms: float
    p99_ms: float
    answered: int
    failed: int

    def __str__(self) -> str:
        return f"{self.per_s:8.0f} /s   p50 {self.p50_ms:7.2f} ms   p99 {self.p99_ms:7.2f} ms   failed {self.failed}"


async def drive(host: str, port: int, path: str, body: bytes, *, clients: int, seconds: float) -> Result:
    """Return what `clients` connections see in so many seconds."""
    request = (f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    took: list[float] = []
    failed = 0
    until = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(host, port)
        while (started := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            took.append(time.perf_counter() - started)
            failed += not head.startswith(b"HTTP/1.1 200")
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    whole = time.perf_counter() - began
    p50, p99 = np.percentile(np.array(took) * 1_000, [50, 99])
    return Result(len(took) / whole, float(p50), float(p99), len(took), failed)


if __name__ == "__main__":
    host, port, path, body, clients, seconds = sys.argv[1:]
    found = asyncio.run(drive(host, int(port), path, body.encode(), clients=int(clients), seconds=float(seconds)))
    sys.stdout.write(f"{found.per_s} {found.p50_ms} {found.p99_ms} {found.answered} {found.failed}\n")
