"""What a ControlPlane asks for against what the Leases show: annotations, status, conditions, refusals."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.loop.call import CHOICE, LEADER
from understudy.loop.roster import LEADING, STANDING_BY, WAITING, Candidate
from understudy.operators.custom import upstream
from understudy.operators.custom.controlplane import names
from understudy.operators.custom.stage import Plan, decide, refusal, trimmed
from understudy.takeover.seen import LEASE_OF, Seen, see
from understudy.values import timestamp

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ME = "understudy:host_1"
BOTH = {"controllers": {"takeOver": True, "run": ["*"]}, "scheduler": {"takeOver": True}}


def candidate(state: str = STANDING_BY, identity: str = ME, silent: float = 0.0) -> Candidate:
    return Candidate(identity.replace(":", "-"), identity, state, "*", silent)


def lease(holder: str = "kcm_1", annotations: dict[str, str] | None = None, age: float = 0.0) -> dict[str, Any]:
    spec = {
        "holderIdentity": holder,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": timestamp.format_micro(NOW - timedelta(seconds=age)),
        "leaseDurationSeconds": 15,
        "leaseTransitions": 3,
    }
    return {"metadata": {"name": "x", "annotations": annotations or {}}, "spec": spec}


def seen(*candidates: Candidate, pods: list[dict[str, Any]] | None = None, **of: Any) -> dict[str, Seen]:
    return {component: see(name, lease(**of), candidates, NOW, pods or ()) for component, name in LEASE_OF.items()}


def pod(*states: str) -> dict[str, Any]:
    """A pod of upstream's, its containers in these states."""
    return {
        "metadata": {"name": "kcm-node"},
        "status": {"containerStatuses": [{"state": {each: {}}} for each in states]},
    }


def plan(spec: dict[str, Any], found: dict[str, Seen], status: Any = None, **metadata: Any) -> Plan:
    body = {"metadata": {"name": "cluster", "generation": 7, **metadata}, "spec": spec, "status": status}
    return decide(body, found, NOW, names)


def condition(of: Plan, kind: str) -> tuple[str, str]:
    return next((each["status"], each["reason"]) for each in of.status["conditions"] if each["type"] == kind)


TAKEN = {LEADER: "understudy", CHOICE: "*"}


class TestAnnotations:
    def test_taking_over_writes_who_and_what(self) -> None:
        made = plan(BOTH | {"controllers": {"takeOver": True, "run": ["*", "-replicaset"]}}, seen(candidate()))
        assert made.annotations["controllers"] == {LEADER: "understudy", CHOICE: "*,-replicaset"}
        assert made.annotations["scheduler"] == {LEADER: "understudy"}

    def test_what_is_there_is_not_written_again(self) -> None:
        found = seen(candidate(), annotations=TAKEN)
        assert plan({"controllers": BOTH["controllers"], "scheduler": {"takeOver": True}}, found).annotations == {
            "scheduler": {CHOICE: None}
        }

    def test_a_lease_made_anew_gets_them_back(self) -> None:
        assert plan(BOTH, seen(candidate())).annotations["controllers"] == TAKEN

    def test_a_lease_that_is_not_there_is_asked_too(self) -> None:
        none = {component: see(name, None, (), NOW) for component, name in LEASE_OF.items()}
        assert plan(BOTH, none).annotations["controllers"] == TAKEN

    def test_nothing_is_written_where_nothing_was_ever_asked(self) -> None:
        assert plan({}, seen()).annotations == {}

    def test_giving_back_says_so(self) -> None:
        made = plan({"controllers": {"takeOver": False}}, seen(annotations=TAKEN))
        assert made.annotations["controllers"] == {LEADER: "upstream", CHOICE: None}

    def test_deletion_gives_everything_back(self) -> None:
        made = plan(BOTH, seen(annotations=TAKEN), deletionTimestamp="2026-01-02T03:04:05Z")
        assert all(each[LEADER] == "upstream" for each in made.annotations.values())

    def test_what_we_do_not_have_changes_nothing(self) -> None:
        made = plan({"controllers": {"takeOver": True, "run": ["selinux-warning"]}}, seen(annotations=TAKEN))
        assert "controllers" not in made.annotations
        assert condition(made, "Ready") == ("False", "UnknownController")

    @given(
        st.booleans(), st.booleans(), st.sampled_from(["", "understudy", "upstream", "x"]), st.sampled_from(["", "a"])
    )
    def test_written_once_it_is_settled(self, controllers: bool, scheduler: bool, leader: str, choice: str) -> None:
        spec = {"controllers": {"takeOver": controllers}, "scheduler": {"takeOver": scheduler}}
        there = {key: text for key, text in ((LEADER, leader), (CHOICE, choice)) if text}
        first = plan(spec, seen(annotations=there))
        for component, change in first.annotations.items():
            after = {key: text for key, text in (there | dict(change)).items() if text}
            assert component not in plan(spec, seen(annotations=after)).annotations


