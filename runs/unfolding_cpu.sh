#!/usr/bin/env bash
# Our decoder on one CPU core: the fourteen legs that made the weights that ship, some twenty
# hours of a server core (AMD EPYC, bfloat16 in hardware). Run from the repository's top; a second call
# goes on where the first was stopped (legs 1, 2 and 6 begin anew).
#   runs/unfolding_cpu.sh [OUT]
# LIBRARY names a folder of rendered movies; those that it lacks are rendered first.
#
# Each leg begins with the averaged weights of the one before and with its learning rate at the
# height. Where history was less tidy than these commands (docs/experiments.md tells it):
#   - Legs 1 and 2 ran before the network had spectral mixing. It was added to their weights with
#     zeros, which change nothing; today's network has it, with these zeros, from the first step on.
#   - The library grew: 23 movies to train on when leg 2 began, 36 when leg 3 began, 95 in its
#     middle, 146 at its end. Leg 4 had all 190, a tenth of them held out.
#   - Leg 3 took 55 % of its movies from the library at first, 60 % later; its uncertainty was
#     taught by a Gaussian likelihood up to step 2,475, by the pinball loss from there on.
#   - Leg 7 had the last step of the network from its 24th minute on; today's code has it from leg 1 on.
#   - Up to leg 8 the network had one residual block fewer in each stage and was not told how long
#     structure lasts; leg 9 began with their weights in the larger network, which answered the same,
#     put there by hand as training/growth.py does it now. Today's network has both from leg 1 on.
#   - Up to leg 7 most masks of B = 20 and more opened a quarter of the frames; today's open two fifths.
#   - Up to leg 9 nothing was told of how long structure lasts in one movie of ten, today one of four.
#   - Leg 10 had a library rendered anew. Up to leg 11 no scene of it was slow; today half of crystals and fibres
#     are (simulate/pace.py).
#   - Up to leg 10 what was told of how long structure lasts was measured on each crop, today on the
#     movie that it was cut from.
#   - Up to leg 13 the network mixed frames where they are (config.follows=false); bend contours were one
#     procedural scene of twenty, not one of six, and noise of integrating detectors was correlated by 0.25
#     at most.
#   - Leg 5 got the weight on jumps between blocks after its first 772 steps, and began the correction
#     of the deviation; today's code has both from the first step of leg 1 on.
# So these commands give weights of the same making, not the same numbers.
set -euo pipefail
out=${1:-runs/out/unfolding_cpu}
library=${LIBRARY:-runs/out/library}
export OMP_NUM_THREADS=1 # more threads wait for each other wherever cores have other work

render() {
    python -m napari_tcsdl.simulate.library "$library" "$@"
}

optimiser=adamw
short_ends=0 # share of movies that end within a block; nobody had thought of them before leg 6
leg() {
    local folder=$out/leg$1
    shift
    if [[ -e $folder/done ]]; then return; fi
    python -m napari_tcsdl.training "$folder" --device cpu --decoder unfolding \
        --precision bfloat16 --save-every 6 --set "optimiser=$optimiser" \
        --set "batch.short_ends=$short_ends" "$@"
    touch "$folder/done"
}

resumed() {
    if [[ -e $out/leg$1/state.pt ]]; then echo --resume; fi
}

mean() { # of both runs of a leg, and of the states that are named besides
    local folder=$out/leg$1
    if [[ -e $folder/state.pt ]]; then return; fi
    python -m napari_tcsdl.training.averaged "$folder" "${folder}a/state.pt" "${folder}b/state.pt" "${@:2}"
}

twice() { # leg, minutes, seed, start: two runs, on large crops of few frames and smaller ones of more
    local run seed=$3 crop=96 frames=30 runs=()
    for run in a b; do
        if [[ $run == b ]]; then seed=$(($3 + 1)) crop=80 frames=60; fi
        leg "$1$run" --minutes "$2" --seed "$seed" --set rate=0.0006 --from "$4" \
            --library "$library" --set library_share=0.75 \
            --set "batch.crop=$crop" --set batch.pixels=400000 --set "batch.core_frames=$frames" \
            --set batch.even_ratios=0.6 --set batch.usual_doses=0.6 $(resumed "$1$run") &
        runs+=($!)
    done
    for run in "${runs[@]}"; do wait "$run"; done # each one: plain "wait" does not tell of failures
}

# Files that are there already stay as they are. New molecular dynamics need
# pip install 'napari-tcsdl[simulate]'.
dynamics=(au_pair au_three au_unequal ag_pair au_hot pt_pair au_large au_four)
python -m napari_tcsdl.simulate.dynamics "$library/trajectories" "${dynamics[@]}"
render --kind crystals --count 90
render --kind fibre --count 28
for index in 0 1 2 3 4 5; do
    render --kind "${dynamics[index]}" --first $((100 * index)) --count 12 \
        --trajectories "$library/trajectories"
done

# 1: procedural movies only. Stopped after 12 of 25 minutes, before the learning rate had fallen, as
# leg 2 was: what is interrupted here begins anew.
leg 1 --minutes 25 --leg 12 --overwrite --seed 0 \
    --set batch.crop=64 --set batch.pixels=330000
# 2: half of the movies from the library.
leg 2 --minutes 30 --leg 20 --overwrite --seed 2 --from "$out/leg1/state.pt" \
    --library "$library" --set library_share=0.5 \
    --set batch.crop=64 --set batch.pixels=330000
