#!/usr/bin/env bash
# Makes a sweep on the nodes of an array job, each of which trains its share of the runs.
#
#     sbatch sweep.sh FILE DIR
#     sbatch --array=1-16 sweep.sh FILE DIR
#
# Array indices count from 1. A task that comes to its time limit writes a checkpoint, and goes back into the queue.
#SBATCH --job-name=dgm-sweep
#SBATCH --array=1-4
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

file=${1:?"usage: sbatch sweep.sh FILE DIR"}
folder=${2:?"usage: sbatch sweep.sh FILE DIR"}
threads=${SLURM_CPUS_PER_TASK:-1}
part="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"

status=0
srun --cpus-per-task="$threads" dgm sweep "$file" --out "$folder" --part "$part" --threads "$threads" || status=$?
if [ "$status" -eq 130 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
