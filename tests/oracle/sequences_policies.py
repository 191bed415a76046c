"""ValidatingAdmissionPolicies with right and wrong types, none of them bound. `sequences` adds these to its own."""

from collections.abc import Mapping
from collections.abc import Sequence as Listed

from tests.oracle.acts import Create, Kubectl, Patch, Sequence, step

DEPLOYMENTS = ("apps", "v1", "deployments")
RIGHT = (
    "object.spec.replicas > 1 && object.spec.replicas < 1.5",
    "object.spec.template.spec.containers.all(c, c.image.startsWith('x'))",
    "object.metadata.labels['a'] == 'b' && object.metadata.?labels['x'].orValue('') == ''",
    "object.spec.strategy.rollingUpdate.maxSurge == 1",
    "request.userInfo.extra['a'].exists(x, x == 'b') && namespaceObject.metadata.labels.env == 'x'",
    "authorizer.group('').resource('pods').namespace('a').check('get').allowed()",
    "isQuantity('1') && quantity('1').isLessThan(quantity('2')) && ip('::1').family() == 6 && isURL('x')",
    "oldObject == null || object.metadata.creationTimestamp > timestamp('2026-01-01T00:00:00Z')",
    "format.dns1123Label().validate('x').hasValue() || [1, 2].sum() == 3 && sets.contains([1], [1])",
    "object.spec.template.spec.containers.exists(i, c, c.name == 'a' && i > 1)",
)
WRONG = (
    "object.spec.replicas > '1'",
    "object.spec.template.spec.containers.all(c, c.imag == 'x')",
    "object.metadata.creationTimestamp > 1",
    "object.metadata.name.x == 1",
    "object.spec.replicas.startsWith('1')",
    "object.spec.template.spec.containers.indexOf(1) == 0",
    "object.spec > 1",
    "object.spec.all(x, true)",
    "object.nope.all(x, x > 1)",
    "object.spec.nope > 1 ||\n object.spec.replicas == 'x'",
    "object.spec.replicas == null",
    "object.spec.selector.matchLabels.all(k, v, v == 1)",
    "object.metadata.labels > 1",
    "object.metadata.managedFields[0].fieldsV1.x == 1",
    "variables.replicas > 'a' || variables.containers.all(c, c.nope == 1)",
    "quantity(object.spec.replicas) == quantity('1')",
    "authorizer.group(object.spec.replicas).resource('pods').check('get').allowed()",
    "object.metadata.creationTimestamp - duration('1s') == 1",
    "object.spec.replicas ? true : false",
    "!object.spec.replicas || object.spec.paused && object.spec.replicas",
    "object.spec.template.spec.containers[0].ports[0].containerPort + object.metadata.name == 'a'",
    "has(object.spec.nope) || object.spec.template.spec.volumes['a'].name == 'x'",
    "object.spec.selector.matchLabels.all(k, k == object.spec.replicas)",
    "size(object.spec.replicas) == 1 || -object.metadata.name == 'a'",
    "object.metadata.labels[object.spec.replicas] == 'a' || object.metadata.name in object.spec.replicas",
)
VARIABLES = {"replicas": "object.spec.replicas", "containers": "object.spec.template.spec.containers"}


def policy(
    name: str, expressions: Listed[str], *resources: tuple[str, str, str], variables: Mapping[str, str] | None = None
) -> Create:
    rules = [
        {"apiGroups": [group], "apiVersions": [version], "resources": [plural], "operations": ["CREATE"]}
        for group, version, plural in resources
    ]
    spec = {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": each} for each in expressions],
        "variables": [{"name": key, "expression": each} for key, each in (variables or {}).items()],
    }
    return Create("ValidatingAdmissionPolicy", {"metadata": {"name": f"oracle-{name}"}, "spec": spec})


POLICIES = (
    Sequence(
        "policy-types",
        (
            step("right", policy("right", RIGHT, DEPLOYMENTS)),
            step("wrong", policy("wrong", WRONG, DEPLOYMENTS, variables=VARIABLES)),
            step(
                "more kinds",
                policy(
                    "kinds",
                    ("object.spec.replicas > 'a'", "object.status.phase == 1"),
                    DEPLOYMENTS,
                    ("", "v1", "pods"),
                    ("", "v1", "configmaps"),
                    ("nothing.example.com", "v1", "nothings"),
                    ("batch", "v1", "*"),
                ),
            ),
            step(
                "mended",
                Patch(
                    "ValidatingAdmissionPolicy",
                    "oracle-kinds",
                    {
                        "spec": {
                            "validations": [{"expression": "true", "messageExpression": "'a' + object.metadata.name"}]
                        }
                    },
                ),
            ),
            step("gone", Kubectl("delete validatingadmissionpolicy oracle-wrong")),
        ),
    ),
)