class TestUpstreamIsAway:
    RELEASED: dict[str, Any] = {"controllers": {"takeOver": False}}  # noqa: RUF012 - it is not changed

    def found(self, *pods: dict[str, Any]) -> dict[str, Seen]:
        return seen(candidate(LEADING), pods=list(pods), holder=ME, annotations=TAKEN)

    @pytest.mark.parametrize("away", [pod("waiting"), pod("terminated"), pod()])
    def test_ours_are_not_called_off_before_it_runs(self, away: dict[str, Any]) -> None:
        made = plan(self.RELEASED, self.found(away))
        assert made.annotations == {}
        assert condition(made, "Ready") == ("False", "AwaitingUpstream")

    @pytest.mark.parametrize("pods", [(), (pod("running"),), (pod("waiting"), pod("running"))])
    def test_one_that_runs_or_is_not_shown_is_given_the_stage(self, pods: tuple[dict[str, Any], ...]) -> None:
        made = plan(self.RELEASED, self.found(*pods))
        assert made.annotations["controllers"][LEADER] == "upstream"
        assert condition(made, "Ready") == ("False", "Releasing")

    @pytest.mark.parametrize(("seconds", "called_off"), [(0, False), (300, False), (340, True)])
    def test_a_deletion_does_not_wait_for_ever(self, seconds: int, called_off: bool) -> None:
        deleted = timestamp.format(NOW - timedelta(seconds=seconds))
        made = plan(BOTH, self.found(pod("waiting")), deletionTimestamp=deleted)
        assert bool(made.annotations) is called_off

    def test_taking_over_needs_no_upstream(self) -> None:
        found = seen(candidate(), pods=[pod("waiting")])
        assert plan(BOTH, found).annotations["controllers"][LEADER] == "understudy"


