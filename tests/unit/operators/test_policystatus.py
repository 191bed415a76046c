"""validatingadmissionpolicy-status-controller: which kinds, what of a schema, which warnings, what is written."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from tests.unit.operators.decisions import NOW, make, only, run, settle, view_of
from understudy.errors import NotFound
from understudy.kinds.admission import VALIDATING_ADMISSION_POLICIES, ValidatingAdmissionPolicy
from understudy.kinds.meta import Key
from understudy.operators.policystatus import MISSING, UNCHECKED, checking, decide, library, matched, shapes, warnings
from understudy.operators.policystatus.openapi import Document, GroupVersion, GroupVersionKind
from understudy.operators.policystatus.shapes import ListOf, MapOf, Struct, escaped
from understudy.plan.steps import Get, Patch, Step

APPS = GroupVersion("apps", "v1")
WEB = GroupVersionKind("apps", "v1", "Web")


def text(**more: Any) -> Mapping[str, Any]:
    return {"type": "string", **more}


def obj(**properties: Any) -> Mapping[str, Any]:
    return {"type": "object", "properties": properties}


def of_objects(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "array", "items": schema}


SPEC = obj(
    replicas={"type": "integer", "format": "int32"},
    ratio={"type": "number"},
    paused={"type": "boolean"},
    port={"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    size={"oneOf": [{"type": "string"}, {"type": "number"}]},
    since=text(format="date-time"),
    blob=text(format="byte"),
    labels={"type": "object", "additionalProperties": text()},
    parts=of_objects({"allOf": [{"$ref": "#/components/schemas/part"}], "description": "wrapped"}),
    matrix=of_objects(of_objects({"type": "integer"})),
    anything={"x-kubernetes-preserve-unknown-fields": True},
    **{"a-b": text(), "namespace": text(), "$no": text()},
)
PART = obj(name=text(), inner={"$ref": "#/components/schemas/part"})
METADATA = obj(name=text(), generateName=text(), labels={"type": "object", "additionalProperties": text()})
SCHEMA = {
    **obj(kind=text(), apiVersion=text(), metadata=METADATA, spec={"$ref": "#/components/schemas/spec"}),
    "x-kubernetes-group-version-kind": [WEB._asdict()],
}
OPERATION = {"get": {"x-kubernetes-group-version-kind": WEB._asdict()}, "parameters": []}
CONTENT = {
    "paths": {
        "/apis/apps/v1/namespaces/{namespace}/webs": OPERATION,
        "/apis/apps/v1/namespaces/{namespace}/webs/{name}/scale": {"get": {}},
        "/apis/apps/v1/clusterwebs": OPERATION,
    },
    "components": {"schemas": {"web": SCHEMA, "spec": SPEC, "part": PART}},
}
DOCUMENT = Document(APPS, CONTENT)


def policy(
    *expressions: str, variables: Mapping[str, str] | None = None, generation: int = 1, **spec: Any
) -> ValidatingAdmissionPolicy:
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["webs"]}
    given = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": each} for each in expressions],
        "variables": [{"name": name, "expression": each} for name, each in (variables or {}).items()],
        **spec,
    }
    status = given.pop("status", {})
    return make(VALIDATING_ADMISSION_POLICIES, "p", generation=generation, spec=given, status=status)


def serve(step: Step) -> Any:
    """The server's documents: there is the one of apps/v1."""
    if isinstance(step, Get):
        if step.kind.path("", step.name) != "/openapi/v3/apis/apps/v1":
            raise NotFound(404, "NotFound", "no such document")
        return CONTENT
    return None


def told(*expressions: str, **given: Any) -> list[str]:
    """What is wrong with each expression, "" for those that are right, without the kind and the pointer."""
    found = {each["fieldRef"]: each["warning"] for each in warnings(policy(*expressions, **given), {APPS: DOCUMENT})}
    every = (found.get(f"spec.validations[{number}].expression", "") for number in range(len(expressions)))
    return [each.split("\n")[0].rpartition("<input>:")[2].partition(": ")[2] for each in every]


