"""CertificateSigningRequests, from being asked to being forgotten: three controllers.

`approving` lets kubelets have client certificates, `signing` issues what is approved, `cleaning` deletes old requests.
Shared: `conditions` (what a request is told already), `request` (the X.509 request in it), `rules` (what each signer
accepts), `authority` and `usages` (the certificate), `signers` (settings), `retry`. Answers to
pkg/controller/certificates.
"""

from understudy.operators.certificates import approving, cleaning, signing  # noqa: F401
