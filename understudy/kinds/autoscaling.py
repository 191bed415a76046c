"""The autoscaling group's kinds, as far as the controllers read them (k8s.io/api autoscaling/v2 and v1 types.go).

Quantities stay text: `understudy.values.quantity` reads them.
"""

from typing import Any

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj


class CrossVersionObjectReference(Struct, gc=False, frozen=True):
    kind: str
    name: str
    apiVersion: str = ""


class MetricIdentifier(Struct, gc=False):
    name: str
    selector: dict[str, Any] | None = None


class MetricTarget(Struct, gc=False):
    type: str = ""
    value: str | None = None
    averageValue: str | None = None
    averageUtilization: int | None = None


class ResourceMetricSource(Struct, gc=False):
    name: str
    target: MetricTarget


class ContainerResourceMetricSource(Struct, gc=False):
    name: str
    container: str
    target: MetricTarget


class PodsMetricSource(Struct, gc=False):
    metric: MetricIdentifier
    target: MetricTarget


class ObjectMetricSource(Struct, gc=False):
    describedObject: CrossVersionObjectReference
    metric: MetricIdentifier
    target: MetricTarget


class ExternalMetricSource(Struct, gc=False):
    metric: MetricIdentifier
    target: MetricTarget


class MetricSpec(Struct, gc=False):
    """`type` says which one of the others is given."""

    type: str
    resource: ResourceMetricSource | None = None
    containerResource: ContainerResourceMetricSource | None = None
    pods: PodsMetricSource | None = None
    object: ObjectMetricSource | None = None
    external: ExternalMetricSource | None = None


class HPAScalingPolicy(Struct, gc=False, frozen=True):
    """At most `value` Pods, or percent, in `periodSeconds`."""

    type: str
    value: int
    periodSeconds: int


class HPAScalingRules(Struct, gc=False):
    """As the user wrote them; what is None has a default."""

    stabilizationWindowSeconds: int | None = None
    selectPolicy: str | None = None
    policies: tuple[HPAScalingPolicy, ...] | None = None


class HorizontalPodAutoscalerBehavior(Struct, gc=False):
    scaleUp: HPAScalingRules | None = None
    scaleDown: HPAScalingRules | None = None


class HorizontalPodAutoscalerSpec(Struct, gc=False):
    scaleTargetRef: CrossVersionObjectReference
    maxReplicas: int
    minReplicas: int | None = None
    metrics: tuple[MetricSpec, ...] | None = None
    behavior: HorizontalPodAutoscalerBehavior | None = None


class HorizontalPodAutoscalerStatus(Struct, gc=False):
    """`currentMetrics` as they came: they are only compared."""

    currentReplicas: int = 0
    desiredReplicas: int = 0
    lastScaleTime: str | None = None
    currentMetrics: list[dict[str, Any]] | None = None
    conditions: list[Condition] | None = None


class HorizontalPodAutoscaler(Obj, gc=False, kw_only=True):
    spec: HorizontalPodAutoscalerSpec
    status: HorizontalPodAutoscalerStatus = field(default_factory=HorizontalPodAutoscalerStatus)


class ScaleSpec(Struct, gc=False):
    replicas: int = 0


class ScaleStatus(Struct, gc=False):
    """`selector` in its text form."""

    replicas: int = 0
    selector: str = ""


class Scale(Obj, gc=False):
    """An autoscaling/v1 Scale: what the `scale` subresource of any workload answers."""

    spec: ScaleSpec = field(default_factory=ScaleSpec)
    status: ScaleStatus = field(default_factory=ScaleStatus)


HORIZONTAL_POD_AUTOSCALERS = Kind(
    "autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", HorizontalPodAutoscaler
)