class TestWhichKinds:
    def kinds(self, *rules: Mapping[str, Sequence[str]]) -> Sequence[GroupVersionKind]:
        given = policy(matchConstraints={"resourceRules": list(rules)})
        return matched.kinds(given, dict.fromkeys(matched.versions(given), DOCUMENT))

    def rule(self, **parts: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["webs"], **parts}

    def test_a_resource_is_of_a_kind_in_a_namespace_or_in_none(self) -> None:
        assert self.kinds(self.rule()) == self.kinds(self.rule(resources=["clusterwebs"])) == [WEB]

    @pytest.mark.parametrize(
        "parts",
        [{"apiGroups": ["*"]}, {"apiVersions": ["v1", "*"]}, {"resources": ["*"]}, {"resources": ["webs/scale", "x"]}],
    )
    def test_what_is_not_named_is_left_out(self, parts: Mapping[str, Sequence[str]]) -> None:
        assert self.kinds(self.rule(**parts)) == []

    def test_no_rules_no_kinds(self) -> None:
        assert matched.kinds(policy(matchConstraints=None), {}) == []

    def test_ten_at_most(self) -> None:
        group = GroupVersion("", "v1")
        gvks = [GroupVersionKind("", "v1", f"K{number:02}") for number in range(12)]
        paths = {
            f"/api/v1/k{each.kind[1:]}": {"get": {"x-kubernetes-group-version-kind": each._asdict()}} for each in gvks
        }
        rule = self.rule(apiGroups=[""], resources=[f"k{number:02}" for number in range(12)])
        given = policy(matchConstraints={"resourceRules": [rule]})
        assert matched.kinds(given, {group: Document(group, {"paths": paths})}) == gvks[:10]

    def test_the_parameters_document_is_needed_too(self) -> None:
        given = policy(paramKind={"apiVersion": "example.com/v2", "kind": "Limit"})
        assert matched.versions(given) == {APPS, GroupVersion("example.com", "v2")}
        assert matched.params_kind(policy(paramKind={"apiVersion": "v1", "kind": "ConfigMap"})) == (
            "",
            "v1",
            "ConfigMap",
        )


class TestShapes:
    ROOT = shapes.root(SCHEMA, DOCUMENT, "Web")

    def field(self, *names: str) -> Any:
        found: Any = self.ROOT
        for each in names:
            found = found.fields[each]
        return found

    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("replicas", "int"),
            ("ratio", "double"),
            ("paused", "bool"),
            ("port", "dyn"),
            ("size", "dyn"),
            ("since", "timestamp"),
            ("blob", "bytes"),
            ("labels", MapOf("string")),
            ("matrix", ListOf(ListOf("int"))),
            ("a__dash__b", "string"),
            ("__namespace__", "string"),
        ],
    )
    def test_what_fields_are(self, name: str, shape: Any) -> None:
        assert self.field("spec", name) == shape

    def test_what_has_no_type_or_no_name_cannot_be_used(self) -> None:
        assert not {"anything", "$no", "a-b"} & self.field("spec").fields.keys()

    def test_names_lead_from_the_kind_and_a_circle_ends(self) -> None:
        part = self.field("spec", "parts").of
        assert part.name == "Web.spec.parts.@idx"
        assert part.fields["inner"] == Struct("Web.spec.parts.@idx.inner", {})

    def test_whatever_the_schema_an_object_has_a_name(self) -> None:
        assert shapes.root({"type": "object"}, DOCUMENT, "X") == Struct(
            "X",
            {
                "kind": "string",
                "apiVersion": "string",
                "metadata": Struct("X.metadata", {"name": "string", "generateName": "string"}),
            },
        )

    @pytest.mark.parametrize(
        ("name", "written"),
        [("a__b", "a__underscores__b"), ("x/y.z", "x__slash__y__dot__z"), ("in", "__in__"), ("1a", ""), ("ä", "")],
    )
    def test_names_that_are_no_identifiers(self, name: str, written: str) -> None:
        assert escaped(name) == written


