"""PolicyService: what decides, whether another set would do, and reading it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.render import render_text
from consentry.diagnostics.span import Source
from consentry.pdp.errors import NotReadyError
from consentry.server.calls import Call, RawBehaviour, typed
from consentry.server.faults import Faults
from consentry.server.health import POLICY_SERVICE
from consentry.server.ports import Policies
from consentry.server.text_checks import MAX_ID_BYTES, REQUIRED, TOO_MANY
from consentry.server.wire_values import timestamp_of
from consentry.v1 import policy_pb2 as wire

MAX_FILES: Final = 1_000


class PolicyMethods:
    """Behaviours of the service; any thread may run them."""

    def __init__(
        self, policies: Policies, *, after_reload: Callable[[], None] = lambda: None
    ) -> None:
        self._policies: Final = policies
        self._after_reload: Final = after_reload

    def behaviours(self) -> dict[str, RawBehaviour]:
        """By full method name."""
        service = POLICY_SERVICE
        return {
            f"/{service}/GetPolicySet": typed(wire.GetPolicySetRequest, self.get_policy_set),
            f"/{service}/ValidatePolicies": typed(
                wire.ValidatePoliciesRequest, self.validate_policies
            ),
            f"/{service}/ReloadPolicies": typed(wire.ReloadPoliciesRequest, self.reload_policies),
        }

    def get_policy_set(
        self, request: wire.GetPolicySetRequest, _call: Call
    ) -> wire.GetPolicySetResponse:
        """The active policy set.

        Raises:
            NotReadyError: there is none yet.
        """
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        program = active.program
        return wire.GetPolicySetResponse(
            digest=active.digest,
            compiler_version=program.compiler_version,
            loaded_at=timestamp_of(active.loaded_at_us),
            files=[
                wire.PolicyFile(name=s.name, text=s.text if request.include_text else "")
                for s in active.sources
            ],
            purposes=[node.path for node in program.purposes],
            data=[node.path for node in program.data],
            actions=sorted(program.actions),
            channels=sorted(program.channels),
            regimes=[regime.name for regime in program.regimes if regime.name],
            rule_count=len(program.rules),
        )

    def validate_policies(
        self, request: wire.ValidatePoliciesRequest, _call: Call
    ) -> wire.ValidatePoliciesResponse:
        """What compiling these files says; nothing is loaded.

        Raises:
            RequestError: there are no files, too many, or a name is not one.
        """
        sources = _sources(request.files)
        result = self._policies.validate(sources)
        return wire.ValidatePoliciesResponse(
            is_valid=result.program is not None,
            diagnostics=wire_diagnostics(result.diagnostics, sources),
            digest="" if result.program is None else result.program.digest,
        )

    def reload_policies(
        self, _request: wire.ReloadPoliciesRequest, _call: Call
    ) -> wire.ReloadPoliciesResponse:
        """Reads the policy source again, now; a broken set is refused and the old one serves on."""
        result = self._policies.reload()
        self._after_reload()
        active = self._policies.current
        return wire.ReloadPoliciesResponse(
            is_reloaded=result.is_reloaded,
            digest="" if active is None else active.digest,
            diagnostics=wire_diagnostics(result.diagnostics, result.sources),
        )


def _sources(files: Sequence[wire.PolicyFile]) -> tuple[Source, ...]:
    faults = Faults()
    if not files:
        faults.add("files", REQUIRED)
    if len(files) > MAX_FILES:
        faults.add("files", TOO_MANY)
    else:
        seen: set[str] = set()
        for index, file in enumerate(files):
            field = f"files[{index}].name"
            faults.check_required(file.name, field, MAX_ID_BYTES)
            if file.name in seen:
                faults.add(field, "duplicate_key")
            if not _is_plain(file.name):
                faults.add(field, "bad_file_name")
            seen.add(file.name)
    faults.raise_if_any()
    return tuple(Source(file.name, file.text) for file in files)


def _is_plain(name: str) -> bool:
    """Whether a file name is relative, has forward slashes, and stays below its folder."""
    parts = name.split("/")
    return "\\" not in name and not any(part in {"", ".", ".."} for part in parts)


def wire_diagnostics(
    diagnostics: Iterable[Diagnostic], sources: Iterable[Source]
) -> list[wire.Diagnostic]:
    """The diagnostics in order, each with the text that the command line would print."""
    by_name = {source.name: source for source in sources}
    return [_wire_diagnostic(diagnostic, by_name) for diagnostic in diagnostics]


def _wire_diagnostic(diagnostic: Diagnostic, sources: Mapping[str, Source]) -> wire.Diagnostic:
    message = wire.Diagnostic(
        code=diagnostic.code,
        severity=wire.SEVERITY_ERROR if diagnostic.is_error else wire.SEVERITY_WARNING,
        title=diagnostic.title,
        label=diagnostic.label,
        help=diagnostic.help,
        rendered=render_text((diagnostic,), sources),
    )
    span = diagnostic.span
    if span is not None:
        message.file, message.line, message.column = span.file, span.line, span.column
        source = sources.get(span.file)
        covered = source.text[span.start : span.end] if source is not None else ""
        message.end_line = span.line + covered.count("\n")
        tail = covered.rpartition("\n")[2]
        message.end_column = len(tail) + (span.column if message.end_line == span.line else 1)
    return message
