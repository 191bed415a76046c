"""Tables, chains, rules and elements as netlink messages. Pure.

Registers are numbered in words of 4 bytes; every key is loaded from word 0 on. Used by `kernel`. Answers to
linux/netfilter/nf_tables.h and, for the types' numbers that make `nft list` readable, to nftables' datatype.h.
"""

import socket
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache, singledispatch

from understudy.proxy.service import netlink as nl
from understudy.proxy.service import statements as say
from understudy.proxy.service.elements import Data, Elements
from understudy.proxy.service.layout import TABLE, TABLES
from understudy.proxy.service.netlink import Message, attribute, nested, number, text
from understudy.proxy.service.statements import Chain, Family, Field, Holds, Key, Rule, Table, Verdict

MASQUERADE = 0x4000
"""The bit of the packet's mark upstream uses too."""
CHUNK = 48_000
"""Bytes of elements in one message: an attribute holds less than 64 KiB."""
HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
FAMILIES = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}

_HEAD = text(1, TABLE)
_VERDICT_TYPE = 0xFFFFFF00
_TYPES = {Field.PROTOCOL: 12, Field.PORT: 13, Field.SLOT: 23}
_LENGTHS = {Field.PROTOCOL: 1, Field.PORT: 2, Field.SLOT: 4}
_ADDRESSES = {Family.IPV4: 7, Family.IPV6: 8}
_RANGES, _MAP, _TIMEOUT, _DYNAMIC, _CONCATENATION = 4, 8, 16, 32, 128
_META_PRIORITY, _META_MARK, _META_PROTOCOL = 2, 3, 16
_END = 1
"""NFT_SET_ELEM_INTERVAL_END"""


def new_table() -> Message:
    return Message(nl.NEWTABLE, nl.CREATE, _HEAD)


def drop_table() -> Message:
    return Message(nl.DELTABLE, 0, _HEAD)


def drop_all_rules() -> Message:
    return Message(nl.DELRULE, 0, _HEAD)


def drop_chain(name: str) -> Message:
    return Message(nl.DELCHAIN, 0, _HEAD + text(3, name))


def empty(name: str) -> Message:
    """Without elements named, all of them go."""
    return Message(nl.DELSETELEM, 0, _HEAD + text(2, name))


def new_set(table: Table, family: Family, serial: int) -> Message:
    """The set or map; that it is there already with this shape is no error."""
    flags = _RANGES if table.ranges else 0
    flags |= _MAP if table.holds is not Holds.NOTHING else 0
    flags |= _TIMEOUT | _DYNAMIC if table.room else 0
    flags |= _CONCATENATION if table.ranges and len(table.key) > 1 else 0
    body = [_HEAD, text(2, table.name), number(3, flags), number(4, _type(table.key, family))]
    body += [number(5, sum(_size(each, family) for each in table.key)), *_data_shape(table, family)]
    described = number(1, table.room) if table.room else b""
    if table.ranges and len(table.key) > 1:
        lengths = (_LENGTHS.get(each, family.size) for each in table.key)
        described += nested(2, *(nested(1, number(1, each)) for each in lengths))
    if described:
        body.append(nested(9, described))
    return Message(nl.NEWSET, nl.CREATE, b"".join((*body, number(10, serial), attribute(13, _for_nft(table)))))


def _for_nft(table: Table) -> bytes:
    """A note only `nft list` reads: slots are numbers as the machine writes them, in the key (0) or the data (1)."""
    note = bytes([0, 4]) + _host(1) if table.key == (Field.SLOT,) else b""
    return note + bytes([1, 4]) + _host(1) if table.holds is Holds.SLOT else note


def _data_shape(table: Table, family: Family) -> list[bytes]:
    if table.holds is Holds.VERDICT:
        return [number(6, _VERDICT_TYPE), number(7, 0)]
    if table.holds is Holds.SLOT:
        return [number(6, _TYPES[Field.SLOT]), number(7, 4)]
    if table.holds is Holds.ENDPOINT:
        return [number(6, _ADDRESSES[family] << 6 | _TYPES[Field.PORT]), number(7, family.size + 4)]
    return []


def _type(key: Key, family: Family) -> int:
    joined = 0
    for each in key:
        joined = joined << 6 | _TYPES.get(each, _ADDRESSES[family])
    return joined


