#!/usr/bin/env python3
"""CuPy and PyTorch on an NVIDIA card: PEER SYSTEM TASK PRECONDITIONER THREADS RTOL ITERATIONS ANSWER.

PEER is one of
cupy: cupyx.scipy.sparse.linalg's cg and gmres (restart 30) and cuSPARSE's product, as its documentation calls them;
fused: CG by hand, three CUDA kernels an iteration and one look at the residual every 32: what a card can give;
torch: CG written with PyTorch's operations on a sparse_csr tensor, one look at the residual every 32 iterations.
TASK is cg, gmres30, spmv or copy (a device-to-device copy of at least 128 MiB). Everything is in f64 and without
preconditioner. All CG variants stop at |r| <= rtol |b| of the residual that they update.
Times are taken between synchronisations, after a warm-up."""

import inspect
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def timed(work: Callable, wait: Callable) -> tuple[float, object]:
    wait()
    start = time.perf_counter()
    result = work()
    wait()
    return time.perf_counter() - start, result


def median_time(work: Callable, wait: Callable) -> float:
    """Of 20 batches of ten: a launch alone is too short for the host's clock."""
    def batch() -> None:
        for _ in range(10):
            work()

    batch()
    return float(np.median([timed(batch, wait)[0] for _ in range(20)])) / 10


CUDA = r"""
// A thread a row, sum of v over the block added to *total. Blocks of 256.
__device__ void add_up(double v, double* total) {
    __shared__ double part[256];
    part[threadIdx.x] = v;
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) atomicAdd(total, part[0]);
}
// s: {rho, sigma, the next rho}.
extern "C" __global__ void product(int n, const int* rows, const int* columns, const double* values, const double* d,
                                   double* q, double* s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double sum = 0;
    if (i < n) {
        for (int k = rows[i]; k < rows[i + 1]; ++k) sum += values[k] * d[columns[k]];
        q[i] = sum;
        sum *= d[i];
    }
    add_up(sum, s + 1);
}
extern "C" __global__ void update(int n, const double* d, const double* q, double* x, double* r, double* s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double square = 0;
    if (i < n) {
        double alpha = s[0] / s[1];
        x[i] += alpha * d[i];
        r[i] -= alpha * q[i];
        square = r[i] * r[i];
    }
    add_up(square, s + 2);
}
extern "C" __global__ void turn(int n, const double* r, double* d, const double* s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) d[i] = r[i] + s[2] / s[0] * d[i];
}
// Between turn and the next product, on one thread.
extern "C" __global__ void shift(double* s) {
    s[0] = s[2];
    s[1] = s[2] = 0;
}
"""


class Fused:
    def __init__(self, cp, rows, columns, values) -> None:
        module = cp.RawModule(code=CUDA)
        self.cp, self.matrix, self.n = cp, (rows, columns, values), len(rows) - 1
        self.kernels = {name: module.get_function(name) for name in ("product", "update", "turn", "shift")}

    def launch(self, name: str, *arguments) -> None:
        blocks = (self.n + 255) // 256
        self.kernels[name]((blocks,), (256,), (np.int32(self.n), *arguments))

    def cg(self, b, rtol: float, limit: int):
        cp = self.cp
        x, r, d, q = cp.zeros_like(b), b.copy(), b.copy(), cp.empty_like(b)
        s = cp.zeros(3)
        s[0] = b @ b
        goal = rtol**2 * float(s[0])
        count = 0
        while count < limit:
            for _ in range(min(32, limit - count)):
                self.launch("product", *self.matrix, d, q, s)
                self.launch("update", d, q, x, r, s)
                self.launch("turn", r, d, s)
                self.kernels["shift"]((1,), (1,), (s,))
                count += 1
            if float(s[0]) <= goal:
                break
        return x, count

    def product(self, d, q, s) -> None:
        self.launch("product", *self.matrix, d, q, s)


