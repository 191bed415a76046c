"""ValidatingAdmissionPolicy, as far as its status is computed from its spec (k8s.io/api admissionregistration/v1)."""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj


class ParamKind(Struct, gc=False):
    apiVersion: str = ""
    kind: str = ""


class ResourceRule(Struct, gc=False):
    apiGroups: list[str] = []
    apiVersions: list[str] = []
    resources: list[str] = []


class MatchResources(Struct, gc=False):
    resourceRules: list[ResourceRule] = []


class Validation(Struct, gc=False):
    expression: str = ""
    messageExpression: str = ""


class Variable(Struct, gc=False):
    name: str = ""
    expression: str = ""


class ValidatingAdmissionPolicySpec(Struct, gc=False):
    paramKind: ParamKind | None = None
    matchConstraints: MatchResources | None = None
    validations: list[Validation] = []
    variables: list[Variable] = []


class ValidatingAdmissionPolicyStatus(Struct, gc=False):
    observedGeneration: int = 0
    conditions: list[Condition] = []


class ValidatingAdmissionPolicy(Obj, gc=False):
    spec: ValidatingAdmissionPolicySpec = field(default_factory=ValidatingAdmissionPolicySpec)
    status: ValidatingAdmissionPolicyStatus = field(default_factory=ValidatingAdmissionPolicyStatus)


VALIDATING_ADMISSION_POLICIES = Kind(
    "admissionregistration.k8s.io/v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    ValidatingAdmissionPolicy,
    namespaced=False,
)