def _size(field: Field, family: Family) -> int:
    return 4 if field in _TYPES else family.size


# Chains and rules


def new_chain(chain: Chain) -> Message:
    body = _HEAD + text(3, chain.name)
    if chain.hook is not None:
        hook = chain.hook
        body += nested(4, number(1, HOOKS[hook.hook]), number(2, hook.priority)) + number(5, 1) + text(7, hook.type)
    return Message(nl.NEWCHAIN, nl.CREATE, body)


def new_rules(chain: Chain, family: Family) -> Iterator[Message]:
    for rule in chain.rules:
        yield Message(nl.NEWRULE, nl.CREATE | nl.APPEND, _HEAD + text(2, chain.name) + nested(4, *_rule(rule, family)))


def _rule(rule: Rule, family: Family) -> Iterator[bytes]:
    for statement in rule:
        yield from _expressions(statement, family)


def _expression(name: str, *parts: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *parts))


def _register(word: int) -> int:
    return 8 + word


def _meta(key: int, word: int) -> bytes:
    return _expression("meta", number(2, key), number(1, _register(word)))


def _set_meta(key: int, word: int) -> bytes:
    return _expression("meta", number(2, key), number(3, _register(word)))


def _value(data: bytes) -> bytes:
    return attribute(1, data)


def _host(value: int) -> bytes:
    return struct.pack("=I", value)


def _compare(data: bytes, *, unequal: bool = False) -> bytes:
    return _expression("cmp", number(1, _register(0)), number(2, int(unequal)), nested(3, _value(data)))


def _bits(mask: int, flip: int = 0) -> bytes:
    parts = (number(1, _register(0)), number(2, _register(0)), number(3, 4))
    return _expression("bitwise", *parts, nested(4, _value(_host(mask))), nested(5, _value(_host(flip))))


def _load(key: Key, family: Family) -> Iterator[bytes]:
    """The key into the registers from word 0 on."""
    word = 0
    for each in key:
        if each is Field.SLOT:
            yield _meta(_META_PRIORITY, word)
        elif each is Field.PROTOCOL:
            yield _meta(_META_PROTOCOL, word)
        else:
            yield _payload(each, word, family)
        word += _size(each, family) // 4


def _payload(field: Field, word: int, family: Family) -> bytes:
    """Network header 1, transport header 2; where source and destination stand in them."""
    if field is Field.PORT:
        base, offset, length = 2, 2, 2
    else:
        offsets = {Family.IPV4: (12, 16), Family.IPV6: (8, 24)}[family]
        base, offset, length = 1, offsets[field is Field.DESTINATION], family.size
    return _expression("payload", number(1, _register(word)), number(2, base), number(3, offset), number(4, length))


def _lookup(name: str, into: int | None = None, *, absent: bool = False) -> bytes:
    parts = [text(1, name), number(2, _register(0))]
    if into is not None:
        parts.append(number(3, into))
    if absent:
        parts.append(number(5, 1))
    return _expression("lookup", *parts)


def _verdict(verdict: Verdict) -> bytes:
    body = number(1, verdict.action.value) + (text(2, verdict.chain) if verdict.chain else b"")
    return nested(2, nested(2, body))


@singledispatch
def _expressions(statement: object, family: Family) -> Iterable[bytes]:
    raise TypeError(f"no such statement: {statement!r} ({family})")


@_expressions.register
def _(statement: say.Within, family: Family) -> Iterable[bytes]:
    return *_load(statement.key, family), _lookup(statement.name, absent=statement.absent)


@_expressions.register
def _(_: say.FromHere, __: Family) -> Iterable[bytes]:
    """The type of the source address is "local" (RTN_LOCAL)."""
    return _expression("fib", number(1, _register(0)), number(2, 3), number(3, 1)), _compare(_host(2))


@_expressions.register
def _(_: say.New, __: Family) -> Iterable[bytes]:
    return _expression("ct", number(1, _register(0)), number(2, 0)), _bits(8), _compare(_host(0), unequal=True)


