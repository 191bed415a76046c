"""validatingadmissionpolicy-status-controller: whether the types in a policy's expressions fit what it is about.

`openapi` asks the server for the schemas, `matched` says of which kinds, `shapes` and `descriptors` bring them into
CEL's form, `checking` checks, with `library` for the functions that are Kubernetes' own. Answers to
pkg/controller/validatingadmissionpolicystatus and to typechecking.go of apiserver's policy plugin.
"""

from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from typing import Any

from understudy.kinds.admission import VALIDATING_ADMISSION_POLICIES, ValidatingAdmissionPolicy
from understudy.loop.controller import controller, may
from understudy.operators.common.conditions import with_, without
from understudy.operators.policystatus import checking, matched, shapes
from understudy.operators.policystatus.openapi import Document, GroupVersion, GroupVersionKind, fetch
from understudy.plan.steps import Decision, Patch, Step
from understudy.state.view import View
from understudy.values import conditions, timestamp

Documents = Mapping[GroupVersion, Document]
Told = Mapping[str, str]

UNCHECKED = "TypesChecked"
"""Our condition, there only while it is not true: nothing here can check types."""
MISSING = "the expressions' types are not checked: install understudy with the extra `cel`, which brings a CEL library"


@controller(
    "validatingadmissionpolicy-status-controller",
    of=VALIDATING_ADMISSION_POLICIES,
    rights=(may("patch", VALIDATING_ADMISSION_POLICIES, "status"),),
    upstream="pkg/controller/validatingadmissionpolicystatus",
)
def decide(policy: ValidatingAdmissionPolicy, _: View, now: datetime) -> Decision:
    """A policy's status warns of expressions whose types do not fit the kinds it matches."""
    if policy.metadata.generation <= policy.status.observedGeneration:
        return
    if not checking.is_available():
        yield from _leave_unchecked(policy, now)
        return
    documents = yield from fetch(matched.versions(policy))
    found = list(warnings(policy, documents))
    status: dict[str, Any] = {
        "observedGeneration": policy.metadata.generation,
        "typeChecking": {"expressionWarnings": found or None},
    }
    if conditions.find(policy.status.conditions, UNCHECKED) is not None:
        status["conditions"] = without(policy.status.conditions, UNCHECKED) or None
    why = f"{len(found)} of its expressions have wrong types" if found else "the types of its expressions fit"
    yield Patch(VALIDATING_ADMISSION_POLICIES, policy, {"status": status}, why, subresource="status")


def _leave_unchecked(policy: ValidatingAdmissionPolicy, now: datetime) -> Generator[Step, Any, None]:
    """Say once that nobody has looked; a status without warnings would say that all is well."""
    if conditions.find(policy.status.conditions, UNCHECKED) is not None:
        return
    told = {
        "type": UNCHECKED,
        "status": "False",
        "reason": "LibraryMissing",
        "message": MISSING,
        "lastTransitionTime": timestamp.format(now),
    }
    body = {"status": {"conditions": with_(policy.status.conditions, told)}}
    yield Patch(VALIDATING_ADMISSION_POLICIES, policy, body, "no CEL library is installed", subresource="status")


def warnings(policy: ValidatingAdmissionPolicy, documents: Documents) -> Iterator[Told]:
    """What is wrong with each expression, for every kind the policy matches."""
    checkers = list(_checkers(policy, documents))
    for index, validation in enumerate(policy.spec.validations):
        for field in ("expression", "messageExpression"):
            expression = getattr(validation, field)
            told = [(kind, issues) for kind, each in checkers if expression and (issues := each.issues(expression))]
            if told:
                text = "\n".join(f"{kind}: {issues}\n" for kind, issues in told)
                yield {"fieldRef": f"spec.validations[{index}].{field}", "warning": text}


def _checkers(
    policy: ValidatingAdmissionPolicy, documents: Documents
) -> Iterator[tuple[GroupVersionKind, checking.Checker]]:
    """One for each kind whose schema is known."""
    named = matched.params_kind(policy)
    params = _shape(named, documents) if named is not None else None
    for kind in matched.kinds(policy, documents):
        subject = _shape(kind, documents)
        if subject is not None:
            yield kind, checking.Checker(subject, params, policy.spec.variables)


def _shape(kind: GroupVersionKind, documents: Documents) -> shapes.Shape | None:
    document = documents.get(GroupVersion(kind.group, kind.version))
    schema = document.schema_of(kind) if document is not None else None
    return shapes.root(schema, document, kind.kind) if document is not None and schema is not None else None
