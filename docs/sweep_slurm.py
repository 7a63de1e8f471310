"""A sweep on a SLURM cluster: workers as jobs through dask-jobqueue, the driver wherever this runs.

    pip install 'rfscore[cli,sweeps]' dask-jobqueue
    python sweep_slurm.py --dry-run                      # prints the job that would be submitted, submits nothing
    python sweep_slurm.py --jobs 32 --out STORE          # on the login node, or in a small job

The driver alone writes to STORE. Kill it, or let the jobs run out of time, and repeat the command: it goes on.
"""

import argparse

from dask_jobqueue import SLURMCluster

from rfscore.sweeps import Sweep, run
from rfscore.sweeps.work import one_thread

SWEEP = Sweep(
    axes={"psi_n": "1:64:1000:log", "psi_p": "1:64:1000:log"},
    fixed={"t": 0.01},
    tau=[1e3, 1e4, float("inf")],
)


def cluster(partition: str, hours: float, cores: int) -> SLURMCluster:
    """Jobs of `cores` worker processes, one thread each."""
    return SLURMCluster(
        queue=partition,
        cores=cores,
        processes=cores,
        memory=f"{2 * cores} GB",
        walltime=f"{int(hours):02d}:{round(60 * (hours % 1)):02d}:00",
        # The environment is set before JAX and BLAS start, so that every process computes on its one core.
        job_script_prologue=[f"export {name}={value!r}" for name, value in one_thread().items()],
        # Workers end by themselves before SLURM kills them, and hand their tasks back.
        worker_extra_args=["--lifetime", f"{max(60, int(3600 * hours) - 300)}s", "--lifetime-stagger", "120s"],
    )


def main() -> None:
    """Print the job, or run the sweep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partition", default="cpu")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--cores", type=int, default=32, help="of one job")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--out", default="sweep-store")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    SWEEP.check()
    with cluster(options.partition, options.hours, options.cores) as workers:
        if options.dry_run:
            print(workers.job_script())
            return
        workers.adapt(maximum_jobs=options.jobs)

        def report(now) -> None:
            print(f"{now.done}/{now.total} points, {now.failed} failed, {now.pace:.3g}/s", flush=True)

        run(SWEEP, options.out, resume=True, scheduler=workers.scheduler_address, report=report)


if __name__ == "__main__":
    main()