@_expressions.register
def _(_: say.Translated, __: Family) -> Iterable[bytes]:
    """IPS_DST_NAT of the connection's status."""
    return _expression("ct", number(1, _register(0)), number(2, 2)), _bits(0x20), _compare(_host(0), unequal=True)


@_expressions.register
def _(statement: say.IsProtocol, __: Family) -> Iterable[bytes]:
    return _meta(_META_PROTOCOL, 0), _compare(bytes([statement.number]))


@_expressions.register
def _(_: say.Unmarked, __: Family) -> Iterable[bytes]:
    return _meta(_META_MARK, 0), _bits(MASQUERADE), _compare(_host(0))


@_expressions.register
def _(statement: say.Mark, __: Family) -> Iterable[bytes]:
    kept = _bits(~MASQUERADE & 0xFFFFFFFF, MASQUERADE if statement.on else 0)
    return _meta(_META_MARK, 0), kept, _set_meta(_META_MARK, 0)


@_expressions.register
def _(statement: say.SetSlot, __: Family) -> Iterable[bytes]:
    constant = _expression("immediate", number(1, _register(0)), nested(2, _value(_host(statement.value))))
    return constant, _set_meta(_META_PRIORITY, 0)


@_expressions.register
def _(statement: say.RandomSlot, __: Family) -> Iterable[bytes]:
    parts = (number(1, _register(0)), number(2, statement.count), number(3, 1), number(4, statement.offset))
    return _expression("numgen", *parts), _set_meta(_META_PRIORITY, 0)


@_expressions.register
def _(statement: say.FindSlot, family: Family) -> Iterable[bytes]:
    return *_load(statement.key, family), _lookup(statement.name, _register(0)), _set_meta(_META_PRIORITY, 0)


@_expressions.register
def _(statement: say.Branch, family: Family) -> Iterable[bytes]:
    return *_load(statement.key, family), _lookup(statement.name, 0)


