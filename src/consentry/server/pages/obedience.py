"""Asks other sidecars whether they use exactly the choices that a person's page shows.

Each is asked for the person's state at the position of the newest choice, and waits for it itself
as long as it may; what it then says is held against what our own ledger says. Silence is told as
silence: such a sidecar denies what needs consent once it cannot show that it is up to date.

Locks: `_lock` guards the connections, which are made when they are first needed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc

from consentry.server.calls import AT_LEAST
from consentry.server.health import CONSENT_SERVICE
from consentry.v1 import consent_pb2 as wire

_METHOD: Final = f"/{CONSENT_SERVICE}/GetConsent"
_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
)

States: TypeAlias = Mapping[str, tuple[str, frozenset[str]]]
"""By purpose: the state of consent and the rights in force."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one sidecar says: whether it uses these choices, and the position it stands at.

    `position` is None where it gave no answer in time.
    """

    name: str
    agrees: bool
    position: int | None


def states_of(answer: wire.GetConsentResponse) -> States:
    """The states of an answer, so that two can be held against each other."""
    return {told.purpose: (told.state, frozenset(told.rights)) for told in answer.purposes}


class OtherSidecars:
    """The sidecars that the operator lists, by the names that people see."""

    def __init__(
        self, targets: Mapping[str, str], credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        """Without `credentials` the connections are plain."""
        self._targets: Final = dict(targets)
        self._credentials: Final = credentials
        self._lock: Final = threading.Lock()
        self._channels: dict[str, grpc.Channel] = {}

    def ask(
        self, data_subject_id: str, at_least: int, ours: States, timeout_s: float
    ) -> tuple[Said, ...]:
        """What each says, in the order in which they are listed; takes `timeout_s` at most."""
        request = wire.GetConsentRequest(subject=data_subject_id)
        metadata = ((AT_LEAST, str(at_least)),) if at_least else ()
        asked = [
            (name, channel.unary_unary(
                _METHOD,
                request_serializer=wire.GetConsentRequest.SerializeToString,
                response_deserializer=wire.GetConsentResponse.FromString,
            ).future(request, timeout=timeout_s, metadata=metadata))
            for name, channel in self._open()
        ]  # fmt: skip
        return tuple(_said(name, future, at_least, ours) for name, future in asked)

    def close(self) -> None:
        """Closes all connections."""
        with self._lock:
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()

    def _open(self) -> Sequence[tuple[str, grpc.Channel]]:
        with self._lock:
            for name, target in self._targets.items():
                if name not in self._channels:
                    self._channels[name] = (
                        grpc.insecure_channel(target, options=_OPTIONS)
                        if self._credentials is None
                        else grpc.secure_channel(target, self._credentials, options=_OPTIONS)
                    )
            return [(name, self._channels[name]) for name in self._targets]


def _said(
    name: str, future: grpc.Future[wire.GetConsentResponse], at_least: int, ours: States
) -> Said:
    try:
        answer = future.result()
    except grpc.RpcError:
        return Said(name, agrees=False, position=None)
    theirs = states_of(answer)
    # While policies are rolled out one side may know purposes that the other does not.
    agrees = answer.ledger_position >= at_least and all(
        theirs[purpose] == said for purpose, said in ours.items() if purpose in theirs
    )
    return Said(name, agrees=agrees, position=answer.ledger_position)
