"""A client of HTTP that never reads more of an answer than its longest sensible one.

Libraries read an answer whole, and unpack it, before anybody can look at it: google-genai, too. A
client of this kind counts what comes, unpacked, and hangs up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.model.problem import DataError

if TYPE_CHECKING:
    import httpx2

MOST_BYTES = 32 << 20
"""Of an answer, unpacked; the log-probabilities of the longest one take some megabytes."""
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that are true of what came, not of what was unpacked from it."""


class TooLong(Exception):  # noqa: N818 - named like the event
    """The answer is longer than `MOST_BYTES`; the connection is closed."""

    def told(self, title: str, option: str) -> DataError:
        """In one sentence; `option` holds the address of the server called `title`."""
        text = f"{title} sends more than {MOST_BYTES >> 20} MiB; check {option}."
        return DataError("bad_answer", text)


def reading_client(arguments: dict[str, Any]) -> httpx2.AsyncClient:
    """Make a client whose answers are read up to `MOST_BYTES`; sending raises TooLong beyond.

    Beside the answer it holds what one packet unpacks to (64 KiB, at most a thousandfold).

    Args:
        arguments: Of `httpx2.AsyncClient`.
    """
    # lazy: only those who ask a server need it, and it takes a while
    import httpx2

    class ReadingClient(httpx2.AsyncClient):
        async def send(
            self, request: httpx2.Request, *, stream: bool = False, **more: Any
        ) -> httpx2.Response:
            response = await super().send(request, stream=True, **more)
            if stream:
                return response
            try:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > MOST_BYTES:
                        raise TooLong
            finally:
                await response.aclose()
            headers = [
                (name, value)
                for name, value in response.headers.raw
                if name.decode("latin-1").lower() not in _OF_THE_WIRE
            ]
            return httpx2.Response(
                response.status_code, headers=headers, content=bytes(content), request=request,
                extensions=response.extensions, history=response.history,
            )  # fmt: skip

    return ReadingClient(**arguments)
