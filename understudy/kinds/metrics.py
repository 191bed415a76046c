"""What the metrics APIs answer: of resources, custom ones, external ones (k8s.io/metrics pkg/apis/*/types.go).

Aggregated APIs: somebody else's server stands behind them, or none. Nothing of theirs can be watched.
"""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj, ObjectMeta


class ContainerMetrics(Struct, gc=False):
    """`usage` are quantities by resource name."""

    name: str = ""
    usage: dict[str, str] = {}


class PodMetrics(Obj, gc=False):
    """`window` is the length, as a Go duration, of the time before `timestamp` that was measured."""

    timestamp: str | None = None
    window: str = "0s"
    containers: list[ContainerMetrics] | None = None


class PodMetricsList(Obj, gc=False):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    items: list[PodMetrics] | None = None


class DescribedObject(Struct, gc=False):
    name: str = ""


class MetricValue(Struct, gc=False):
    """The value of one metric of one object."""

    describedObject: DescribedObject = field(default_factory=DescribedObject)
    timestamp: str | None = None
    windowSeconds: int | None = None
    value: str = "0"


class MetricValueList(Obj, gc=False):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    items: list[MetricValue] | None = None


class ExternalMetricValue(Struct, gc=False):
    value: str = "0"


class ExternalMetricValueList(Obj, gc=False):
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    items: list[ExternalMetricValue] | None = None


POD_METRICS = Kind("metrics.k8s.io/v1beta1", "pods", "PodMetrics", PodMetricsList)
CUSTOM_METRICS = "custom.metrics.k8s.io/v1beta2"
EXTERNAL_METRICS = "external.metrics.k8s.io/v1beta1"