@_expressions.register
def _(statement: say.Translate, family: Family) -> Iterable[bytes]:
    """The address is in the first words found, the port behind it."""
    to = (number(3, _register(0)), number(5, _register(family.size // 4)))
    nat = _expression("nat", number(1, 1), number(2, FAMILIES[family]), *to)
    return *_load(statement.key, family), _lookup(statement.name, _register(0)), nat


@_expressions.register
def _(statement: say.Do, __: Family) -> Iterable[bytes]:
    return (_expression("immediate", number(1, 0), _verdict(statement.verdict)),)


@_expressions.register
def _(_: say.Masquerade, __: Family) -> Iterable[bytes]:
    """NF_NAT_RANGE_PROTO_RANDOM_FULLY"""
    return (_expression("masq", number(1, 16)),)


@_expressions.register
def _(statement: say.Reject, family: Family) -> Iterable[bytes]:
    """A reset, else ICMP's port unreachable."""
    code = attribute(2, bytes([3 if family is Family.IPV4 else 4]))
    return (_expression("reject", number(1, 1)) if statement.reset else _expression("reject", number(1, 0), code),)


@_expressions.register
def _(statement: say.Remember, family: Family) -> Iterable[bytes]:
    timeout = attribute(6, struct.pack(">Q", statement.timeout * 1000))
    return _dynamic(statement.key, statement.name, 1, family, timeout)


@_expressions.register
def _(statement: say.Forget, family: Family) -> Iterable[bytes]:
    return _dynamic(statement.key, statement.name, 2, family)


def _dynamic(key: Key, name: str, operation: int, family: Family, *more: bytes) -> Iterable[bytes]:
    after = sum(_size(each, family) for each in key) // 4
    parts = (text(1, name), number(3, operation), number(4, _register(0)), number(5, _register(after)), *more)
    return *_load(key, family), _meta(_META_PRIORITY, after), _expression("dynset", *parts)


# Elements


def add_elements(elements: Elements) -> Iterator[Message]:
    for name, each in elements.items():
        if TABLES[name].holds in (Holds.SLOT, Holds.ENDPOINT) and each:
            yield from _mapped(name, each)
        else:
            yield from _chunks(nl.NEWSETELEM, nl.CREATE, name, _added(TABLES[name], each))


def drop_elements(elements: Elements) -> Iterator[Message]:
    for name, each in elements.items():
        yield from _chunks(nl.DELSETELEM, 0, name, _dropped(TABLES[name], each))


def _mapped(name: str, elements: dict[bytes, Data]) -> Iterator[Message]:
    """Of a map from bytes to bytes, all elements of which are of one size: there are hundreds of thousands."""
    items = list(elements.items())
    key, data = items[0]
    assert isinstance(data, bytes)
    before, between = _frame(len(key), len(data))
    number = CHUNK // (len(before) + len(key) + len(between) + len(data))
    head = _HEAD + text(2, name)
    for at in range(0, len(items), number):
        block = b"".join([before + key + between + data for key, data in items[at : at + number]])  # type: ignore[operator]
        yield Message(nl.NEWSETELEM, nl.CREATE, head + nested(3, block))


def _chunks(kind: int, flags: int, name: str, items: Iterable[bytes]) -> Iterator[Message]:
    head = _HEAD + text(2, name)
    block: list[bytes] = []
    size = 0
    for item in items:
        if size + len(item) > CHUNK:
            yield Message(kind, flags, head + nested(3, *block))
            block, size = [], 0
        block.append(item)
        size += len(item)
    if block:
        yield Message(kind, flags, head + nested(3, *block))


def _added(table: Table, elements: dict[bytes, Data]) -> Iterator[bytes]:
    for key, data in elements.items():
        if table.ranges:
            yield from _range(table, key, data)
        elif isinstance(data, Verdict):
            yield nested(1, nested(1, _value(key)), _verdict(data))
        else:
            yield nested(1, nested(1, _value(key)))


@lru_cache
def _frame(key: int, data: int) -> tuple[bytes, bytes]:
    """What stands before the key and between key and data of an element, for such lengths (multiples of 4)."""
    whole = nested(1, nested(1, _value(bytes(key))), nested(2, _value(bytes(data))))
    return whole[:12], whole[12 + key : 20 + key]


def _dropped(table: Table, elements: dict[bytes, Data]) -> Iterator[bytes]:
    for key, data in elements.items():
        if table.ranges:
            yield from _range(table, key, data)
        else:
            yield nested(1, nested(1, _value(key)))


def _range(table: Table, first: bytes, last: Data) -> Iterator[bytes]:
    """Of several fields: both ends in one element. Of one: an element where it begins and one behind where it ends."""
    assert isinstance(last, bytes)
    if len(table.key) > 1:
        yield nested(1, nested(1, _value(first)), nested(10, _value(last)))
        return
    yield nested(1, nested(1, _value(first)))
    behind = int.from_bytes(last) + 1
    if behind < 1 << (8 * len(last)):
        yield nested(1, nested(1, _value(behind.to_bytes(len(last)))), number(3, _END))


def read_elements(table: Table, bodies: Iterable[bytes]) -> dict[bytes, Data]:
    """What `add_elements` wrote, from the kernel's listing."""
    found: dict[bytes, Data] = {}
    ends: list[bytes] = []
    for body in bodies:
        for kind, items in nl.attributes(body):
            for _, item in nl.attributes(items) if kind == 3 else ():
                _read(dict(nl.attributes(item)), found, ends)
    if table.ranges and len(table.key) == 1:
        return _paired(sorted(found), sorted(ends))
    return found


def _read(item: dict[int, bytes], found: dict[bytes, Data], ends: list[bytes]) -> None:
    key = item[1][4:]
    if 3 in item and int.from_bytes(item[3]) & _END:
        ends.append(key)
    elif 10 in item:
        found[key] = item[10][4:]
    elif 2 in item:
        kind, value = next(nl.attributes(item[2]))
        found[key] = value if kind == 1 else _read_verdict(dict(nl.attributes(value)))
    else:
        found[key] = b""


def _read_verdict(item: dict[int, bytes]) -> Verdict:
    action = say.Action(int.from_bytes(item[1], signed=True))
    return Verdict(action, item[2].rstrip(b"\0").decode() if 2 in item else "")


def _paired(starts: list[bytes], ends: list[bytes]) -> dict[bytes, Data]:
    behind = [(int.from_bytes(end) - 1).to_bytes(len(end)) for end in ends]
    behind += [b"\xff" * len(start) for start in starts[len(behind) :]]
    return dict(zip(starts, behind, strict=True))
