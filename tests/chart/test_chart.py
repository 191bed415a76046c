"""The chart rendered by the real helm: what runs with which privileges; upgrades and drains leave a replica."""

import json
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from tests.chart.rendering import ALL_ON, CHART, ON_NODES, containers, find, helm, pods, refusal, render
from understudy import __version__, cli, onstage, withdraw
from understudy.components import COMPONENTS
from understudy.proxy.service import succession

LOOPS = ("controllers", "scheduler")
ROOT = CHART.parents[1]


class TestHelm:
    def test_lint_has_nothing_to_say(self) -> None:
        done = helm("lint", "--strict", str(CHART))
        assert done.returncode == 0, done.stdout
        assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout
        assert "[WARNING]" not in done.stdout

    def test_a_package_holds_the_definitions_that_are_linked(self, tmp_path: Path) -> None:
        assert helm("package", str(CHART), "--destination", str(tmp_path)).returncode == 0
        held = subprocess.run(
            ["tar", "tf", str(next(tmp_path.glob("*.tgz")))], capture_output=True, text=True, check=True, timeout=30
        ).stdout.split()
        assert [f"understudy/crds/{path.name}" for path in sorted((ROOT / "crds").glob("*.yaml"))] == sorted(
            name for name in held if name.startswith("understudy/crds/") and name.endswith(".yaml")
        )
        assert "understudy/generated/controllers.yaml" in held

    def test_chart_and_program_are_of_one_version(self) -> None:
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        assert chart["version"] == chart["appVersion"] == __version__

    def test_an_older_kubernetes_is_refused(self) -> None:
        done = helm("template", "ours", str(CHART), "--kube-version", "1.32.0")
        assert "requires kubeVersion: >=1.33" in done.stderr


class TestSchema:
    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"contollers": {"replicas": 3}}, "additional properties 'contollers' not allowed"),
            ({"controllers": {"replica": 3}}, "at '/controllers'"),
            ({"controllers": {"replicas": 0}}, "at '/controllers/replicas'"),
            ({"scheduler": {"port": 80}}, "at '/scheduler/port'"),
            ({"apiServer": {"host": "https://cp:6443"}}, "at '/apiServer/host'"),
            ({"log": {"level": "chatty"}}, "at '/log/level'"),
            ({"image": {"repository": "Understudy"}}, "at '/image/repository'"),
            ({"controlPlane": {"controllers": {"run": []}}}, "at '/controlPlane/controllers/run'"),
            ({"controlPlane": {"controllers": {"run": ["Deployment"]}}}, "at '/controlPlane/controllers/run/0'"),
            ({"nodeAgent": {"podNetwork": False}}, "at '/nodeAgent/podNetwork'"),
            ({"network": {"clusterCIDRs": ["10.244.0.0"]}}, "at '/network/clusterCIDRs/0'"),
            ({"operator": {"resources": {"limits": {"memory": "lots"}}}}, "at '/operator/resources/limits/memory'"),
            ({"release": {"timeout": 5}}, "at '/release/timeout'"),
        ],
    )
    def test_nonsense_is_refused_by_its_place(self, values: dict[str, object], said: str) -> None:
        assert said in refusal(values)

    @pytest.mark.parametrize("part", ["ingress", "resourceMetrics", "dashboard"])
    def test_what_is_not_there_yet_cannot_be_switched_on(self, part: str) -> None:
        assert f"at '/{part}/enabled': value must be false" in refusal({part: {"enabled": True}})

    def test_no_object_of_the_schema_takes_what_it_does_not_name(self) -> None:
        schema = json.loads((CHART / "values.schema.json").read_text())

        def open_objects(node: object, path: str = "") -> list[str]:
            if isinstance(node, list):
                return [found for each in node for found in open_objects(each, path)]
            if not isinstance(node, dict):
                return []
            found = [path] if node.get("type") == "object" and "additionalProperties" not in node else []
            return found + [each for name, child in node.items() for each in open_objects(child, f"{path}/{name}")]

        assert open_objects(schema) == ["/properties/global"]


