import subprocess
import sys

from tests.support import ROOT


def test_import_loads_nothing_heavy():
    script = (
        "import sys, edgewright.datasets\n"
        "heavy = {'torch', 'pyarrow', 'datasets', 'transformers', 'great_expectations', 'pandas', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
