"""Corefiles made into our configuration: kubeadm's, a rich one, and what cannot be said."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from understudy.dns.cli import dns
from understudy.dns.config import Forward, Prefetch, Rewrite, parse
from understudy.dns.corefile import BadCorefile, Converted, convert, seconds

KUBEADM = """
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""
RICH = """
(common) {
    cache 60 {
        success 5000 120
        prefetch 3 2m 20%
        serve_stale 1h verify
    }
    log . {
        class denial error
    }
}
. {
    import common
    kubernetes corp.local
    rewrite name exact old.example new.example
    rewrite continue name regex (.*)\\.corp\\.$ {1}.svc.corp.local answer auto
    rewrite stop {
        name suffix .a. .b.   # with a comment
        answer name .b. .a.
    }
    forward . tls://9.9.9.9 tls://149.112.112.112 {
        tls_servername dns.quad9.net
        policy sequential
        health_check 1500ms
        max_fails 3
    }
}
example.org, corp.example:53 {
    hosts {
        10.0.0.1 a.example.org b.example.org
        fd00::1 "a.example.org"
        ttl 60
        fallthrough
    }
    forward . 10.0.0.53 10.0.0.54:5353 {
        force_tcp
    }
}
"""


def checked(text: str) -> Converted:
    made = convert(text)
    parse(yaml.safe_dump(made.config))
    return made


def test_kubeadms() -> None:
    made = checked(KUBEADM)
    assert made.cannot == []
    assert made.flags == {
        "cluster-domain": "cluster.local",
        "dns-pods": "insecure",
        "dns-lame-duck": "5",
        "dns-metrics": "coredns",
    }
    root = parse(yaml.safe_dump(made.config)).zone("")
    assert root is not None
    assert root.forward == Forward()
    assert root.cache is not None
    assert (root.cache.seconds, root.cache.negativeSeconds) == (30, 30)


def test_a_rich_one() -> None:
    made = checked(RICH)
    assert made.cannot == []
    config = parse(yaml.safe_dump(made.config))
    root, org, corp = (config.zone(name) for name in ("", "example.org", "corp.example"))
    assert root is not None
    assert root.forward == Forward(
        to=("tls://9.9.9.9%dns.quad9.net", "tls://149.112.112.112%dns.quad9.net"),
        policy="sequential",
        healthCheck=1.5,
        maxFails=3,
    )
    assert root.cache is not None
    assert (root.cache.seconds, root.cache.negativeSeconds, root.cache.entries) == (120, 60, 5000)
    assert (root.cache.stale, root.cache.staleMode) == (3600, "verify")
    assert root.cache.prefetch == Prefetch(3, 120, 0.2)
    assert root.log is not None
    assert root.log.classes == ("denial", "error")
    assert org is not None
    assert corp is not None
    assert org.forward == corp.forward == Forward(to=("10.0.0.53", "10.0.0.54:5353"), forceTCP=True)
    assert org.hosts is not None
    assert org.hosts.entries == {"10.0.0.1": ("a.example.org", "b.example.org"), "fd00::1": ("a.example.org",)}
    assert (org.hosts.ttl, org.hosts.fallthrough) == (60, True)
    assert config.rewrite == (
        Rewrite("exact", "old.example", "new.example"),
        Rewrite("regex", r"(.*)\.corp\.$", "{1}.svc.corp.local", more=True),
        Rewrite("suffix", ".a.", ".b."),
    )
    assert made.flags["cluster-domain"] == "corp.local"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (". {\n file db.example\n}", "line 2: file db.example: there is no counterpart of the plugin file"),
        (". {\n rewrite type ANY HINFO\n}", "only names are rewritten, not type"),
        ("tls://. {\n}", "line 1: tls://.: only plain DNS is served"),
        (". {\n kubernetes a b\n}", "only one cluster domain is answered, not b too"),
        (
            ". {\n kubernetes a {\n  endpoint http://x\n }\n}",
            "line 3: endpoint http://x: kubernetes has no counterpart",
        ),
        (". {\n kubernetes a {\n  fallthrough\n }\n}", "not asked of others"),
        (". {\n forward . 1.1.1.1 {\n  except a\n }\n}", "line 3: except a: forward has no counterpart"),
        (". {\n forward . 1.1.1.1 {\n  expire soon\n }\n}", "soon is no duration"),
        (". {\n forward . 1.1.1.1 {\n  expire\n }\n}", "line 3: expire"),
        (". {\n forward\n}", "line 2: forward"),
        (". {\n hosts /etc/hosts {\n }\n}", "the file /etc/hosts is not read"),
        ('. {\n log . "{remote}"\n}', "the form of the lines"),
    ],
)
def test_what_is_lost_is_named(text: str, said: str) -> None:
    assert said in "\n".join(convert(text).cannot)


@pytest.mark.parametrize("text", [". {\n cache", "}", "cache 30\n", "{\n}", ". {\n }\n}"])
def test_what_is_no_corefile(text: str) -> None:
    with pytest.raises(BadCorefile):
        convert(text)


def test_durations() -> None:
    assert [seconds(each) for each in ("30", "5s", "1h30m", "250ms")] == [30, 5, 5400, 0.25]


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "Corefile"
    file.write_text(KUBEADM.replace("loop\n", "loop\n    dnssec\n"))
    result = CliRunner().invoke(dns, ["convert", str(file)])
    assert result.exit_code == 0, result.output
    assert "# understudy run dns --cluster-domain=cluster.local" in result.stdout
    assert parse(result.stdout).zone("") is not None
    assert "no counterpart of the plugin dnssec" in result.stderr
    assert CliRunner().invoke(dns, ["convert", "--strict", str(file)]).exit_code == 1
    file.write_text("{")
    assert CliRunner().invoke(dns, ["convert", str(file)]).exit_code == 1