class TestPrivileges:
    @pytest.mark.parametrize("values", [{}, ALL_ON], ids=["plain", "all on"])
    def test_every_container_has_as_little_as_can_be(self, values: dict[str, object]) -> None:
        seen = 0
        for name, pod in pods(render(values)):
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            for container in containers(pod):
                own, seen = container["securityContext"], seen + 1
                assert own["allowPrivilegeEscalation"] is False
                assert own["readOnlyRootFilesystem"] is True
                assert own["capabilities"]["drop"] == ["ALL"]
                assert container["resources"]["requests"].keys() == {"cpu", "memory"}
                if name not in ON_NODES:
                    assert own["capabilities"].keys() == {"drop"}
                    assert "runAsUser" not in own
        assert seen == (9 if values else 7)

    def test_the_node_agent_may_set_up_networks_and_write_one_folder(self) -> None:
        (agent,) = (pod for name, pod in pods(render(ALL_ON)) if name == "understudy-node-agent")
        (container,) = agent["containers"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
        assert [volume["hostPath"]["path"] for volume in agent["volumes"]] == ["/etc/cni/net.d"]
        assert "hostPID" not in agent

    def test_the_service_proxy_may_set_up_networks_and_touch_no_file(self) -> None:
        (proxy,) = (pod for name, pod in pods(render(ALL_ON)) if name == "understudy-service-proxy")
        (container,) = proxy["containers"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
        assert "volumes" not in proxy
        assert "volumeMounts" not in container
        assert proxy["hostNetwork"] is True

    def test_the_pod_network_is_left_alone_unless_asked_for(self) -> None:
        assert not [each for each in render() if each["kind"] == "DaemonSet"]

    def test_nobody_is_cluster_admin_and_wildcards_are_the_collectors_alone(self) -> None:
        roles = [each for each in render(ALL_ON) if each["kind"] in ("ClusterRole", "Role")]
        wide = {role["metadata"]["name"] for role in roles for rule in role["rules"] if "*" in str(rule)}
        assert wide == {"understudy-controllers"}
        assert not [rule for role in roles for rule in role["rules"] if "*" in rule["verbs"]]

    def test_each_pod_runs_under_an_account_of_its_own_that_is_bound(self) -> None:
        manifests = render(ALL_ON)
        accounts = {each["metadata"]["name"] for each in manifests if each["kind"] == "ServiceAccount"}
        assert {pod["serviceAccountName"] for _, pod in pods(manifests)} == accounts
        for binding in (each for each in manifests if each["kind"] in ("ClusterRoleBinding", "RoleBinding")):
            (subject,) = binding["subjects"]
            assert subject["name"] == binding["metadata"]["name"] == binding["roleRef"]["name"]
            assert subject["name"] in accounts
            assert subject["namespace"] == "stage"


class TestAvailability:
    @pytest.mark.parametrize("component", LOOPS)
    def test_an_upgrade_or_a_drain_leaves_a_replica(self, component: str) -> None:
        manifests = render()
        spec = find(manifests, "Deployment", f"understudy-{component}")["spec"]
        budget = find(manifests, "PodDisruptionBudget", f"understudy-{component}")["spec"]
        assert spec["replicas"] == 2
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
        assert budget["maxUnavailable"] == 1
        labels = spec["template"]["metadata"]["labels"].items()
        assert budget["selector"]["matchLabels"].items() <= labels
        assert spec["selector"]["matchLabels"].items() <= labels

    def test_the_loops_start_on_a_cluster_that_has_no_network_yet(self) -> None:
        for name, pod in pods(render()):
            taints = {(each["key"], each["effect"]) for each in pod["tolerations"]}
            assert ("node.kubernetes.io/not-ready", "NoSchedule") in taints, name
            assert ("node.kubernetes.io/not-ready", "NoExecute") in taints, name
            assert ("node-role.kubernetes.io/control-plane", "NoSchedule") in taints, name
            assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "Default"), name

    def test_critical_pods_are_told_so(self) -> None:
        classes = {name: pod.get("priorityClassName") for name, pod in pods(render(ALL_ON))}
        assert classes["understudy-controllers"] == classes["understudy-scheduler"] == "system-cluster-critical"
        assert {classes[name] for name in ON_NODES} == {"system-node-critical"}

    def test_what_works_on_nodes_is_on_all_of_them(self) -> None:
        for name, pod in pods(render(ALL_ON)):
            if name in ON_NODES:
                assert pod["tolerations"] == [{"operator": "Exists"}]
                assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}

    def test_the_service_proxy_has_time_to_wait_for_its_successor(self) -> None:
        (proxy,) = (pod for name, pod in pods(render(ALL_ON)) if name == "understudy-service-proxy")
        assert proxy["terminationGracePeriodSeconds"] > succession.PATIENCE + 5

    def test_on_the_nodes_network_no_two_components_want_one_port(self) -> None:
        ports = [
            port["containerPort"]
            for _, pod in pods(render(ALL_ON))
            for container in pod["containers"]
            for port in container.get("ports", [])
        ]
        assert len(ports) == len(set(ports)) == 5


