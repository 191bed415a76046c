"""JSON as Go's `encoding/json` prints it: byte for byte, for what is compared by its bytes.

The histories of DaemonSets and StatefulSets call this: upstream finds the revision of a template by comparing the bytes
of `ControllerRevision.data`, and the API server keeps those as they came. It answers to `Marshal` of
apimachinery/pkg/util/json, with maps for objects: keys sorted, no spaces, and `<`, `>`, `&` and the two line separators
that JavaScript cannot read escaped.
"""

import json
from typing import Any

_ESCAPES = str.maketrans({each: f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"})
_dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def encode(value: Any) -> bytes:
    """The bytes of a JSON value with string keys. Floats are spelled as Python does: no pod template holds one.

    ValueError if a number or a text cannot be written in JSON.
    """
    return _dumps(value).translate(_ESCAPES).encode()