class TestChecking:
    def test_what_is_right(self) -> None:
        right = (
            "object.spec.replicas > 1 && object.spec.replicas < 1.5 && object.spec.ratio >= 1",
            "object.spec.port == 1 || object.spec.port == 'http'",
            "quantity(object.spec.size).isLessThan(quantity('1Gi'))",
            "object.spec.since > timestamp('2026-01-01T00:00:00Z')",
            "object.spec.labels.a == 'b' && object.metadata.?labels['x'].orValue('') == ''",
            "object.spec.parts.all(p, p.name.startsWith('x')) && object.spec.parts.exists(i, p, p.name == 'a')",
            "object.spec.matrix[0][0] == 1 && size(object.spec.matrix[0]) > 1",
            "oldObject == null || has(oldObject.spec.a__dash__b)",
            "request.userInfo.extra['a'].exists(x, x == 'b') && request.options.any.thing == 1",
            "namespaceObject.metadata.labels.env == 'x'",
            "authorizer.group('').resource('pods').namespace('a').check('get').allowed()",
            "authorizer.requestResource.check('get').reason() == ''",
            "format.named('uuid').value().validate('x').hasValue() || format.uuid().validate('x').hasValue()",
            "ip('::1').family() == 6 && string(ip('::1')) == '::1' && cidr('::/0').containsIP('::1')",
            "[1, 2].sum() == 3 && ['b'].isSorted() && sets.contains([1], [1]) && url('a').getQuery().b[0] == 'c'",
            "semver('1.0.0', true).major() == 1 && 'a'.replace('a', 'b').split(',').join('-') == '%d'.format([1])",
        )
        assert dict(zip(right, told(*right), strict=True)) == dict.fromkeys(right, "")

    @pytest.mark.parametrize(
        ("expression", "issue"),
        [
            ("object.spec.replicas > '1'", "found no matching overload for '_>_' applied to '(int, string)'"),
            ("'a' + object.spec.replicas", "found no matching overload for '_+_' applied to '(string, int)'"),
            ("object.spec.nope == 1", "undefined field 'nope'"),
            ("object.metadata.name.x == 1", "type 'string' does not support field selection"),
            (
                "object.spec.parts.all(p, p.name == 1)",
                "found no matching overload for '_==_' applied to '(string, int)'",
            ),
            ("object.spec > 1", "found no matching overload for '_>_' applied to '(Web.spec, int)'"),
            (
                "object.spec.parts.indexOf(1) == 0",
                "found no matching overload for 'indexOf' applied to 'list(Web.spec.parts.@idx).(int)'",
            ),
            ("object.spec.since > 1", "found no matching overload for '_>_' applied to '(timestamp, int)'"),
            ("object.spec.replicas == null", "found no matching overload for '_==_' applied to '(int, null)'"),
            ("quantity(1) == 1", "found no matching overload for 'quantity' applied to '(int)'"),
            (
                "object.spec.all(x, true)",
                "expression of type 'Web.spec' cannot be range of a comprehension (must be list, map, or dynamic)",
            ),
            ("request.name == 1", "found no matching overload for '_==_' applied to '(string, int)'"),
        ],
    )
    def test_what_is_wrong_in_the_words_of_gos_checker(self, expression: str, issue: str) -> None:
        assert told(expression) == [issue]

    def test_what_follows_from_another_issue_is_not_told(self) -> None:
        [found] = warnings(policy("object.nope.all(x, x > 1)"), {APPS: DOCUMENT})
        assert found["warning"].count("ERROR: ") == 1

    def test_a_function_nobody_here_knows_proves_nothing(self) -> None:
        assert told("object.spec.replicas > 'a' && ofTheFuture(1)") == [""]

    def test_variables_have_the_types_of_their_expressions(self) -> None:
        variables = {"n": "object.spec.replicas", "m": "variables.n + 1", "bad": "object.nope", "o": "object.?spec"}
        assert told("variables.m > 'a'", "variables.bad > 1", "variables.o.hasValue()", variables=variables) == [
            "found no matching overload for '_>_' applied to '(int, string)'",
            "",
            "",
        ]

    def test_parameters_are_of_their_kind(self) -> None:
        params = {"apiVersion": "apps/v1", "kind": "Web"}
        assert told("params.spec.replicas == 'a'", paramKind=params) == [
            "found no matching overload for '_==_' applied to '(int, string)'"
        ]

    def test_the_library_declares_every_listed_function(self) -> None:
        declared = {each["name"] for each in library.config()["functions"]}
        assert {"charAt", "format.named", "_<_", "string", "isQuantity"} <= declared
        json.dumps(library.config())


