#!/usr/bin/env bash
# Trains one run with all tasks of a job, and goes on with it after each time limit until it is finished.
#
#     sbatch mpi.sh CONFIG RUN
#     sbatch --nodes=8 mpi.sh CONFIG RUN
#
# CONFIG has `shards = N`. The number of tasks is a power of two up to N; it may differ from one start to the next. Slurm
# sends SIGTERM to all tasks two minutes before the time limit. They write a checkpoint and end with status 130, and the
# job goes back into the queue. If a task dies, the others are ended after half a minute.
#SBATCH --job-name=dgm-mpi
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

config=${1:?"usage: sbatch mpi.sh CONFIG RUN"}
run=${2:?"usage: sbatch mpi.sh CONFIG RUN"}
threads=${SLURM_CPUS_PER_TASK:-1}

if [ -e "$run/config.toml" ]; then
    what=(--resume "$run")
else
    what=(--config "$config" --out "$run")
fi

status=0
srun --cpus-per-task="$threads" --wait=30 dgm-mpi train "${what[@]}" --threads "$threads" || status=$?
if [ "$status" -eq 130 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