class TestHealth:
    @pytest.mark.parametrize(
        ("values", "address", "host"),
        [
            ({}, "127.0.0.1:10357", "127.0.0.1"),
            ({"hostNetwork": False}, "$(POD_IP):10357", None),
            ({"metrics": {"serviceMonitor": {"enabled": True}}}, "$(POD_IP):10357", None),
        ],
    )
    def test_probes_ask_where_it_listens(self, values: dict[str, object], address: str, host: str | None) -> None:
        spec = find(render(values), "Deployment", "understudy-controllers")["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert f"--health-address={address}" in container["args"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            assert (asked.get("host"), asked["port"]) == (host, 10357)

    def test_prometheus_finds_what_it_scrapes(self) -> None:
        manifests = render(ALL_ON)
        service = find(manifests, "Service", "understudy-metrics")
        monitor = find(manifests, "ServiceMonitor", "understudy")["spec"]
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
        agent = find(manifests, "DaemonSet", "understudy-node-agent")["spec"]["template"]
        assert service["spec"]["selector"].items() <= agent["metadata"]["labels"].items()


class TestApiServer:
    def test_it_is_found_by_the_service_unless_named(self) -> None:
        def named(values: dict[str, object]) -> list[dict[str, str]]:
            return [
                {one["name"]: one["value"] for one in container["env"] if "value" in one}
                for _, pod in pods(render(values))
                for container in containers(pod)
            ]

        there = {"KUBERNETES_SERVICE_HOST": "cp", "KUBERNETES_SERVICE_PORT": "6443"}
        assert named({}) == [{}] * 7
        assert named(ALL_ON) == [there] * 9

    def test_a_service_proxy_cannot_find_it_by_the_service(self) -> None:
        assert "serviceProxy.enabled needs apiServer.host" in refusal({"serviceProxy": {"enabled": True}})


RANGES = {
    "network": {"clusterCIDRs": ["10.2.0.0/16", "fd02::/48"], "serviceCIDRs": ["10.3.0.0/16"], "nodeMaskSize": 25}
}


class TestCommands:
    def test_the_clusters_ranges_reach_who_needs_them(self) -> None:
        said = {name: pod["containers"][0].get("args", []) for name, pod in pods(render({**ALL_ON, **RANGES}))}
        ranges = "--cluster-cidr=10.2.0.0/16,fd02::/48"
        assert {name for name, arguments in said.items() if ranges in arguments} == {
            "understudy-controllers",
            *ON_NODES,
        }
        controllers = said["understudy-controllers"]
        assert {"--service-cluster-ip-range=10.3.0.0/16", "--node-cidr-mask-size=25"} <= set(controllers)
        assert _parse(controllers).info_name == "run"
        assert not [one for _, pod in pods(render()) for one in pod["containers"][0].get("args", []) if "cidr" in one]

    @pytest.mark.parametrize("component", ["controllers", "scheduler", "operator", "node-agent", "service-proxy"])
    def test_run_understands_its_arguments(self, component: str) -> None:
        assert component in COMPONENTS
        pod = next(pod for name, pod in pods(render(ALL_ON)) if name == f"understudy-{component}")
        parsed = _parse(pod["containers"][0]["args"])
        assert parsed.info_name == "run"
        assert parsed.params["component"] == component
        assert parsed.params.get("leader_elect", False) is (component in LOOPS)

    def test_the_uninstall_hook_does_too(self) -> None:
        hook = find(render(), "Pod", "understudy-release")["spec"]
        assert _parse(hook["containers"][0]["args"]).info_name == "release"
        parsed = withdraw.main.make_context("withdraw", hook["initContainers"][0]["command"][3:])
        assert parsed.params == {"timeout": 60.0}

    @pytest.mark.parametrize(
        ("values", "leading"),
        [
            ({}, ("controllers", "scheduler")),
            ({"controlPlane": {"scheduler": {"takeOver": False}}}, ("controllers",)),
            ({"controlPlane": {"create": False}}, ()),
        ],
    )
    def test_helm_test_asks_for_what_was_taken_over(self, values: dict[str, object], leading: tuple[str, ...]) -> None:
        command = find(render(values), "Pod", "understudy-test-stage")["spec"]["containers"][0]["command"]
        assert command[:3] == ["python3", "-m", "understudy.onstage"]
        asked = onstage.main.make_context("onstage", command[3:]).params
        assert (asked["leading"], asked["replicas"]) == (leading, 2)


def _parse(arguments: list[str]) -> click.Context:
    """The context of the subcommand; the place-holders and files of a pod are put in."""
    there = {"$(POD_IP)": "10.0.0.1", "$(NODE_NAME)": "node-1"}
    plain = [argument for argument in arguments if not argument.startswith("--root-ca-file=/var/run/secrets/")]
    for holder, value in there.items():
        plain = [argument.replace(holder, value) for argument in plain]
    command = cli.main.get_command(click.Context(cli.main), plain[0])
    assert command is not None, f"there is no `understudy {plain[0]}`"
    return command.make_context(plain[0], plain[1:])


class TestUninstall:
    def test_the_stage_is_given_back_before_anything_is_deleted(self) -> None:
        hook = find(render(), "Pod", "understudy-release")
        assert hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
        assert hook["spec"]["initContainers"][0]["command"][:3] == ["python3", "-m", "understudy.withdraw"]
        assert hook["spec"]["restartPolicy"] == "OnFailure"

    def test_its_deadline_leaves_time_for_all_steps(self) -> None:
        hook = find(render({"release": {"timeout": 100}}), "Pod", "understudy-release")["spec"]
        assert hook["activeDeadlineSeconds"] == 330

    def test_what_is_left_on_leases_goes_after_everything_else(self) -> None:
        tidy = [each for each in render() if each["metadata"]["name"] == "understudy-tidy"]
        annotations = [each["metadata"]["annotations"] for each in tidy]
        assert {each["helm.sh/hook"] for each in annotations} == {"post-delete"}
        weights = {each["kind"]: int(note["helm.sh/hook-weight"]) for each, note in zip(tidy, annotations, strict=True)}
        assert max(weights, key=lambda kind: weights[kind]) == "Pod"
        assert weights.keys() == {"Pod", "ServiceAccount", "Role", "RoleBinding"}

    def test_the_control_plane_goes_with_the_release(self) -> None:
        plane = find(render(), "ControlPlane", "cluster")
        assert "helm.sh/hook" not in plane["metadata"].get("annotations", {})
        loops = {"controllers": {"takeOver": True, "run": ["*"]}, "scheduler": {"takeOver": True}}
        assert plane["spec"] == {**loops, "dns": {"takeOver": False}, "serviceProxy": {"takeOver": False}}
        assert find(render(ALL_ON), "ControlPlane", "cluster")["spec"]["serviceProxy"] == {"takeOver": True}
        assert not [each for each in render({"controlPlane": {"create": False}}) if each["kind"] == "ControlPlane"]
