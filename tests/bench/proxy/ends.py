"""The two ends of a connection, each a process in a namespace of its own: `python -m tests.bench.proxy.ends`.

`serve IP PORT NAME`… answers each connection with a name. `knock IP PORT SECONDS` makes connections one after the other
and prints how many there were and its CPU seconds. `watch IP PORT` makes one after the other for as long as its stdin
is open, and prints the monotonic time and the answer whenever that is another than before.
"""

import os
import select
import socket
import struct
import sys
import time

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER that ends a connection by a reset: no port waits for its packets to die."""
PATIENCE = 5.0


def ask(ip: str, port: int) -> str:
    """One connection, "" if it fails."""
    with socket.socket() as made:
        made.settimeout(PATIENCE)
        try:
            made.connect((ip, port))
            answer = made.recv(16).decode()
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        except OSError:
            return ""
        return answer


def serve(*places: str) -> None:
    """Until it is killed."""
    names: dict[int, tuple[socket.socket, bytes]] = {}
    poll = select.poll()
    for ip, port, name in zip(places[::3], places[1::3], places[2::3], strict=True):
        made = socket.create_server((ip, int(port)), backlog=4096)
        names[made.fileno()] = made, name.encode()
        poll.register(made, select.POLLIN)
    print("ready", flush=True)
    while True:
        for number, _ in poll.poll():
            made, name_ = names[number]
            connection, _ = made.accept()
            with connection:
                connection.send(name_)


def knock(ip: str, port: str, seconds: str) -> None:
    end, count = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        count += bool(ask(ip, int(port)))
    used = os.times()
    print(count, used.user + used.system, flush=True)


def watch(ip: str, port: str) -> None:
    known = ""
    while not select.select([sys.stdin], [], [], 0)[0]:
        answer = ask(ip, int(port))
        if answer != known:
            known = answer
            print(time.monotonic(), answer or "-", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", *given]:
            serve(*given)
        case ["knock", to, number, seconds]:
            knock(to, number, seconds)
        case ["watch", to, number]:
            watch(to, number)
