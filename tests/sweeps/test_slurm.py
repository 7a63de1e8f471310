"""The SLURM example is a valid job of single-threaded workers, and submits nothing when dry."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "docs" / "sweep_slurm.py"


def test_the_slurm_example_prints_a_job_that_a_shell_can_parse(tmp_path):
    small = EXAMPLE.read_text().replace(":1000:log", ":10:log")  # as many points are checked, not a million
    script = tmp_path / "example.py"
    script.write_text(small)
    done = subprocess.run([sys.executable, script, "--dry-run", "--cores", "4", "--hours", "1.5"], cwd=tmp_path,
                          capture_output=True, text=True, env=os.environ | {"HOME": str(tmp_path)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    job = done.stdout
    assert subprocess.run(["bash", "-n"], input=job, text=True).returncode == 0
    for line in ("#SBATCH -p cpu", "#SBATCH --cpus-per-task=4", "#SBATCH -t 01:30:00", "export OMP_NUM_THREADS='1'",
                 "export NPROC='1'"):  # fmt: skip
        assert line in job.splitlines(), job
    assert re.search(r"--nthreads 1 .*--nworkers 4", job) and "--lifetime 5100s" in job
