#!/usr/bin/env bash
# Our decoder on a few CPU cores, overnight. Run from the repository's top; a second call goes on.
#   runs/unfolding_cpu.sh [OUT] [MINUTES]
# LIBRARY names a folder of rendered movies; it is made first if it is empty.
set -euo pipefail
out=${1:-runs/out/unfolding_cpu}
minutes=${2:-480}
library=${LIBRARY:-runs/out/library}

ls "$library"/*.npy >/dev/null 2>&1 ||
    python -m napari_tcsdl.simulate.library "$library" --kind crystals --count 90
resume=()
[[ -e $out/state.pt ]] && resume=(--resume)
napari-tcsdl train "$out" --decoder unfolding --device cpu --precision bfloat16 \
    --minutes "$minutes" --library "$library" --seed 0 "${resume[@]}"
