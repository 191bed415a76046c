"""Packets that hurt: DNS messages changed until they make no sense, or nearly do. For the fuzz tests."""

import random
import socket
import struct

from tests.unit.dns.decoder import ask, edns
from tests.unit.dns.wires import HOST, record, reply_to, soa

WEB = "web.default.svc.cluster.local"
NAMES = (
    WEB,
    "big.default.svc.cluster.local",
    "x.default.svc.cluster.local",
    "10.0.96.10.in-addr.arpa",
    "",
    "away.corp",
)
SEEDS = (
    *(ask(name, kind) for name in NAMES for kind in (1, 28, 33, 12, 16, 255, 252, 6)),
    *(ask(name, opt=edns(4096, do=True, options=b"\0\x0a\0\x08abcdefgh")) for name in NAMES),
    *(ask(name, klass=klass) for name in NAMES[:2] for klass in (3, 254, 255)),
    reply_to(ask(WEB), record(b"\xc0\0\2\1"), authority=(soa(9, 9),)),
)
CIRCLES = (b"\xc0\x0c", b"\xc0\x0d\xc0\x0c", b"\xff\xff", b"\x3f" * 64, b"\x40abc", b"\xc0")
"""What stands where a name should: pointers to themselves, to each other and to nowhere, labels without end."""
BURST = 200


def mutant(rng: random.Random) -> bytes:
    """One packet."""
    packet = bytearray(rng.choice(SEEDS))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        _hurt(packet, rng)
    return bytes(packet[:4096])


def _hurt(packet: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(packet) + 1)
    match rng.randrange(7):
        case 0:
            packet[at : at + 1] = bytes((rng.randrange(256),))
        case 1:
            del packet[at:]
        case 2:
            packet[at:at] = rng.randbytes(rng.randrange(1, 40))
        case 3:
            packet[12 : rng.randrange(12, 40)] = rng.choice(CIRCLES)
        case 4:
            struct.pack_into("!H", packet.ljust(12, b"\0"), 0, 7)
            packet[4:12] = struct.pack("!HHHH", *(rng.choice((0, 1, 2, 65535)) for _ in range(4)))
        case 5:
            packet += rng.choice(SEEDS)[rng.randrange(12) :]
        case _:
            packet[2:4] = rng.randbytes(2)


def flood(at: int, udp: int, tcp: int, seed: int) -> None:
    """In a process of its own: that many packets over UDP, and as many connections that end in the middle."""
    rng = random.Random(seed)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, at))
        sock.settimeout(0.5)
        for sent in range(udp):
            sock.send(mutant(rng))
            if sent % BURST == 0:
                _wait(sock)
    for _ in range(tcp):
        with socket.create_connection((HOST, at), timeout=5) as stream:
            packets = [mutant(rng) for _ in range(10)]
            lengths = [max(len(each) + rng.choice((0, 0, 0, 1, -1, 500)), 0) for each in packets]
            framed = (size.to_bytes(2, "big") + each for size, each in zip(lengths, packets, strict=True))
            stream.sendall(b"".join(framed))


def _wait(sock: socket.socket) -> None:
    """Until a question that makes sense is answered: else the kernel, not the server, drops most of the packets."""
    number = 0xBEEF
    sock.send(ask(WEB, number=number))
    try:
        while sock.recv(4096)[:2] != number.to_bytes(2, "big"):
            pass
    except TimeoutError:
        return
