"""What users do with CronJobs, step by step. `sequences` adds these to its own.

What comes due does so on the minute of the real clock, so that names and the number of Jobs depend on when it is
asked: in these sequences nothing comes due. Jobs made by hand from the template are followed like those that were.
"""

from typing import Any

from tests.oracle.acts import Create, Kubectl, Patch, Sequence, step
from tests.oracle.bodies import template

YEARLY = "0 0 1 1 *"
"""Not due while anybody looks, unless on New Year's Eve."""


def cron_job(schedule: str = YEARLY, **spec: Any) -> Create:
    pods = template(restartPolicy="Never")
    own = {"schedule": schedule, "jobTemplate": {"spec": {"template": pods}}, **spec}
    return Create("CronJob", {"metadata": {"name": "web"}, "spec": own})


def _spec(**fields: object) -> Patch:
    return Patch("CronJob", "web", {"spec": fields})


def by_hand(name: str) -> Kubectl:
    """A Job from the CronJob's template, which it then owns."""
    return Kubectl(f"create job {name} --from=cronjob/web")


CRON_JOBS = (
    Sequence(
        "cronjob-by-hand",
        (
            step("create", cron_job()),
            step("a job by hand", by_hand("one")),
            step("suspend", _spec(suspend=True)),
            step("resume", _spec(suspend=False)),
            step("delete the job", Kubectl("delete job one")),
        ),
    ),
    Sequence(
        "cronjob-never",
        (
            step("create", cron_job("59 23 31 2 *")),
            step("another zone", _spec(timeZone="Europe/Berlin")),
            step("yearly", _spec(schedule=YEARLY)),
        ),
    ),
    Sequence(
        "cronjob-deletion",
        (
            step("create", cron_job()),
            step("a job by hand", by_hand("one")),
            step("delete", Kubectl("delete cronjob web --cascade=foreground --wait=false"), still=4),
        ),
    ),
)
