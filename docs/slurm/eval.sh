#!/usr/bin/env bash
# Anneals a share of the runs of an evaluation in each task of an array job.
#
#     job=$(sbatch --parsable eval.sh RUN DATA)
#     sbatch --dependency=afterok:"$job" --wrap "dgm merge RUN/parts/*.json --out RUN/eval.json"
#
# RUN is the folder of a finished run, and DATA what --data takes. Array indices count from 1. A task whose part is there
# already does nothing, so that an array can be sent again after a failure.
#SBATCH --job-name=dgm-eval
#SBATCH --array=1-4
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

run=${1:?"usage: sbatch eval.sh RUN DATA"}
data=${2:?"usage: sbatch eval.sh RUN DATA"}
threads=${SLURM_CPUS_PER_TASK:-1}
part="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
out="$run/parts/${part/\//-of-}.json"

if [ -e "$out" ]; then
    echo "$out is there already"
    exit 0
fi
mkdir -p "$run/parts"
srun --cpus-per-task="$threads" dgm eval "$run" --data "$data" --part "$part" --threads "$threads" --out "$out"
