"""Annotations: what they mean, what of them cannot be, and that a guard which cannot be followed lets nobody in."""

import pytest

from tests.unit.ingress.ingress_objects import ingress, rule, world
from understudy.proxy.ingress.policy import NGINX, NO_POLICY, PREFIX, read
from understudy.proxy.ingress.routes import routes


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("rewrite-target", "/a/$1", "rewrite_target", "/a/$1"),
        ("ssl-redirect", "false", "ssl_redirect", False),
        ("proxy-read-timeout", "90s", "proxy_read_timeout", 90.0),
        ("proxy-read-timeout", "90", "proxy_read_timeout", 90.0),
        ("cors-allow-origin", "https://a.example, http://b", "cors_allow_origin", ("https://a.example", "http://b")),
        ("whitelist-source-range", "10.0.0.1,fd00::/8", "whitelist_source_range", ("10.0.0.1/32", "fd00::/8")),
        ("canary-weight", "100", "canary_weight", 100),
        ("limit-rps", "5", "limit_rps", 5),
    ],
)
def test_what_they_mean(name: str, text: str, field: str, value: object) -> None:
    policy, wrong = read({PREFIX + name: text})
    assert (getattr(policy, field), wrong) == (value, [])


def test_a_size_is_read_and_said_not_to_be_served() -> None:
    policy, wrong = read({f"{PREFIX}proxy-body-size": "8m"})
    assert policy.proxy_body_size == 8 << 20
    assert wrong == [f"{PREFIX}proxy-body-size is not served yet"]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("ssl-redirect", "yes", "'yes' is neither true nor false"),
        ("canary-weight", "101", "'101' is not a number from 0 to 100"),
        ("rewrite-target", "a", "'a' does not begin with a slash"),
        ("backend-protocol", "FCGI", "'FCGI' is none of HTTP, HTTPS, GRPC, GRPCS"),
        ("permanent-redirect", "javascript:x", "'javascript:x' is no URL of http or https"),
        ("proxy-read-timeout", "soon", "'soon' is not a number of seconds"),
    ],
)
def test_what_cannot_be_is_told_and_without_effect(name: str, text: str, why: str) -> None:
    assert read({PREFIX + name: text}) == (NO_POLICY, [f"{PREFIX}{name}: {why}"])


def test_others_annotations_are_not_ours() -> None:
    assert read({f"{NGINX}ssl-redirect": "false", "example.com/x": "y"}) == (NO_POLICY, [])


def test_nginxs_names_where_that_is_switched_on_and_ours_before_them() -> None:
    given = {f"{NGINX}limit-rps": "1", f"{NGINX}app-root": "/a", f"{PREFIX}limit-rps": "2"}
    policy, wrong = read(given, nginx=True)
    assert (policy.limit_rps, policy.app_root, wrong) == (2, "/a", [])


def test_snippets_are_told() -> None:
    name = f"{NGINX}configuration-snippet"
    assert read({name: "return 200;"}, nginx=True) == (NO_POLICY, [f"{name} is not known here"])


@pytest.mark.parametrize(
    "annotations",
    [
        {"whitelist_source_range": "everybody"},
        {"denylist_source_range": "1.2.3.4/99"},
        {"auth_type": "basic"},
        {"auth_type": "digest"},
        {"auth_url": "http://auth.example"},
    ],
)
def test_a_guard_that_cannot_be_followed_lets_nobody_in(annotations: dict[str, str]) -> None:
    table = routes(world(ingress("a", rule("example.com", ("/", "Prefix")), annotations=annotations)))
    (route,) = table.hosts["example.com"]
    assert (route.to, "nobody is let in" in route.why) == ((), True)
    assert {each.reason for each in table.problems} == {"InvalidAnnotation"}
