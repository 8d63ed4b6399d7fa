"""What worker processes run: decoding and inference with `edge_sdk`, by name, with plain values.

One thread a process: many processes share the cores already.
"""

import os

# Before NumPy is imported, which reads these once.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
