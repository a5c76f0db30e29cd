#!/usr/bin/env bash
# All tests and measurements that need a GPU, in less than four minutes: benchmarks/gpu.sh OUTPUT_FOLDER
# It runs the tests marked `gpu`, then measures the cost of a step. OUTPUT_FOLDER gets suite.txt, step.txt and step.json.
# benchmarks/gpu-requirements.txt lists Python packages to install. DEVICE=cpu tests this script without a GPU.
set -uo pipefail
[ $# = 1 ] || { echo "usage: benchmarks/gpu.sh OUTPUT_FOLDER" >&2; exit 2; }
mkdir -p "$1" && output=$(cd "$1" && pwd) || exit 2
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 DGP_GPU_TESTS_ON=${DEVICE:-cuda}
size=() workers=12
[ "$DGP_GPU_TESTS_ON" = cpu ] && size=(--resolution 64 --ch 8 --style-resolution 32 --rows 1 2 --fill 0.3) workers=1

begin=$SECONDS
timeout -s INT -k 12 "${SUITE_S:-115}" python3 -m pytest tests/gpu -m gpu -v -n "$workers" --dist worksteal -p no:cacheprovider \
    --timeout 60 --tb short --durations 10 -rfE 2>&1 | tee "$output/suite.txt" | tail -n 80
suite=$?
echo "suite: $((SECONDS - begin)) s, exit status $suite"

begin=$SECONDS
timeout -k 5 "${STEP_S:-105}" python3 -W ignore benchmarks/gpu_step.py --device "$DGP_GPU_TESTS_ON" "${size[@]}" \
    --seconds "$((${STEP_S:-105} - 30))" --output "$output/step.json" 2>&1 | tee "$output/step.txt"
step=$?
echo "steps: $((SECONDS - begin)) s, exit status $step"
exit $((suite || step))