class TestWriting:
    def test_warnings_with_kind_and_pointer(self) -> None:
        validations = [
            {"expression": "object.spec.replicas > 1", "messageExpression": "'got ' + object.spec.replicas"},
            {"expression": "object.spec.replicas > '1'"},
        ]
        given = policy(validations=validations, generation=3)
        patch = only(
            run(decide(given, view_of({}), NOW), view_of({VALIDATING_ADMISSION_POLICIES: [given]}), serve), Patch
        )
        assert patch.subresource == "status"
        assert patch.body["status"]["observedGeneration"] == 3
        first, second = patch.body["status"]["typeChecking"]["expressionWarnings"]
        assert first["fieldRef"] == "spec.validations[0].messageExpression"
        assert second == {
            "fieldRef": "spec.validations[1].expression",
            "warning": "apps/v1, Kind=Web: ERROR: <input>:1:22: found no matching overload for '_>_' applied to "
            "'(int, string)'\n | object.spec.replicas > '1'\n | .....................^\n",
        }

    def test_all_is_well_is_said_too(self) -> None:
        view = view_of({VALIDATING_ADMISSION_POLICIES: [policy("object.spec.replicas > 1")]})
        [[_, patch]] = settle(decide, VALIDATING_ADMISSION_POLICIES, Key("", "p"), view, answer=serve)
        assert isinstance(patch, Patch)
        assert patch.body["status"]["typeChecking"] == {"expressionWarnings": None}

    def test_a_kind_that_is_not_served_is_left_out(self) -> None:
        rule = {"apiGroups": ["gone.example.com"], "apiVersions": ["v1"], "resources": ["webs"]}
        given = policy("object.nope", matchConstraints={"resourceRules": [rule]})
        view = view_of({VALIDATING_ADMISSION_POLICIES: [given]})
        patch = only(run(decide(given, view, NOW), view, serve), Patch)
        assert patch.body["status"]["typeChecking"] == {"expressionWarnings": None}

    def test_without_the_library_it_is_said_once_and_nothing_is_claimed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checking, "PACKAGES", ("no_such_package.at_all",))
        others = [{"type": "Other", "status": "True", "reason": "R", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
        view = view_of({VALIDATING_ADMISSION_POLICIES: [policy("x", status={"conditions": others})]})
        [[patch]] = settle(decide, VALIDATING_ADMISSION_POLICIES, Key("", "p"), view, answer=serve)
        assert isinstance(patch, Patch)
        assert "observedGeneration" not in patch.body["status"]
        assert [each["type"] for each in patch.body["status"]["conditions"]] == ["Other", UNCHECKED]
        assert patch.body["status"]["conditions"][1]["message"] == MISSING

    def test_with_it_that_is_taken_back(self) -> None:
        conditions = [msgspec.to_builtins({"type": UNCHECKED, "status": "False"})]
        given = policy("object.spec.replicas > 1", status={"conditions": conditions})
        view = view_of({VALIDATING_ADMISSION_POLICIES: [given]})
        patch = only(run(decide(given, view, NOW), view, serve), Patch)
        assert patch.body["status"]["conditions"] is None

    def test_what_was_looked_at_is_left_alone(self) -> None:
        assert run(decide(policy("x", generation=2, status={"observedGeneration": 2}), view_of({}), NOW)) == []
