#!/usr/bin/env bash
# The paper's network by the same recipe: what made the weights that ship, 26 minutes of a CPU core
# that had other work as well, then 44 minutes of one core with the settings of leg 11 of ours. At
# its published width a step takes minutes on a CPU, so this is a quarter of the width; the table of
# results says so. Run from the repository's top; a second call goes on.
#   runs/bidirectional_cpu.sh [OUT] [MINUTES]
# LIBRARY names a folder of rendered movies, of which runs/unfolding_cpu.sh makes one: half of the
# movies are crops of it. 166 were there then.
set -euo pipefail
out=${1:-runs/out/bidirectional_cpu}
minutes=${2:-26}
library=${LIBRARY:-runs/out/library}

options=(--decoder bidirectional --precision bfloat16 --minutes "$minutes" --seed 0
    --set config.width=0.25 --set config.largest_ratio=30
    --set batch.crop=64 --set batch.pixels=160000 --library "$library")
if [[ -e $out/state.pt ]]; then options=(--minutes "$minutes" --resume); fi
if [[ ! -e $out/done ]]; then
    napari-tcsdl train "$out" --device cpu "${options[@]}" --set optimiser=adamw
    touch "$out/done"
fi
if [[ -e $out/leg2/done ]]; then exit; fi
options=(--decoder bidirectional --precision bfloat16 --minutes 44 --seed 1 --set rate=0.0008
    --from "$out/bidirectional.safetensors" --library "$library" --set library_share=0.75
    --set batch.crop=64 --set batch.pixels=200000 --set batch.even_ratios=0.6
    --set batch.usual_doses=0.6)
if [[ -e $out/leg2/state.pt ]]; then options=(--resume); fi
python -m napari_tcsdl.training "$out/leg2" --device cpu "${options[@]}"
touch "$out/leg2/done"
