"""SchedulingGates: a pod with gates is not scheduled until its owner has taken them away.

Answers to plugins/schedulinggates/scheduling_gates.go. The condition of such a pod is written by the API server.
"""

from understudy.scheduler.kinds import Pod

NAME = "SchedulingGates"


def pre_enqueue(pod: Pod) -> str:
    """Which gates it waits for."""
    gates = [gate.name for gate in pod.spec.schedulingGates]
    return f"waiting for scheduling gates: [{' '.join(gates)}]" if gates else ""
