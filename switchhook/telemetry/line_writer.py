"""Writes log lines a few milliseconds' worth at a time: a write for every line costs as much as making the line.

Promises whole lines in the order in which they were logged, nothing lost when the process ends by itself, and warnings
and errors with everything before them at once. A process that is killed loses the lines of the last few milliseconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

GATHER = 0.005  # seconds from a line to its write, at most
MOST_LINES = 1_000  # that wait


class LineWriter(logging.Handler):
    """Formats each record when it is logged, because what it tells of may change, and writes the lines together."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: deque[str] = deque()
        # Not the handler's own lock: nobody who logs waits for a slow stream.
        self._writing = threading.RLock()
        self._stirred = threading.Event()
        self._closed = False
        threading.Thread(target=self._serve, name="log-writer", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`; called under the handler's lock."""
        try:
            self._lines.append(self.format(record))
            if record.levelno >= logging.WARNING or len(self._lines) >= MOST_LINES:
                self.flush()
            elif len(self._lines) == 1:
                self._stirred.set()
        except Exception:  # as every handler: a log that cannot be written must not end what is logged
            self.handleError(record)

    def flush(self) -> None:
        """Write what waits. `logging` does this when the process ends."""
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._closed = True
        self._stirred.set()
        try:
            self.flush()
        finally:
            super().close()

    def _serve(self) -> None:
        while not self._closed:
            self._stirred.wait()
            self._stirred.clear()
            time.sleep(GATHER)
            try:
                self.flush()
            except (OSError, ValueError):
                continue  # nobody reads any more; the stream was closed under us
