"""Run unit tests and chapters as on other machines: other processors, other numbers of threads.

    python tools/elsewhere.py [NAME ...]

What a matrix product gives in its last bits depends on the code path that torch, MKL and OpenBLAS
take on a processor, and on the number of threads. Each setting below forces another one. Nothing
that a test asserts or a chapter prints may rest on it. Ends with 1 unless all runs pass.
"""

import os
import re
import subprocess
import sys
import time

SETTINGS = {
    "plain": {},
    "torch without vectors": {"ATEN_CPU_CAPABILITY": "default"},
    "torch with AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "MKL with SSE4.2": {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "MKL with AVX2": {"MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "MKL compatible": {"MKL_CBWR": "COMPATIBLE"},
    "OpenBLAS for Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "OpenBLAS for Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "two threads": {"OMP_NUM_THREADS": "2"},
    "four threads": {"OMP_NUM_THREADS": "4"},
    # Three times as many processes as cores.
    "a busy machine": {"PYTEST_XDIST_AUTO_NUM_WORKERS": str(3 * (os.cpu_count() or 1))},
}
PYTEST = [sys.executable, "-m", "pytest", "-q", "--numprocesses", "auto", "--dist", "loadfile"]
SELECTION = ["rfm_tutorial", "tests", "book"]
MARKERS = "not slow and not site and not browser and not processes and not nightly"


def main(*names: str) -> int:
    """Run the settings of these names, or all; print a table."""
    results = []
    for name in names or SETTINGS:
        started = time.monotonic()
        env = {"OMP_NUM_THREADS": "1"} | os.environ | SETTINGS[name]
        run = subprocess.run(
            [*PYTEST, *SELECTION, "-m", MARKERS], env=env, stdout=subprocess.PIPE, text=True
        )
        minutes = (time.monotonic() - started) / 60
        if run.returncode != 0:
            print(run.stdout)
        counts = re.findall(r"\d+ (?:passed|failed|errors?)", run.stdout.strip().splitlines()[-1])
        results.append((name, run.returncode))
        print(f"{name:24s} {', '.join(counts)} in {minutes:.1f} minutes", flush=True)
    return int(any(code for _, code in results))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
