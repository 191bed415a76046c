"""Every controller there is, in the order `understudy controllers` prints them: importing a module registers it."""

from understudy.operators import (
    bootstrap,  # noqa: F401
    certificates,  # noqa: F401
    clusterroleaggregation,  # noqa: F401
    cronjob,  # noqa: F401
    daemonset,  # noqa: F401
    deployment,  # noqa: F401
    disruption,  # noqa: F401
    endpoints,  # noqa: F401
    endpointslice,  # noqa: F401
    endpointslicemirroring,  # noqa: F401
    ephemeralvolume,  # noqa: F401
    garbage,  # noqa: F401
    hpa,  # noqa: F401
    job,  # noqa: F401
    legacytokencleaner,  # noqa: F401
    namespace,  # noqa: F401
    nodeipam,  # noqa: F401
    nodelifecycle,  # noqa: F401
    podgc,  # noqa: F401
    pvbinder,  # noqa: F401
    pvcprotection,  # noqa: F401
    pvprotection,  # noqa: F401
    replicaset,  # noqa: F401
    replicationcontroller,  # noqa: F401
    resourcequota,  # noqa: F401
    rootca,  # noqa: F401
    serviceaccount,  # noqa: F401
    serviceaccounttoken,  # noqa: F401
    servicecidr,  # noqa: F401
    statefulset,  # noqa: F401
    tainteviction,  # noqa: F401
    ttl,  # noqa: F401
    ttlafterfinished,  # noqa: F401
    vacprotection,  # noqa: F401
)
