"""Cost of the decoders: parameters, multiplications, time and memory, beside the authors' network.

    python benchmarks/decoder.py [--peer FOLDER] [--memory 512 1024 4096] [--only NAME ...]

FOLDER is a checkout of the public repository xinhuolin/TCS-DL; without it that row is left empty.

GMAC are 10⁹ multiplications with addition in convolutions and products of matrices, as torch
counts them, for one measurement of B = 10 frames of 256²; "in a movie": with the frames of
neighbouring measurements that the program decodes along, per measurement, which both ratios to the
authors' network include. Total variation has neither; where it makes the first frame it is in the
time only. Times are the process's own, on one thread, as in ``encoder.py``: on a shared machine
waiting is left out. Peak memory is what one fresh process holds at most, Python and torch included,
while it decodes as the program does (tiles of 512² and their halo, one per thread); it stops after
the first tiles and adds the frames that would still be written. Weights do not change the cost:
rows "untrained" have random ones.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from authors_network import AuthorsNetwork, disagreement
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from napari_tcsdl._validation import Cancelled, TcsdlError
from napari_tcsdl.masks import Masks
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.reconstruction import (
    RECONSTRUCTORS,
    BlockContext,
    GapTV,
    GroupBlock,
    Reconstructor,
    reconstruct_tiled,
    shipped_weights,
)
from napari_tcsdl.reconstruction.bidirectional import (
    Bidirectional,
    BidirectionalConfig,
    BidirectionalNet,
)
from napari_tcsdl.reconstruction.group import Area
from napari_tcsdl.reconstruction.together import blocks_together
from napari_tcsdl.settings import Settings

B = 10
GPU_B, GPU_SIZE = 30, 4096
TILE = Settings().decode_tile
DOSE = 20.0  # [e px⁻¹] of a frame
GIB = 2**30  # bytes
CPU = torch.device("cpu")
UNTRAINED = {
    "bidirectional, published width, untrained": lambda ratio: Bidirectional(
        BidirectionalNet(BidirectionalConfig(largest_ratio=ratio))
    ),
    "bidirectional, first frame by GAP-TV, untrained": lambda ratio: Bidirectional(
        BidirectionalNet(BidirectionalConfig(first_frame="gap_tv")), GapTV()
    ),
}
PEER = "authors' network (xinhuolin/TCS-DL)"
HEAD = ("decoder", "parameters", "GMAC", "in a movie", "seconds", "MACs × fewer", "time × less")


def make_decoder(name, ratio=B) -> Reconstructor:
    if name in UNTRAINED:
        return UNTRAINED[name](ratio)
    row = RECONSTRUCTORS[name]
    return row.make(shipped_weights(row.weights)) if row.weights else row.make()


def context_for(ratio):
    """Of a movie of counts with some contrast."""
    noise = NoiseModel(1.0, 0.0, mean=DOSE)
    spread = (DOSE / 5) ** 0.5
    return BlockContext((0.0, 2 * DOSE), noise, DOSE, spread, compression_ratio=ratio)


def silent(fraction):
    pass


def group_for(decoder, ratio, size):
    """Measurements as the program groups them: the wanted ones, and parts of their neighbours."""
    rng = np.random.default_rng(2026)
    masks = Masks.create(ratio)
    reach = decoder.context_frames
    wanted = blocks_together(ratio, reach)
    values = rng.poisson(DOSE * masks.exposures, (size, size)).astype(np.float32)
    blocks = [GroupBlock(values, masks, ratio) for _ in range(wanted)]
    before, behind = [], []
    while reach > 0:
        taken = min(ratio, reach)
        for side, used in ((before, range(ratio - taken, ratio)), (behind, range(taken))):
            side.append(GroupBlock(values, masks, ratio, used, wanted=False))
        reach -= taken
    return [*before[::-1], *blocks, *behind]


def n_wanted(group):
    """Measurements of ``group`` whose frames are wanted."""
    return sum(block.wanted for block in group)


def run_of(decoder, group, size):
    """Decode the segments of a group together, untiled."""
    segments = [block.segment(Area(0, 0, size, size), CPU) for block in group]

    @torch.inference_mode()
    def run():
        return decoder.decode(segments, context_for(B), silent)

    return run


def count_macs(run: Callable[[], object]) -> float:
    """10⁹ multiplications with addition; torch's counter does not know the CPU's attention."""
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def attend(query, key, value, *_, out_shape=None, **__):
        return sdpa_flop_count(query, key, value)

    with FlopCounterMode(display=False, custom_mapping={attention: attend}) as counter:
        run()
    return counter.get_total_flops() / 2e9


def seconds_of(run: Callable[[], object], rounds: int) -> float:
    """Least processor time of so many rounds, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    torch.set_num_threads(threads)
    return min(times)


def parameters_of(decoder):
    modules = [value for value in vars(decoder).values() if isinstance(value, torch.nn.Module)]
    return sum(p.numel() for module in modules for p in module.parameters())


def measure(name, size, rounds):
    """Parameters, GMAC, GMAC in a movie, and seconds."""
    decoder = make_decoder(name)
    group = group_for(decoder, B, size)
    alone = run_of(decoder, [block for block in group if block.wanted][:1], size)
    macs = count_macs(alone)
    in_movie = macs
    if len(group) > 1:
        in_movie = count_macs(run_of(decoder, group, size)) / n_wanted(group)
    return parameters_of(decoder), macs, in_movie, seconds_of(alone, rounds)


