"""Kinds of APIs that a server offers only if asked for: alpha, or beta and off.

Read by the controllers that run only by name. Answers to k8s.io/api apiserverinternal/v1alpha1,
storagemigration/v1alpha1 and certificates/{v1alpha1,v1beta1}.
"""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj


class ServerStorageVersion(Struct, gc=False):
    """What one API server writes a resource as."""

    apiServerID: str = ""
    encodingVersion: str = ""
    decodableVersions: list[str] = []
    servedVersions: list[str] = []


class StorageVersionStatus(Struct, gc=False):
    storageVersions: list[ServerStorageVersion] = []
    commonEncodingVersion: str | None = None
    conditions: list[Condition] = []


class StorageVersion(Obj, gc=False):
    status: StorageVersionStatus = field(default_factory=StorageVersionStatus)


class MigratedResource(Struct, gc=False):
    group: str = ""
    version: str = ""
    resource: str = ""


class StorageVersionMigrationSpec(Struct, gc=False):
    resource: MigratedResource = field(default_factory=MigratedResource)


class StorageVersionMigrationStatus(Struct, gc=False):
    conditions: list[Condition] = []
    resourceVersion: str = ""


class StorageVersionMigration(Obj, gc=False):
    spec: StorageVersionMigrationSpec = field(default_factory=StorageVersionMigrationSpec)
    status: StorageVersionMigrationStatus = field(default_factory=StorageVersionMigrationStatus)


class ClusterTrustBundleSpec(Struct, gc=False):
    signerName: str = ""
    trustBundle: str = ""


class ClusterTrustBundle(Obj, gc=False):
    spec: ClusterTrustBundleSpec = field(default_factory=ClusterTrustBundleSpec)


STORAGE_VERSIONS = Kind(
    "internal.apiserver.k8s.io/v1alpha1", "storageversions", "StorageVersion", StorageVersion, namespaced=False
)
STORAGE_VERSION_MIGRATIONS = Kind(
    "storagemigration.k8s.io/v1alpha1",
    "storageversionmigrations",
    "StorageVersionMigration",
    StorageVersionMigration,
    namespaced=False,
)
CLUSTER_TRUST_BUNDLES = Kind(
    "certificates.k8s.io/v1beta1", "clustertrustbundles", "ClusterTrustBundle", ClusterTrustBundle, namespaced=False
)
POD_CERTIFICATE_REQUESTS = Kind(
    "certificates.k8s.io/v1alpha1", "podcertificaterequests", "PodCertificateRequest", Obj, namespaced=True
)
