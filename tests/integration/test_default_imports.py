"""Claims about what a sidecar does not load while what needs it is off."""

from __future__ import annotations

import subprocess
import sys

OFF_BY_DEFAULT = (
    "consentry.client",
    "consentry.envoy",
    "consentry.server.authzen.service",
    "consentry.server.ext_authz.methods",
    "consentry.server.pages.explaining",
    "consentry.server.pages.preferences",
    "consentry.server.recording.webhooks",
    "cryptography",
    "jinja2",
    "jwt",
    "opentelemetry",
    "psycopg",
)
MAKE = """
import sys, tempfile
from pathlib import Path
from consentry.app.settings_loading import load_settings
from consentry.app.wiring import Application
import consentry.app.commands.serve_verb, consentry.app.workers.supervisor

with tempfile.TemporaryDirectory() as folder:
    Path(folder, "empty.toml").write_text("")
    flags = {"policies": {"path": folder}, "state": {"path": folder + "/state"}}
    made = Application(load_settings(flags, Path(folder, "empty.toml")))
    made.load_first()
    made.close()
print(*sys.modules, sep="\\n")
"""


def test_default_sidecar_loads_nothing_of_what_is_off() -> None:
    """Each of these takes a megabyte or so, and time at each start."""
    done = subprocess.run([sys.executable, "-c", MAKE], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())

    assert "consentry.app.wiring" in loaded
    assert loaded & set(OFF_BY_DEFAULT) == set()
