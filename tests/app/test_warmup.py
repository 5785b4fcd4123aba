"""In a process of its own: the warm-up changes the garbage collection and imports."""

import subprocess
import sys

CODE = """
import gc, sys
from tuitrain.app.app import TuitrainApp, import_screens
gc.disable()
import_screens()
assert gc.isenabled() and gc.get_freeze_count()
assert "plotext" in sys.modules and "torch" not in sys.modules
loaded = set(sys.modules)
import tuitrain.screens.compare.screen, tuitrain.screens.new_run.screen, tuitrain.screens.results.screen
import tuitrain.screens.sweep.screen, tuitrain.screens.training, tuitrain.screens.windows.help
assert not {name for name in set(sys.modules) - loaded if name.startswith("tuitrain")}
"""


def test_the_warm_up_loads_all_screens_and_enables_garbage_collection() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