class TestStatus:
    def test_it_shows_each_lease(self) -> None:
        made = plan(BOTH, seen(candidate(LEADING), candidate(identity="understudy:b_1"), holder=ME, annotations=TAKEN))
        assert made.status["scheduler"] == {
            "leader": "understudy",
            "holder": ME,
            "since": "2026-01-01T00:00:00.000000Z",
            "transitions": 3,
            "onCall": 2,
        }
        assert made.status["observedGeneration"] == 7
        assert condition(made, "Ready") == ("True", "AsAsked")
        assert condition(made, "Progressing") == ("False", "Settled")

    @pytest.mark.parametrize(
        ("spec", "found", "ready", "progressing"),
        [
            (BOTH, seen(), ("False", "NoCandidate"), ("False", "Settled")),
            (BOTH, seen(candidate(silent=41)), ("False", "NoCandidate"), ("False", "Settled")),
            (BOTH, seen(candidate()), ("False", "TakingOver"), ("True", "TakingOver")),
            (BOTH, seen(candidate(WAITING), holder=ME), ("False", "Waiting"), ("True", "Waiting")),
            (BOTH, seen(candidate(LEADING), holder=ME), ("True", "AsAsked"), ("False", "Settled")),
            (BOTH, seen(holder=ME), ("True", "AsAsked"), ("False", "Settled")),
            ({}, seen(candidate(LEADING), holder=ME), ("False", "Releasing"), ("True", "Releasing")),
            ({}, seen(candidate()), ("True", "AsAsked"), ("False", "Settled")),
            ({}, seen(holder=""), ("False", "NobodyLeads"), ("False", "Settled")),
            ({}, seen(age=21), ("False", "NobodyLeads"), ("False", "Settled")),
            ({}, seen(holder="understudy:relay"), ("False", "NobodyLeads"), ("False", "Settled")),
        ],
    )
    def test_conditions(
        self, spec: dict[str, Any], found: dict[str, Seen], ready: tuple[str, str], progressing: tuple[str, str]
    ) -> None:
        made = plan(spec, found)
        assert (condition(made, "Ready"), condition(made, "Progressing")) == (ready, progressing)

    def test_times_of_conditions_stay_while_they_do(self) -> None:
        first = plan(BOTH, seen()).status
        for each in first["conditions"]:
            each["lastTransitionTime"] = "2025-01-01T00:00:00Z"
        second = plan(BOTH, seen(candidate()), first).status["conditions"]
        times = {each["type"]: each["lastTransitionTime"] for each in second}
        assert times["Ready"] == "2025-01-01T00:00:00Z"
        assert times["Progressing"] == "2026-01-02T03:04:05Z"

    def test_a_handover_is_remembered(self) -> None:
        before = plan(BOTH, seen(candidate())).status
        assert before["lastHandover"] is None
        after = plan(BOTH, seen(candidate(LEADING), holder=ME), before).status
        assert after["lastHandover"]["from"] == "upstream"
        assert after["lastHandover"]["to"] == "understudy"
        assert plan(BOTH, seen(candidate(LEADING), holder=ME), after).status["lastHandover"] == after["lastHandover"]

    def test_what_nobody_runs_is_named(self) -> None:
        spec = {"controllers": {"takeOver": True, "run": ["*", "-deployment"]}}
        made = plan(spec, seen(candidate(LEADING), holder=ME))
        missing = made.status["controllers"]["unattended"]
        assert "deployment-controller" in missing
        assert "replicaset-controller" not in missing
        assert condition(made, "AllControllersRun") == ("False", "NotRun")

    def test_while_upstream_leads_all_run(self) -> None:
        made = plan({}, seen())
        assert made.status["controllers"]["unattended"] == []
        assert condition(made, "AllControllersRun") == ("True", "UpstreamLeads")

    def test_what_is_none_is_not_kept(self) -> None:
        assert trimmed({"a": None, "b": {"c": None, "d": 0}, "e": [1]}) == {"b": {"d": 0}, "e": [1]}


@pytest.mark.parametrize(
    ("name", "spec", "why"),
    [
        ("cluster", BOTH, ""),
        ("cluster", {}, ""),
        ("other", {}, "a cluster has one control plane: name it 'cluster', not 'other'"),
        ("cluster", {"dns": {"takeOver": True}}, ""),
        ("cluster", {"serviceProxy": {"takeOver": True}}, ""),
        ("cluster", {"dns": {"takeOver": False}}, ""),
        ("cluster", {"controllers": {"run": ["x"]}}, "spec.controllers.run: there is no controller 'x'; "),
        (
            "cluster",
            {"controllers": {"run": ["-deployment"]}},
            "spec.controllers.run: -deployment leaves no ",
        ),
    ],
)
def test_refusals(name: str, spec: dict[str, Any], why: str) -> None:
    said = refusal(name, spec, names)
    assert said.startswith(why)
    assert bool(said) == bool(why)


def test_every_controller_of_ours_is_upstreams_or_named_as_our_own() -> None:
    assert set(names(["*"])) <= {*upstream.DEFAULT, *upstream.OPTIONAL, *upstream.OWN}
    assert not set(upstream.DEFAULT) & set(upstream.OPTIONAL)
