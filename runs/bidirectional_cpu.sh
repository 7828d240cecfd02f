#!/usr/bin/env bash
# The paper's network by the same recipe. At its published width a step takes minutes on a CPU, so
# this is a quarter of the width, with B up to 10; the table of results says so.
# Run from the repository's top; a second call goes on.
#   runs/bidirectional_cpu.sh [OUT] [MINUTES]
set -euo pipefail
out=${1:-runs/out/bidirectional_cpu}
minutes=${2:-480}
library=${LIBRARY:-}

options=(--decoder bidirectional --precision bfloat16 --minutes "$minutes" --seed 0
    --set config.width=0.25 --set config.largest_ratio=10
    --set batch.crop=64 --set batch.pixels=160000 --set rate=0.0003)
[[ -n $library ]] && options+=(--library "$library")
[[ -e $out/state.pt ]] && options=(--minutes "$minutes" --resume)
napari-tcsdl train "$out" --device cpu "${options[@]}"
