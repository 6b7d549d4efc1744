#!/usr/bin/env bash
# Workers on SLURM: `sbatch --array=1-8 slurm.sh config.toml`. The config and its data lie on a shared disk;
# GEPA_QUEUE, its credentials and the keys of the models come from the environment of `sbatch`.
#SBATCH --job-name=gepa-worker
#SBATCH --cpus-per-task=4
#SBATCH --time=12:00:00
# One signal two minutes before the end: the worker ends what it has, and takes no more.
#SBATCH --signal=TERM@120
set -euo pipefail

exec srun gepa worker --evaluator "$1" --slots "${SLURM_CPUS_PER_TASK:-4}"
