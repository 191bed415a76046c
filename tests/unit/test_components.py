"""Components: which there are, and which controllers `--controllers` chooses."""

import asyncio

import pytest

from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.components import COMPONENTS, UnknownController, choose, make_controllers, registry
from understudy.loop.run import Manager
from understudy.testing.fake import FakeApi


def chosen(names: str) -> list[str]:
    return [controller.name for controller in choose(names.split(","))]


ALL = [name for name, controller in registry().items() if controller.by_default]


class TestChoosing:
    def test_a_star_is_everything(self) -> None:
        assert chosen("*") == ALL
        assert "deployment-controller" in ALL

    def test_a_minus_leaves_out(self) -> None:
        assert chosen("*,-deployment-controller") == [name for name in ALL if name != "deployment-controller"]
        assert chosen("-deployment-controller,*") == [name for name in ALL if name != "deployment-controller"]

    def test_what_is_off_by_default_has_to_be_named(self) -> None:
        off = [name for name, controller in registry().items() if not controller.by_default]
        assert not {*off} & {*chosen("*")}
        assert all(chosen(name) == [name] and name in chosen(f"*,{name}") for name in off)

    def test_names_choose_in_the_order_of_the_registry(self) -> None:
        assert chosen("replicaset-controller,deployment-controller") == [
            "deployment-controller",
            "replicaset-controller",
        ]

    def test_the_ending_may_be_left_off(self) -> None:
        assert chosen("deployment") == ["deployment-controller"]
        assert "replicaset-controller" not in chosen("*,-replicaset")

    def test_only_left_out_is_nothing(self) -> None:
        assert chosen("-deployment") == []

    @pytest.mark.parametrize("names", ["nonsense", "*,-nonsense", "", "-*", "deployment,,replicaset"])
    def test_what_does_not_exist_is_refused(self, names: str) -> None:
        with pytest.raises(UnknownController, match="`understudy controllers` lists them"):
            chosen(names)


def test_each_component_can_be_made_and_takes_part_in_upstreams_election() -> None:
    assert {name: entry.lease for name, entry in COMPONENTS.items()} == {
        "controllers": "kube-controller-manager",
        "scheduler": "kube-scheduler",
        "operator": "understudy-operator",
        "node-agent": "",
        "dns": "",
        "ingress": "",
        "service-proxy": "",
    }
    for entry in COMPONENTS.values():
        assert callable(entry.load())


async def test_the_controllers_component_is_a_manager_of_those_chosen() -> None:
    client = Client(FakeApi().transport("me"))
    settings = {"controllers": "deployment,replicaset", "root-ca": "PEM"}
    made = make_controllers(client, settings, lambda: None)
    assert isinstance(made, Manager)
    assert [controller.name for controller in made.controllers] == ["deployment-controller", "replicaset-controller"]
    assert made.view.settings == settings
    await made.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    "settings",
    [
        {"cluster-cidr": "10.244.0.0/33"},
        {"service-account-private-key": "no PEM"},
        {"cluster-signing-cert": "PEM"},
        {"node-eviction-rate": "often"},
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_runs(settings: dict[str, str]) -> None:
    client = Client(FakeApi().transport("me"))
    with pytest.raises(ConfigError, match="the settings of the controllers cannot be: "):
        make_controllers(client, settings, lambda: None)
