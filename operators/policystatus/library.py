"""The functions Kubernetes adds to CEL, by signature: without them right expressions would be warned about.

A line is a function: what it is called on, its name and arguments, and what it answers. Read by `checking`. It answers
to apiserver pkg/cel/library, cel-go ext/strings.go (version 2) and, for the comparisons of numbers of different types
and `string`, to cel-go's standard library, of which the whole function has to be declared to add to it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

SHORT = {
    **{name: f"kubernetes.{name}" for name in ("Quantity", "URL", "Semver", "NamedFormat")},
    **{
        name: f"kubernetes.authorization.{name}"
        for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
    },
    "IP": "net.IP",
    "CIDR": "net.CIDR",
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
    "optional": "optional_type",
}

FUNCTIONS = """
string charAt(int) string
string indexOf(string) int
string indexOf(string, int) int
string lastIndexOf(string) int
string lastIndexOf(string, int) int
string lowerAscii() string
string upperAscii() string
string replace(string, string) string
string replace(string, string, int) string
string split(string) list<string>
string split(string, int) list<string>
string substring(int) string
string substring(int, int) string
string trim() string
string format(list<dyn>) string
string find(string) string
string findAll(string) list<string>
string findAll(string, int) list<string>
strings.quote(string) string
list<string> join() string
list<string> join(string) string
list<~A> isSorted() bool
list<~A> sum() ~A
list<~A> min() ~A
list<~A> max() ~A
list<~A> indexOf(~A) int
list<~A> lastIndexOf(~A) int
url(string) URL
isURL(string) bool
URL getScheme() string
URL getHost() string
URL getHostname() string
URL getPort() string
URL getEscapedPath() string
URL getQuery() map<string, list<string>>
ip(string) IP
isIP(string) bool
ip.isCanonical(string) bool
IP family() int
IP isUnspecified() bool
IP isLoopback() bool
IP isLinkLocalMulticast() bool
IP isLinkLocalUnicast() bool
IP isGlobalUnicast() bool
cidr(string) CIDR
isCIDR(string) bool
CIDR containsIP(string) bool
CIDR containsIP(IP) bool
CIDR containsCIDR(string) bool
CIDR containsCIDR(CIDR) bool
CIDR ip() IP
CIDR prefixLength() int
CIDR masked() CIDR
quantity(string) Quantity
isQuantity(string) bool
Quantity sign() int
sign(Quantity) int
Quantity isGreaterThan(Quantity) bool
Quantity isLessThan(Quantity) bool
Quantity compareTo(Quantity) int
Quantity asApproximateFloat() double
Quantity asInteger() int
Quantity isInteger() bool
Quantity add(Quantity) Quantity
Quantity add(int) Quantity
Quantity sub(Quantity) Quantity
Quantity sub(int) Quantity
semver(string) Semver
semver(string, bool) Semver
isSemver(string) bool
isSemver(string, bool) bool
Semver isGreaterThan(Semver) bool
Semver isLessThan(Semver) bool
Semver compareTo(Semver) int
Semver major() int
Semver minor() int
Semver patch() int
format.named(string) optional<NamedFormat>
NamedFormat validate(string) optional<list<string>>
Authorizer path(string) PathCheck
Authorizer group(string) GroupCheck
Authorizer serviceAccount(string, string) Authorizer
GroupCheck resource(string) ResourceCheck
ResourceCheck subresource(string) ResourceCheck
ResourceCheck namespace(string) ResourceCheck
ResourceCheck name(string) ResourceCheck
ResourceCheck fieldSelector(string) ResourceCheck
ResourceCheck labelSelector(string) ResourceCheck
ResourceCheck check(string) Decision
PathCheck check(string) Decision
Decision errored() bool
Decision error() string
Decision allowed() bool
Decision reason() string
string(IP) string
string(CIDR) string
"""
_FORMATS = (
    *("dns1123Label", "dns1123Subdomain", "dns1035Label", "qualifiedName", "labelValue"),
    *("dns1123LabelPrefix", "dns1123SubdomainPrefix", "dns1035LabelPrefix"),
    *("uri", "uuid", "byte", "date", "datetime"),
)
_COMPARISONS = ("_<_", "_<=_", "_>_", "_>=_")
_NUMBERS = ("int", "uint", "double")
_ORDERED = ("bool", "string", "bytes", "timestamp", "duration")
_TEXTUAL = ("string", "int", "uint", "double", "bool", "bytes", "timestamp", "duration")

_LINE = re.compile(r"(?:(?P<on>\S+) )?(?P<name>[\w.]+)\((?P<arguments>.*)\) (?P<answer>.+)")
_TYPE = re.compile(r"(?P<name>[~\w]+)(?:<(?P<of>.*)>)?")


def config() -> Mapping[str, Any]:
    """The environment all expressions share, in the form of CEL's own configuration files."""
    overloads: dict[str, list[Any]] = defaultdict(list)
    for number, (name, overload) in enumerate((*_listed(), *_formats(), *_standard())):
        overloads[name].append({"id": f"understudy_{number}", **overload})
    return {
        "name": "kubernetes",
        "stdlib": {"exclude_functions": [{"name": name} for name in ("string", *_COMPARISONS)]},
        "extensions": [{"name": name} for name in ("optional", "sets", "two-var-comprehensions", "lists")],
        "functions": [{"name": name, "overloads": each} for name, each in overloads.items()],
    }


def _listed() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for line in FUNCTIONS.split("\n")[1:-1]:
        found = _LINE.fullmatch(line)
        assert found is not None, line
        target = {"target": type_of(found["on"])} if found["on"] else {}
        arguments = [type_of(each) for each in found["arguments"].split(", ") if each]
        yield found["name"], {**target, "args": arguments, "return": type_of(found["answer"])}


def _formats() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in _FORMATS:
        yield f"format.{name}", {"args": [], "return": type_of("NamedFormat")}


def _standard() -> Iterator[tuple[str, Mapping[str, Any]]]:
    pairs = [*product(_NUMBERS, _NUMBERS), *((each, each) for each in _ORDERED)]
    for name, pair in product(_COMPARISONS, pairs):
        yield name, {"args": [type_of(each) for each in pair], "return": type_of("bool")}
    for each in _TEXTUAL:
        yield "string", {"args": [type_of(each)], "return": type_of("string")}


def type_of(text: str) -> Mapping[str, Any]:
    """A type such as `map<string, ~A>`, as CEL's configuration writes it."""
    found = _TYPE.fullmatch(text)
    assert found is not None, text
    name = found["name"]
    if name.startswith("~"):
        return {"type_name": name[1:], "is_type_param": True}
    key, comma, rest = (found["of"] or "").partition(", ")
    of = [key, rest] if comma and name == "map" else [found["of"]] if found["of"] else []
    return {"type_name": SHORT.get(name, name), **({"params": [type_of(each) for each in of]} if of else {})}
