"""A TCP bridge to the API server that a test can cut, close, or let fall silent without a word to either side."""

import contextlib
import select
import socket
import threading
from types import TracebackType
from typing import Self


class Bridge:
    """Listens on `port` and carries every connection to `target` on 127.0.0.1, while it is allowed to."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._silent: set[socket.socket] = set()
        self._open = True
        self._ended = False
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended = True
        self._thread.join(10)
        self.cut()
        self._listener.close()

    def fall_silent(self) -> None:
        """Carry nothing more on the connections there are; new ones are ended at once, until `mend`."""
        self._open = False
        self._silent.update(each for pair in self._pairs for each in pair)

    def cut(self, *, shut: bool = False) -> None:
        """End every connection; with `shut` new ones are ended as well, until `mend`."""
        self._open = not shut
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        if self._ended:
            self._sweep()

    def mend(self) -> None:
        """Let new connections through; what is silent stays so."""
        self._open = True

    def _carry(self) -> None:
        while not self._ended:
            ends = [each for pair in self._pairs for each in pair if each not in self._silent]
            readable, _, _ = select.select([self._listener, *ends], [], [], 0.02)
            for one in readable:
                if one is self._listener:
                    self._accept()
                elif one not in self._silent:
                    self._pass_on(one)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            if self._open:
                self._pairs.append((near, socket.create_connection(("127.0.0.1", self._target))))
                return
        except OSError:
            pass  # nobody is there: the same as when the bridge is shut
        near.close()

    def _pass_on(self, one: socket.socket) -> None:
        pair = next((each for each in self._pairs if one in each), None)
        if pair is None:
            return
        other = pair[1] if one is pair[0] else pair[0]
        try:
            data = one.recv(65536)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass  # cut: the same as its end
        self._drop(pair)

    def _drop(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pairs.remove(pair)
        for end in pair:
            end.close()

    def _sweep(self) -> None:
        for pair in list(self._pairs):
            self._drop(pair)
