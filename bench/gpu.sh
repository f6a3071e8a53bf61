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
ninja -C build bench/bench-gpu bench/bench-gpu-check
date -u +%F
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
build/pique devices
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
if [ -x "$nvcc" ] && "$nvcc" -arch=native -O3 -o "$work/rate" bench/gpu_rate.cu && rates=$("$work/rate"); then
    echo "matrix units TFLOP/s, copies GB/s: $rates"
    for rate in $rates; do
        case $rate in
        matrix=*) export PIQUE_MATRIX="${rate#*=}" ;;
        in=*) export PIQUE_COPY_IN="${rate#*=}" ;;
        out=*) export PIQUE_COPY_OUT="${rate#*=}" ;;
        esac
    done
fi
build/bench/bench-gpu-check "$device" "$batches" "$model"
build/bench/bench-gpu-check "$device" 0 tests/golden/nets/*.pth tests/golden/nets/*.safetensors
build/bench/bench-gpu "$device" "$model"
if command -v ffmpeg >/dev/null 2>&1; then
    ninja -C build bench/bench-film
    ffmpeg -hide_banner -loglevel error -f lavfi -i testsrc2=size=1920x1080:rate=24 -t 8 -pix_fmt yuv420p "$work/film.y4m"
    build/bench/bench-film "$model" "$work/film.y4m" 4 5 "$device"
fi

if command -v compute-sanitizer >/dev/null 2>&1; then
    for tool in memcheck racecheck; do
        echo "compute-sanitizer $tool:"
        compute-sanitizer --tool "$tool" --error-exitcode 1 build/pique --device "$device" -m "$model" \
            --overwrite docs/sample.png -o "$work/check.png"
    done
fi
if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    python3 bench/gpu_torch.py
fi
