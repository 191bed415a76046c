"""The controllers of kube-controller-manager, by name: what a takeover of them leaves unattended is told by this.

`operators.custom.stage` reads it, and so do the CRD's validation rules, which a test compares with it. The names are
those of the table behind `understudy controllers --coverage`.
"""

from understudy.coverage import OFF, TABLE

DEFAULT = tuple(one.name for one in TABLE if not one.default.startswith(OFF))
"""Those that run unless somebody turns them off."""

OPTIONAL = tuple(one.name for one in TABLE if one.default.startswith(OFF))
"""Those that run only if asked for by name or by a feature gate, or in a cloud's own controller manager."""

OWN = ("addresspool-controller",)
"""Those that are ours alone."""
