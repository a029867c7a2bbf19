"""One thread for each library: tests run in several processes, and toy data takes less time on one than on two.

Import it before anything that imports numpy, polars or torch. Processes that tests start inherit it.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(name, "1")
