"""ginkgo's JSON report, turned into tests, groups and results."""

import pytest

from tests.conformance.specs import Result, Spec, broken, first_line, group_of, results_of, specs_of
from tests.unit.conformance.samples import DAEMONS, INGRESS, INGRESS_CLASS, TOKEN, report


def test_every_test_is_known_whether_it_ran_or_not() -> None:
    specs = {spec.name: spec for spec in specs_of(report())}
    assert {TOKEN, INGRESS, INGRESS_CLASS} < set(specs)
    assert len(specs) == 5
    assert specs[TOKEN] == Spec(TOKEN, "sig-auth", "ServiceAccounts")


def test_results_are_those_of_the_tests_that_were_wanted() -> None:
    wanted = [spec for spec in specs_of(report()) if spec.sig in ("sig-auth", "sig-network")]
    results = {result.spec.name: result for result in results_of(report(), wanted)}
    assert results[TOKEN] == Result(Spec(TOKEN, "sig-auth", "ServiceAccounts"), "failed", 2.3, "exit status 1")
    assert results[INGRESS].state == "passed"
    assert set(results) == {TOKEN, INGRESS, INGRESS_CLASS}


def test_a_test_that_ginkgo_left_out_was_not_run() -> None:
    (left_out, *_) = [spec for spec in specs_of(report()) if spec.group == "Daemon set"]
    unheard = Spec(DAEMONS + "?", "sig-apps", "Daemon set")
    results = results_of(report(), [left_out, unheard], "it stopped")
    assert [(result.state, result.why) for result in results] == [("not run", "it stopped")] * 2


def test_a_test_that_began_and_skipped_itself_is_skipped() -> None:
    one = {"LeafNodeType": "It", "LeafNodeText": "t", "State": "skipped", "NumAttempts": 1}
    reports = [{"SpecReports": [{**one, "Failure": {"Message": "\n no such thing here\nmore"}}]}]
    (result,) = results_of(reports, specs_of(reports))
    assert (result.state, result.why) == ("skipped", "no such thing here")


def test_a_failure_outside_the_tests_is_told() -> None:
    assert broken(report()) == ""
    before = {"LeafNodeType": "SynchronizedBeforeSuite", "State": "failed", "Failure": {"Message": "no nodes\n..."}}
    assert broken([{"SpecReports": [before]}]) == "SynchronizedBeforeSuite: no nodes"


@pytest.mark.parametrize(
    ("containers", "name", "group"),
    [
        (["[sig-apps] Daemon set [Serial]"], "", ("sig-apps", "Daemon set")),
        (
            ["[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin]"],
            "",
            ("sig-api-machinery", "AdmissionWebhook"),
        ),
        (["[sig-apps] Job", "with successPolicy"], "", ("sig-apps", "Job")),
        (["[sig-node]", "Lease"], "[sig-node] Lease should be there [X]", ("sig-node", "Lease")),
        ([], "a test of nobody's should work", ("other", "a test of nobody's")),
    ],
)
def test_the_group_is_the_outermost_container_in_words(
    containers: list[str], name: str, group: tuple[str, str]
) -> None:
    assert group_of(containers, name) == group


def test_disruptive_tests_run_alone_too() -> None:
    assert Spec("[sig-node] Taints [Disruptive] x", "", "").serial
    assert Spec(DAEMONS, "", "").serial
    assert not Spec(TOKEN, "", "").serial


def test_the_first_line_is_the_first_that_says_something() -> None:
    assert first_line("\n\n  Timed out after 60s.\nExpected") == "Timed out after 60s."
    assert len(first_line("x" * 1000)) == 200
    assert first_line("") == ""
