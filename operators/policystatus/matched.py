"""Which kinds a policy is about: those whose schemas its expressions are checked against, ten at most.

Answers to typesToCheck and paramsGVK in apiserver pkg/admission/plugin/policy/validating/typechecking.go.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from understudy.kinds.admission import ResourceRule, ValidatingAdmissionPolicy
from understudy.operators.policystatus.openapi import Document, GroupVersion, GroupVersionKind

AT_MOST = 10


def versions(policy: ValidatingAdmissionPolicy) -> set[GroupVersion]:
    """The groups and versions whose documents are needed."""
    needed = {GroupVersion(group, version) for rule in _rules(policy) for group, version, _ in _named(rule)}
    params = params_kind(policy)
    return needed | ({GroupVersion(params.group, params.version)} if params else set())


def kinds(policy: ValidatingAdmissionPolicy, documents: Mapping[GroupVersion, Document]) -> Sequence[GroupVersionKind]:
    """The kinds the policy matches by name, in order; what has a wildcard in it is not looked at."""
    found: set[GroupVersionKind] = set()
    for rule in _rules(policy):
        count = 0
        for group, version, resource in _named(rule):
            document = documents.get(GroupVersion(group, version))
            kind = document.kind_of(resource) if document is not None else None
            if kind is not None:
                found.add(kind)
                count += 1
            if count == AT_MOST:
                return sorted(found)
    return sorted(found)


def params_kind(policy: ValidatingAdmissionPolicy) -> GroupVersionKind | None:
    """The kind of the policy's parameters."""
    params = policy.spec.paramKind
    if params is None:
        return None
    group, _, version = params.apiVersion.rpartition("/")
    return GroupVersionKind(group, version, params.kind)


def _rules(policy: ValidatingAdmissionPolicy) -> Sequence[ResourceRule]:
    return policy.spec.matchConstraints.resourceRules if policy.spec.matchConstraints is not None else ()


def _named(rule: ResourceRule) -> Iterator[tuple[str, str, str]]:
    """Each group, version and resource of a rule; nothing if it means all groups or versions."""
    if any("*" in each for each in (*rule.apiGroups, *rule.apiVersions)):
        return iter(())
    resources = [each for each in rule.resources if "*" not in each and "/" not in each]
    return product(sorted(rule.apiGroups), sorted(rule.apiVersions), sorted(resources))
