#!/usr/bin/env bash
# Trains a run, and goes on with it after each time limit until it is finished.
#
#     sbatch train.sh CONFIG RUN
#
# Slurm sends SIGTERM to the step two minutes before the time limit. dgm then writes a checkpoint and ends with status
# 130, and the job goes back into the queue.
#SBATCH --job-name=dgm-train
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

config=${1:?"usage: sbatch train.sh CONFIG RUN"}
run=${2:?"usage: sbatch train.sh CONFIG RUN"}
threads=${SLURM_CPUS_PER_TASK:-1}

if [ -e "$run/config.toml" ]; then
    what=(--resume "$run")
else
    what=(--config "$config" --out "$run")
fi

status=0
srun --cpus-per-task="$threads" dgm train "${what[@]}" --threads "$threads" || status=$?
if [ "$status" -eq 130 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
