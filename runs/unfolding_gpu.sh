#!/usr/bin/env bash
# Our decoder on one H100 or H200: larger crops and batches, bfloat16, in legs of nine minutes for
# machines that are lent for ten. Run from the repository's top; the package need not be installed:
# torch, numpy, scipy, scikit-image, numba, tifffile and safetensors are enough.
#   runs/unfolding_gpu.sh [OUT] [MINUTES] [LEGS]
# LIBRARY names a folder of rendered movies, COMMIT the code where there is no .git to ask.
# A second call goes on from OUT/state.pt; START names the state of a run to begin with.
set -euo pipefail
out=${1:-runs/out/unfolding_gpu}
minutes=${2:-27}
legs=${3:-3}
export PYTHONPATH=src

new=(--decoder unfolding --precision bfloat16 --minutes "$minutes" --seed 1
    --set rate=0.0015 --set batch.crop=96 --set batch.pixels=3000000)
[[ -n ${LIBRARY:-} ]] && new+=(--library "$LIBRARY")
[[ -n ${START:-} ]] && new+=(--from "$START")
commit=()
[[ -n ${COMMIT:-} ]] && commit=(--commit "$COMMIT")

finished() {
    python - "$out/state.pt" "$minutes" <<'PYTHON'
import sys
import torch

state = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
sys.exit(0 if state["minutes"] >= float(sys.argv[2]) else 1)
PYTHON
}

for ((leg = 0; leg < legs; leg++)); do
    if [[ -e $out/state.pt ]]; then
        if finished; then break; fi
        python -m napari_tcsdl.training "$out" --device cuda --leg 9 --save-every 3 \
            "${commit[@]}" --resume
    else
        python -m napari_tcsdl.training "$out" --device cuda --leg 9 --save-every 3 \
            "${commit[@]}" "${new[@]}"
    fi
done
