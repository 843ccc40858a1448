#!/bin/bash
# One run of `crisislens analyze` over the machines of a Slurm job:  sbatch deploy/slurm.sh posts.parquet photos out
# Posts, photos and output lie where every machine sees them under the same path.
#SBATCH --job-name=crisislens
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --mem=48G
#SBATCH --time=08:00:00
# a run that is ended goes on where it stopped when it is started again
#SBATCH --requeue
set -euo pipefail
posts=$1 photos=$2 out=$3

# who reaches the cluster runs code on it: a password for this job alone
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python3 -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0

mapfile -t machines < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${machines[0]}
port=$((20000 + SLURM_JOB_ID % 10000))
srun --nodes=1 --ntasks=1 -w "$head" \
    ray start --head --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false --block &
sleep 15
others=$((SLURM_JOB_NUM_NODES - 1))
if ((others > 0)); then
    srun --nodes="$others" --ntasks="$others" --exclude="$head" \
        ray start --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
    sleep 15
fi
srun --overlap --nodes=1 --ntasks=1 -w "$head" \
    crisislens analyze "$posts" --images "$photos" --out "$out" --engine ray --ray-address "$head:$port"