# 3: spectral mixing, larger crops, more of the library.
leg 3 --minutes 86 --seed 3 --from "$out/leg2/state.pt" \
    --library "$library" --set library_share=0.6 \
    --set batch.crop=80 --set batch.pixels=360000 $(resumed 3)
# 4: the whole library.
leg 4 --minutes 95 --seed 4 --from "$out/leg3/unfolding.safetensors" \
    --library "$library" --set library_share=0.6 \
    --set batch.crop=80 --set batch.pixels=360000 $(resumed 4)
# 5: Muon, jumps between blocks, and the correction of the deviation by the residual, which begins as
# none.
optimiser=muon
leg 5 --minutes 80 --seed 6 --set rate=0.0008 --from "$out/leg4/unfolding.safetensors" \
    --library "$library" --set library_share=0.6 \
    --set batch.crop=80 --set batch.pixels=360000 $(resumed 5)
# 6: movies that end within a block, and more blocks at a time. Stopped after 18 of 84 minutes; its ends
# had any length alike, where the present code makes most of them very short.
short_ends=0.2
leg 6 --minutes 84 --leg 18 --overwrite --seed 7 --set rate=0.0008 --from "$out/leg5/state.pt" \
    --library "$library" --set library_share=0.6 \
    --set batch.crop=72 --set batch.pixels=400000 --set batch.core_frames=60
# 7: more and shorter ends; from the 24th minute on with the last step of the network.
short_ends=0.3
leg 7 --minutes 62 --seed 8 --set rate=0.0008 --from "$out/leg6/state.pt" \
    --library "$library" --set library_share=0.6 \
    --set batch.crop=72 --set batch.pixels=400000 --set batch.core_frames=60 $(resumed 7)
# 8: more exposures from B = 20 (the default of masks since), usual doses and large B more often.
short_ends=0.2
leg 8 --minutes 74 --seed 9 --set rate=0.0005 --from "$out/leg7/state.pt" \
    --library "$library" --set library_share=0.6 \
    --set batch.crop=72 --set batch.pixels=400000 --set batch.core_frames=60 \
    --set batch.even_ratios=0.5 --set batch.usual_doses=0.5 $(resumed 8)
# 9: twice, from other seeds, each on a core of its own; the mean of both ships.
runs=()
for run in a b; do
    seed=10
    if [[ $run == b ]]; then seed=11; fi
    leg 9$run --minutes 78 --seed $seed --set rate=0.0006 --from "$out/leg8/state.pt" \
        --library "$library" --set library_share=0.6 \
        --set batch.crop=72 --set batch.pixels=400000 --set batch.core_frames=60 \
        --set batch.even_ratios=0.5 --set batch.usual_doses=0.5 $(resumed 9$run) &
    runs+=($!)
done
for run in "${runs[@]}"; do wait "$run"; done # each one: plain "wait" does not tell of failures
mean 9
# 10: twice the views of gold that sinters, more of the library.
for index in 0 1 2 4; do
    render --kind "${dynamics[index]}" --first $((100 * index)) --count 24 \
        --trajectories "$library/trajectories"
done
twice 10 70 12 "$out/leg9/state.pt"
# With what they began with: a little better on held-out movies than the two alone.
mean 10 "$out/leg9/state.pt"
# 11: what is told of a crop is of its movie; two more trajectories, more views, crystals and fibres.
render --kind crystals --count 120
render --kind fibre --count 52
for index in 0 1 2 4; do
    render --kind "${dynamics[index]}" --first $((100 * index)) --count 36 \
        --trajectories "$library/trajectories"
done
for index in 6 7; do
    render --kind "${dynamics[index]}" --first $((100 * index)) --count 24 \
        --trajectories "$library/trajectories"
done
twice 11 76 14 "$out/leg10/state.pt"
mean 11
# 13: slow scenes (a twelfth leg brought nothing, docs/experiments.md).
render --kind crystals --count 192
render --kind fibre --count 120
twice 13 60 18 "$out/leg11/state.pt"
mean 13 "$out/leg11/state.pt"
# 14: more bend contours, detectors between white and scintillator, fewer movies of the library. Stopped
# after 26 of 64 minutes, when it was seen how far the specimen drifts.
# 15: frames are mixed where the specimen is. Each run goes on from its own leg 14.
runs=()
for run in a b; do
    seed=20 crop=96 frames=30
    if [[ $run == b ]]; then seed=21 crop=80 frames=60; fi
    drawn=(--library "$library" --set "batch.crop=$crop" --set batch.pixels=400000
        --set "batch.core_frames=$frames" --set batch.even_ratios=0.6 --set batch.usual_doses=0.6)
    {
        leg 14$run --minutes 64 --leg 26 --overwrite --seed $seed --set rate=0.0006 \
            --set config.follows=false --set library_share=0.6 --from "$out/leg13/state.pt" \
            "${drawn[@]}"
        leg 15$run --minutes 66 --seed $((seed + 2)) --set rate=0.0008 \
            --set library_share=0.65 --from "$out/leg14$run/state.pt" "${drawn[@]}" $(resumed 15$run)
    } &
    runs+=($!)
done
for run in "${runs[@]}"; do wait "$run"; done
mean 15
python -m napari_tcsdl.training.export "$out/leg15/state.pt" "$out/leg15/unfolding.safetensors"
echo "$out/leg15/unfolding.safetensors"