def measure_peer(folder, size):
    peer = AuthorsNetwork(folder, B)
    group = group_for(GapTV(), B, size)
    segment = group[0].segment(Area(0, 0, size, size), CPU)
    y, masks = segment.y / (2 * DOSE), segment.phi.masks
    macs = count_macs(lambda: peer.decode(y, masks))
    seconds = seconds_of(lambda: peer.decode(y, masks), 1)
    return sum(p.numel() for p in peer.parameters()), macs, macs, seconds


def peak_memory(name, size):
    """Print the peak memory [bytes] of this process."""
    decoder = make_decoder(name)
    uncertain = run_of(decoder, group_for(decoder, B, 64), 64)().uncertainty is not None
    group = group_for(decoder, B, size)
    tiles = (-(-size // TILE)) ** 2
    enough = min((torch.get_num_threads() + 1) / tiles, 1.0)
    reached = 0.0

    def stop_when_enough(fraction):
        nonlocal reached
        reached = fraction
        if enough <= fraction < 1:
            raise Cancelled

    with contextlib.suppress(Cancelled):
        reconstruct_tiled(
            decoder, group, context_for(B), device="cpu", tile=TILE, progress=stop_when_enough
        )
    frames = n_wanted(group) * B * size**2 * 4 * (2 if uncertain else 1)
    print(json.dumps(high_water() + (1 - reached) * frames))


def high_water():
    """Most memory that this process has held [bytes] (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def peak_memory_apart(name, size):
    """Run :func:`peak_memory` in a fresh process; GiB as text."""
    command = [sys.executable, __file__, "--peak", name, str(size)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        return f"failed: {(result.stderr.strip().splitlines() or ['killed'])[-1]}"
    return f"{json.loads(result.stdout.splitlines()[-1]) / GIB:.2f} GiB"


def gpu_rate(name):
    """Frames per second at 4096² × 30, tiles as the program's."""
    if not torch.cuda.is_available():
        return "no GPU here"
    decoder = make_decoder(name, GPU_B)
    group = group_for(decoder, GPU_B, GPU_SIZE)
    for _ in range(2):  # the first round loads kernels and takes memory
        torch.cuda.synchronize()
        start = time.perf_counter()
        try:
            reconstruct_tiled(
                decoder, group, context_for(GPU_B), device="cuda", tile=TILE, progress=silent
            )
        except TcsdlError as error:  # B = 30 is more than this network takes
            return str(error)
        torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return f"{n_wanted(group) * GPU_B / seconds:.1f}"


def print_row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def costs_as_text(costs, of_peer):
    parameters, macs, in_movie, seconds = costs
    share = in_movie / macs if macs else 1.0
    text = [f"{parameters:,}" if parameters else "none"]
    text += [f"{macs:.1f}" if macs else "–", f"{in_movie:.1f}" if macs else "–", f"{seconds:.2f}"]
    if of_peer is None:
        return [*text, "–", "–"]
    fewer = f"{of_peer[1] / in_movie:.1f}" if macs else "–"
    return [*text, fewer, f"{of_peer[3] / (seconds * share):.1f}"]


def print_table(names, arguments):
    peer = None
    memory = [f"peak at {size}²" for size in arguments.memory]
    print_row(*HEAD, *memory, f"GPU frames/s, {GPU_SIZE}² × {GPU_B}")
    print("|" + "---|" * (len(HEAD) + len(memory) + 1))
    if arguments.peer is None:
        print_row(PEER, *["not run: no --peer"] * (len(HEAD) + len(memory)))
    else:
        peer = measure_peer(arguments.peer, arguments.size)
        tables = [f"attention alone {(n // 2) ** 4 * 4 / GIB:.0f} GiB" for n in arguments.memory]
        print_row(PEER, *costs_as_text(peer, peer), *tables, "256² only")
    for name in names:
        try:
            costs = costs_as_text(measure(name, arguments.size, arguments.rounds), peer)
        except TcsdlError as error:
            print_row(name, str(error), *[""] * (len(HEAD) + len(memory) - 1))
            continue
        peaks = [peak_memory_apart(name, size) for size in arguments.memory]
        print_row(name, *costs, *peaks, gpu_rate(name))
    if arguments.peer is not None:
        found = disagreement(AuthorsNetwork(arguments.peer, B))
        print(
            "\nWith the authors' weights (random, 64²) our variant 'released' differs from their "
            f"code by at most {found['released']:.1e} of the standard deviation of the frames; "
            f"'paper' by {found['paper']:.1e}."
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--size", type=int, default=256, help="of MACs and times [px]")
    parser.add_argument("--memory", type=int, nargs="*", default=[512, 1024, 4096])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="names of decoders")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        peak_memory(arguments.peak[0], int(arguments.peak[1]))
        return
    print(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}; "
        f"B = {B}, {arguments.size}², one thread; memory with {torch.get_num_threads()} threads\n"
    )
    print_table(arguments.only or [*RECONSTRUCTORS, *UNTRAINED], arguments)


if __name__ == "__main__":
    main()