def cupy_peer(peer: str, arrays: dict[str, np.ndarray], task: str, rtol: float, limit: int):
    import cupy as cp
    import cupyx.scipy.sparse as sparse
    import cupyx.scipy.sparse.linalg as linalg

    wait = cp.cuda.Device().synchronize

    def upload():
        values = cp.asarray(arrays["values"])
        parts = values, cp.asarray(arrays["columns"]), cp.asarray(arrays["rows"])
        n = len(arrays["rows"]) - 1
        return sparse.csr_matrix(parts, shape=(n, n)) if peer == "cupy" else Fused(cp, parts[2], parts[1], values)

    setup, a = timed(upload, wait)
    b = cp.asarray(arrays["rhs"])
    if task == "copy":
        source = cp.ones(max(len(arrays["values"]), 1 << 24))
        target = cp.empty_like(source)
        seconds = median_time(lambda: cp.copyto(target, source), wait)
        return cp.__version__, b, setup, seconds, 1, 2 * source.nbytes
    if task == "spmv" and peer == "fused":
        y, s = cp.empty_like(b), cp.zeros(3)
        seconds = median_time(lambda: a.product(b, y, s), wait)
        return cp.__version__, y, setup, seconds, 1, None
    if task == "spmv":
        seconds = median_time(lambda: a @ b, wait)
        return cp.__version__, a @ b, setup, seconds, 1, None
    if task == "cg" and peer == "fused":
        a.cg(b, rtol, 32)
        seconds, (x, count) = timed(lambda: a.cg(b, rtol, limit), wait)
        return cp.__version__, x, setup, seconds, count, None
    method, step = (linalg.gmres, 30) if task == "gmres30" else (linalg.cg, 1)
    # The tolerance was renamed between versions.
    name = "rtol" if "rtol" in inspect.signature(method).parameters else "tol"
    more = {"restart": 30, "callback_type": "pr_norm"} if task == "gmres30" else {}
    calls = [0]

    def count_calls(_) -> None:
        calls[0] += 1

    def run(most: int):
        calls[0] = 0
        return method(a, b, maxiter=most, callback=count_calls, **{name: rtol}, **more)[0]

    run(step)
    seconds, x = timed(lambda: run(limit), wait)
    return cp.__version__, x, setup, seconds, step * calls[0], None


def torch_peer(arrays: dict[str, np.ndarray], task: str, rtol: float, limit: int):
    import torch

    wait = torch.cuda.synchronize
    n = len(arrays["rows"]) - 1

    def upload():
        parts = (torch.from_numpy(arrays[name]).cuda() for name in ("rows", "columns", "values"))
        return torch.sparse_csr_tensor(*parts, size=(n, n))

    setup, a = timed(upload, wait)
    b = torch.from_numpy(arrays["rhs"]).cuda()
    if task == "spmv":
        return torch.__version__, a @ b, setup, median_time(lambda: a @ b, wait), 1, None

    def cg(most: int):
        x, r, d = torch.zeros_like(b), b.clone(), b.clone()
        rho = r @ r
        goal = rtol**2 * float(rho)
        for k in range(1, most + 1):
            q = a @ d
            alpha = rho / (d @ q)
            x += alpha * d
            r -= alpha * q
            following = r @ r
            d = r + following / rho * d
            rho = following
            if (k % 32 == 0 or k == most) and float(rho) <= goal:
                break
        return x, k

    cg(32)
    seconds, (x, count) = timed(lambda: cg(limit), wait)
    return torch.__version__, x, setup, seconds, count, None


def main(peer: str, system: str, task: str, _: str, _threads: str, rtol: str, limit: str, answer: str) -> None:
    types = {"rows": "<i4", "columns": "<i4", "values": "<f8", "rhs": "<f8"}
    arrays = {name: np.fromfile(Path(system) / f"{name}.bin", number) for name, number in types.items()}
    if peer in ("cupy", "fused"):
        result = cupy_peer(peer, arrays, task, float(rtol), int(limit))
    elif peer == "torch" and task in ("cg", "spmv"):
        result = torch_peer(arrays, task, float(rtol), int(limit))
    else:
        sys.exit(f"{peer} can't do {task}")
    version, x, setup, seconds, iterations, moved = result
    x = x.cpu().numpy() if hasattr(x, "cpu") else x.get()
    np.asarray(x, "<f8").tofile(answer)
    line = {"version": version, "setup_s": setup, "solve_s": seconds, "iterations": iterations}
    print(json.dumps(line | ({"bytes": moved} if moved else {})))


if __name__ == "__main__":
    main(*sys.argv[1:])
