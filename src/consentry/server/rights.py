"""Which right each method asks for: the one table. A method that is not in it is served to nobody.

A test reads all methods from the protocol's descriptors and finds each of them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from consentry.server.callers import Right

_AUTHORIZATION: Final = "/consentry.v1.AuthorizationService/"
_CONSENT: Final = "/consentry.v1.ConsentService/"
_POLICY: Final = "/consentry.v1.PolicyService/"
_EXT_AUTHZ: Final = "/envoy.service.auth.v3.Authorization/"

METHOD_RIGHTS: Final[Mapping[str, Right]] = MappingProxyType(
    {
        f"{_AUTHORIZATION}Check": Right.DECIDE,
        f"{_AUTHORIZATION}CheckBatch": Right.DECIDE,
        f"{_AUTHORIZATION}CheckStream": Right.DECIDE,
        f"{_AUTHORIZATION}Explain": Right.EXPLAIN,
        f"{_AUTHORIZATION}Plan": Right.PLAN,
        f"{_AUTHORIZATION}Watch": Right.WATCH,
        f"{_CONSENT}RecordConsent": Right.WRITE_CONSENT,
        f"{_CONSENT}GetConsent": Right.READ_CONSENT,
        f"{_CONSENT}ListConsentEvents": Right.READ_CONSENT,
        f"{_CONSENT}GetReceipt": Right.READ_CONSENT,
        f"{_CONSENT}WatchConsent": Right.FOLLOW,
        f"{_CONSENT}VerifyLedger": Right.VERIFY,
        f"{_CONSENT}ErasePersonalData": Right.ERASE,
        f"{_EXT_AUTHZ}Check": Right.DECIDE,
        f"{_POLICY}GetPolicySet": Right.READ_POLICIES,
        f"{_POLICY}GetStatement": Right.READ_POLICIES,
        f"{_POLICY}ValidatePolicies": Right.READ_POLICIES,
        f"{_POLICY}ReloadPolicies": Right.ADMINISTER,
    }
)

OPEN_METHODS: Final = frozenset(
    {
        # Who asks how we are (a kubelet, a load balancer) has no identity, and learns nothing else.
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.health.v1.Health/List",
        # The shape of a protocol that is published anyway.
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    }
)
"""Methods that ask for no identity at all."""

ADMINISTRATIVE: Final = frozenset({Right.ADMINISTER, Right.ERASE})
"""Rights whose every use stands in the log, with who used it."""
