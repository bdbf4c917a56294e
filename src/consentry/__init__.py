"""Consentry: a policy-as-code authorization sidecar for customer data.

Callers import `consentry.client` and `consentry.v1`; both need only grpcio and protobuf, so this
module imports nothing.
"""

__version__ = "0.1.0"
