"""The sets, maps and chains that are always there, the same for every cluster. Pure data.

Where new connections pass: the firewall of load balancers, then the translation in `services`, which looks up the plan
of the address and goes to its chain (`plans`), which chooses a slot and goes to `choose`. What nobody serves is refused
behind the translation, what is marked masqueraded last. Every large map is looked up in fixed chains only: binding one
to a new chain makes the kernel walk all its elements. Answers to setupNFTables in pkg/proxy/nftables/proxier.go.
"""

from understudy.proxy.service.statements import (
    CLIENT,
    DROP,
    RETURN,
    TARGET,
    Branch,
    Chain,
    Field,
    FindSlot,
    Holds,
    Hook,
    IsProtocol,
    Key,
    Mark,
    Masquerade,
    New,
    Reject,
    Rule,
    SetSlot,
    Table,
    Translate,
    Translated,
    Unmarked,
    Within,
    goto,
    jump,
)

TABLE = "understudy-services"
LOCAL_SLOTS = 1 << 20
"""Slots from here on are endpoints on this node."""
CLIENTS = 262_144
"""So many clients' choices are remembered; the next are answered, but not remembered."""
FIRST = -101
"""Priority of the translation: just before kube-proxy's, which finds nothing left to do where both are on a node."""
TCP = 6
SLOT_KEY: Key = (*TARGET, Field.SLOT)

TABLES = {
    table.name: table
    for table in (
        Table("pod-cidrs", (Field.SOURCE,), ranges=True),
        Table("service-cidrs", (Field.DESTINATION,), ranges=True),
        Table("cluster-ips", (Field.DESTINATION,)),
        Table("hairpin", (Field.SOURCE, Field.DESTINATION)),
        Table("service-ips", TARGET, Holds.SLOT),
        Table("plans", (Field.SLOT,), Holds.VERDICT),
        Table("endpoints", SLOT_KEY, Holds.ENDPOINT),
        Table("no-endpoints", TARGET, Holds.VERDICT),
        Table("firewall-ips", TARGET),
        Table("firewall-allow", (*TARGET, Field.SOURCE), ranges=True),
        Table("affinity-slots", SLOT_KEY, Holds.SLOT),
        Table("affinity-endpoints", SLOT_KEY, Holds.ENDPOINT),
        Table("affinity", CLIENT, Holds.SLOT, room=CLIENTS),
        Table("affinity-local", CLIENT, Holds.SLOT, room=CLIENTS),
    )
}


def _base(name: str, kind: str, hook: str, priority: int, *rules: Rule) -> Chain:
    return Chain(name, rules, Hook(kind, hook, priority))


def _choose(name: str, first_slot: int) -> Chain:
    """A packet that met the plan of one moment and the slots of the next goes to the first slot."""
    to_slot = Translate(SLOT_KEY, "endpoints")
    return Chain(name, ((to_slot,), (SetSlot(first_slot), to_slot)))


_UNANSWERED, _UNKNOWN = (New(), jump("unanswered")), (New(), jump("unknown-ports"))

FIXED = (
    Chain(
        "firewall-check",
        ((Within(TARGET, "firewall-ips"), Within((*TARGET, Field.SOURCE), "firewall-allow", absent=True), DROP),),
    ),
    Chain("refuse", ((IsProtocol(TCP), Reject(reset=True)), (Reject(),))),
    Chain("services", ((FindSlot(TARGET, "service-ips"), Branch((Field.SLOT,), "plans")),)),
    _choose("choose", 0),
    _choose("choose-local", LOCAL_SLOTS),
    Chain("unanswered", ((Branch(TARGET, "no-endpoints"),),)),
    Chain(
        "unknown-ports",
        (
            (Within((Field.DESTINATION,), "cluster-ips"), goto("refuse")),
            (Within((Field.DESTINATION,), "service-cidrs"), DROP),
        ),
    ),
    _base("firewall-prerouting", "filter", "prerouting", -110, (New(), jump("firewall-check"))),
    _base("firewall-output", "filter", "output", -110, (New(), jump("firewall-check"))),
    _base("nat-prerouting", "nat", "prerouting", FIRST, (jump("services"),)),
    _base("nat-output", "nat", "output", FIRST, (jump("services"),)),
    _base("filter-input", "filter", "input", 0, _UNANSWERED),
    _base("filter-forward", "filter", "forward", 0, _UNANSWERED, _UNKNOWN),
    _base("filter-output", "filter", "output", 0, _UNANSWERED, _UNKNOWN),
    _base(
        "nat-postrouting",
        "nat",
        "postrouting",
        100,
        (Translated(), SetSlot(0)),
        (Translated(), Within((Field.SOURCE, Field.DESTINATION), "hairpin"), Masquerade()),
        (Unmarked(), RETURN),
        (Mark(on=False), Masquerade()),
    ),
)
"""In an order in which each chain comes after those it names."""
