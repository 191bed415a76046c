"""The add-ons of the control plane: what is taken over by a hand-over between pods, not by a Lease."""

from understudy.operators.custom.addons.addon import Addon
from understudy.operators.custom.addons.dns import DNS
from understudy.operators.custom.addons.serviceproxy import SERVICE_PROXY

ADDONS: tuple[Addon, ...] = (SERVICE_PROXY, DNS)
