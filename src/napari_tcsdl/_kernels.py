"""The encoder's inner loop: eight frames added per pass, in vectors of one cache line of pixels.

LLVM does not vectorise such a loop by itself: eight frames, masks and sums are more pointers
than it checks for overlap, and integer promotion widens the lanes to 64 bits. So the loop body
is given to it as vector operations. They are not tied to an instruction set: LLVM lowers them to
what the processor has, from SSE2 to AVX-512 (one masked load, one widening, one add per frame).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

VECTOR_BYTES = 64
"""Frame bytes per vector: a cache line, which is read once and then done with."""
# Sums of a strip stay in the second-level cache while the groups of eight are added to them.
_STRIP_PIXELS = 2**17


def lanes(frame_dtype: np.dtype[Any]) -> int:
    """Pixels per vector; the narrowest row that :func:`add_frames` takes."""
    return VECTOR_BYTES // frame_dtype.itemsize


def _load(builder: ir.IRBuilder, pointer: ir.Value, kind: ir.VectorType) -> ir.Value:
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=1)


def _splat(builder: ir.IRBuilder, value: ir.Value, n: int) -> ir.Value:
    empty = ir.VectorType(value.type, n)(ir.Undefined)
    lane = ir.IntType(32)
    first = builder.insert_element(empty, value, lane(0))
    return builder.shuffle_vector(first, empty, ir.VectorType(lane, n)([0] * n))


def _resize(builder: ir.IRBuilder, vector: ir.Value, pixel: ir.Type) -> ir.Value:
    """Widen or narrow unsigned lanes; narrowing is exact where the caller knows the range."""
    have, n = vector.type.element, vector.type.count
    if isinstance(pixel, ir.FloatType) or have.width == pixel.width:
        return vector
    return (builder.zext if have.width < pixel.width else builder.trunc)(
        vector, ir.VectorType(pixel, n)
    )


def _add_masked(
    builder: ir.IRBuilder, so_far: ir.Value, bits: ir.Value, frames: ir.Value, walk: list[ir.Value]
) -> ir.Value:
    """Unrolled sum of masked frames, on top of ``so_far``.

    ``walk`` holds the step from frame to frame, their number n, then the mask bit of each frame
    in turn, as many as the loop is unrolled. Beyond n the last frame is read again, and the
    caller closes its mask (bit 0): a cached load instead of a loop per remainder.
    Integer sums of eight fit twice the width of a pixel, whatever the width of ``so_far``;
    float sums keep the order of the frames.
    """
    pixel, n = frames.type.pointee, bits.type.count
    floating = isinstance(pixel, ir.FloatType)
    wide = pixel if floating else ir.IntType(2 * pixel.width)
    group = so_far if floating else ir.VectorType(wide, n)([0] * n)
    (step, count), seen = walk[:2], ir.VectorType(pixel, n)
    for j, bit in enumerate(walk[2:]):
        mask = builder.and_(bits, _splat(builder, bit, n))
        opened = builder.icmp_unsigned("!=", mask, bits.type([0] * n))
        light = builder.select(opened, _load(builder, frames, seen), seen([0] * n))
        group = (builder.fadd if floating else builder.add)(group, _resize(builder, light, wide))
        more = builder.icmp_signed("<", count.type(j + 1), count)
        frames = builder.gep(frames, [builder.select(more, step, step.type(0))])
    if floating:
        return group
    return builder.add(so_far, _resize(builder, group, so_far.type.element))


def _frame_bits(
    builder: ir.IRBuilder, first: ir.Value, count: ir.Value, unrolled: int
) -> list[ir.Value]:
    """Bit 2^(first + j) of each frame j of a pass, 0 beyond ``count``."""
    byte, kind = ir.IntType(8), first.type
    found = []
    for j in range(unrolled):
        bit = builder.shl(byte(1 << j), builder.trunc(first, byte))
        exists = builder.icmp_signed("<", kind(j), count)
        found.append(builder.select(exists, bit, byte(0)))
    return found


def _vector_adder(unrolled: int) -> Any:
    """Make the body of a pass over up to ``unrolled`` frames, one vector of pixels at a time.

    Its arrays are flat; ``at`` holds the offsets into sums, planes and frames, the step from
    frame to frame, the number of frames, and the bit of the first frame's mask.
    """

    @intrinsic
    def add_vector(typing: Any, sums: Any, planes: Any, frames: Any, at: Any) -> Any:
        def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
            n = VECTOR_BYTES * 8 // frames.dtype.bitwidth
            *starts, step, count, first = (builder.extract_value(args[3], i) for i in range(6))
            to_sums, to_bits, to_frames = (
                builder.gep(context.make_array(kind)(context, builder, value).data, [start])
                for kind, value, start in zip(sig.args[:3], args[:3], starts, strict=True)
            )
            bits = _load(builder, to_bits, ir.VectorType(ir.IntType(8), n))
            so_far = _load(builder, to_sums, ir.VectorType(to_sums.type.pointee, n))
            walk = [step, count, *_frame_bits(builder, first, count, unrolled)]
            total = _add_masked(builder, so_far, bits, to_frames, walk)
            builder.store(total, builder.bitcast(to_sums, total.type.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(sums, planes, frames, at), codegen

    return add_vector


_add_up_to_eight = _vector_adder(8)
_add_one = _vector_adder(1)


@njit(cache=True, nogil=True)
def add_frames(
    sums: NDArray[Any], planes: NDArray[np.uint8], frames: NDArray[Any], first: int
) -> None:
    """Add frames (n, H, W), where their masks are open, to the sums (H, W), in place.

    Parameters
    ----------
    sums
        (H, W) uint16, uint32 or float32, C-contiguous; the caller knows that it is wide enough.
    planes
        (P, h, V · lanes) with V = ⌈W / lanes⌉: bit j of plane k is the mask of frame 8k + j;
        rows repeat with period h. The last vector lies on the last ``lanes`` pixels of the row;
        where it overlaps the one before, its bits are 0.
    frames
        (n, H, W) uint8, uint16 or float32, C-contiguous, W ≥ lanes.
    first
        Index of ``frames[0]`` within its block.
    """
    n_frames, height, width = frames.shape
    _, period, row_bytes = planes.shape
    lane_count, area = VECTOR_BYTES // frames.itemsize, height * width
    flat_sums, flat_planes, flat_frames = sums.reshape(-1), planes.reshape(-1), frames.reshape(-1)
    strip = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, strip):
        done = 0
        while done < n_frames:
            plane, bit = (first + done) // 8 * period, (first + done) % 8
            count = min(8 - bit, n_frames - done)
            for y in range(top, min(height, top + strip)):
                row = (plane + y % period) * row_bytes
                for v in range(0, row_bytes, lane_count):
                    x = y * width + min(v, width - lane_count)
                    at = (x, row + v, done * area + x, area, count, bit)
                    if count == 1:
                        _add_one(flat_sums, flat_planes, flat_frames, at)
                    else:
                        _add_up_to_eight(flat_sums, flat_planes, flat_frames, at)
            done += count
