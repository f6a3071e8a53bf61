#!/bin/sh
# SPDX-License-Identifier: MIT
# On a machine with an NVIDIA GPU: build, check, measure.
#
#     bench/gpu.sh MODEL [DEVICE [BATCHES]]
#
# MODEL is a file, e.g. realesr-animevideov3-x4. What it prints belongs into bench/results.md, with the
# device and the date. Exit status 1 where something is not right.
set -eu
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 2; }
model=$1 device=${2:-cuda} batches=${3:-1000}

[ -f build/build.ninja ] || meson setup build
ninja -C build
ninja -C build bench/bench-gpu
date -u +%F
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
build/pique devices
build/bench/bench-gpu "$device" "$model" "$batches"

if command -v compute-sanitizer >/dev/null 2>&1; then
    for tool in memcheck racecheck; do
        echo "compute-sanitizer $tool:"
        compute-sanitizer --tool "$tool" --error-exitcode 1 build/pique --device "$device" -m "$model" \
            --overwrite docs/sample.png -o "${TMPDIR:-/tmp}/pique-gpu-check.png"
    done
    rm -f "${TMPDIR:-/tmp}/pique-gpu-check.png"
fi
if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    python3 bench/gpu_torch.py
fi
