"""One torch thread a worker: several on few cores only get in each other's way, and results would depend on it."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
