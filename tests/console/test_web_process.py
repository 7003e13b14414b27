"""The web process lives on the ops store alone: no heavy library comes in, whichever page runs."""

import json
import os
import subprocess
import sys

SCRIPT = """
import json, sys
from streamlit.testing.v1 import AppTest
from console import navigation, session

session.persona_name = lambda: "admin"
app = AppTest.from_file(session.__file__.replace("session.py", "app.py"), default_timeout=500).run()
ran = {"now": [e.value for e in app.exception]}
for name in navigation.listed():
    page = app.switch_page(f"app_pages/{name}.py").run()
    ran[name] = [e.value for e in page.exception]
HEAVY = ("mlflow", "sklearn", "tensorflow", "keras", "duckdb", "ibis", "pyspark", "ray",
         "ruptures", "pymannkendall")
heavy = [m for m in HEAVY if m in sys.modules]
print("RESULT" + json.dumps({"ran": ran, "heavy": heavy}))
"""


def run(file):
    env = {k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")} | {"INTERLOCK_CONFIG": str(file)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=env, timeout=500)
    assert "RESULT" in done.stdout, done.stderr[-2000:]
    return json.loads(done.stdout.split("RESULT", 1)[1])


def test_no_page_imports_a_heavy_library_or_breaks_on_an_empty_home(console):
    found = run(console.file)
    assert {name: errors for name, errors in found["ran"].items() if errors} == {}
    assert {"now", "system"} <= found["ran"].keys()
    assert found["heavy"] == []
