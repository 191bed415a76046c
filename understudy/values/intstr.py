"""Numbers that may be percentages: maxSurge, maxUnavailable, minAvailable, partitions.

The Deployment, DaemonSet, StatefulSet and disruption loops call this. It answers to
`apimachinery/pkg/util/intstr/intstr.go`.
"""

import re

_PERCENT = re.compile(r"([+-]?[0-9]{1,18})%")


def scaled(value: int | str, total: int, *, round_up: bool) -> int:
    """A number as it is, a percentage as its share of the total, as `GetScaledValueFromIntOrPercent`.

    ValueError if a string is not a whole percentage: "25" is not one, "25%" is.
    """
    if not isinstance(value, str):
        return value
    if not value.endswith("%"):
        raise ValueError(f"invalid value for IntOrString: string is not a percentage: {value!r}")
    match = _PERCENT.fullmatch(value)
    if match is None:
        raise ValueError(f"invalid value for IntOrString: invalid value {value!r}: use a whole number and %")
    hundredths = int(match[1]) * total
    return -(-hundredths // 100) if round_up else hundredths // 100
