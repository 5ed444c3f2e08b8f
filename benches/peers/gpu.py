#!/usr/bin/env python3
"""krylane on a GPU: what it finds, whether its answers are right, how fast it is beside CuPy and PyTorch.

Called by gpu.sh. Needs nothing but the standard library; CuPy, PyTorch and NumPy are used where they are found. Every
step has its own limit of time, the whole has one, and what fails is recorded and passed over. Writes gpu.json and
gpu.md after each step."""

import argparse
import array
import datetime
import importlib.util
import json
import math
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from gpu_table import table

HERE = Path(__file__).resolve().parent
BUDGET_S = 360.0
"""For everything."""
RTOL = 1e-8
ITERATIONS = 20_000

# Gallery matrix, method, preconditioner of each check; the right-hand side is random.
CHECKS = [
    ("poisson2d:40", "cg", "none"),
    ("poisson3d:14", "cg", "jacobi"),
    ("poisson27:12", "cg", "none"),
    ("anisotropic2d:40", "cg", "amg"),
    ("random_spd:2000", "minres", "none"),
    ("convection_diffusion2d:40", "gmres", "none"),
    ("convection_diffusion3d:14", "bicgstab", "none"),
    ("random_general:2000", "idrs", "jacobi"),
]
# Matrices that are stored in different forms, large and small.
FORMS = [
    ("poisson3d:100", "poisson3d:14"),
    ("chessboard2d:1000", "chessboard2d:40"),
    ("convection_diffusion3d:80", "convection_diffusion3d:12"),
    ("elasticity3d:40", "elasticity3d:6"),
    ("geometric_graph:300000", "geometric_graph:2000"),
    ("random_general:400000", "random_general:2000"),
    ("graph_laplacian:300000", "graph_laplacian:2000"),
    ("hilbert:3000", "hilbert:200"),
    ("arrow:1000000", "arrow:2000"),
]
# By powers of ten.
SIZES = [10, 22, 46, 100, 215, 464]
# Bytes that a row of 3D Poisson takes on the host and on the device, at most, in a measurement.
ROW_BYTES = 500
# Large and small, with the methods whose kernels are timed.
TIMED = [
    ("poisson3d:100", "poisson3d:14", "cg", "none"),
    ("convection_diffusion3d:80", "convection_diffusion3d:12", "gmres", "none"),
    ("convection_diffusion3d:80", "convection_diffusion3d:12", "bicgstab", "none"),
    ("poisson3d:100", "poisson3d:14", "cg", "amg"),
    ("geometric_graph:300000", "geometric_graph:2000", "cg", "jacobi"),
]
PRECISIONS = [["f64"], ["f32"], ["mixed"], ["auto", "--withhold", "f64"], ["auto", "--withhold", "f64,double-single"]]


@dataclass
class Runner:
    arguments: argparse.Namespace
    scratch: Path
    start: float = field(default_factory=time.monotonic)
    steps: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What went wrong within a step that goes on."""
    until: float = math.inf
    """When the step that runs has had its share."""

    def left(self) -> float:
        return min(self.until, self.start + BUDGET_S) - time.monotonic()

    def call(self, command: list[str], limit: float) -> tuple[str, str]:
        """What a command prints, and what went wrong, if anything."""
        limit = min(limit, self.left())
        if limit < 1:
            return "", "no time left"
        try:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "", f"over {limit:.0f} s"
        except OSError as error:
            return "", str(error)
        fault = err.strip().splitlines()[-1] if err.strip() else f"exit code {process.returncode}"
        return out, fault[:200] if process.returncode else ""

    def step(self, name: str, share: float, work) -> object:
        """What `work` finds in `share` seconds at most; what is reported by halves is kept by halves."""
        begin = time.monotonic()
        self.until = begin + share
        print(f"== {name}", flush=True)
        try:
            result, fault = work(), ""
        except Exception as error:  # A step that fails must not stop the others.
            result, fault = None, f"{type(error).__name__}: {error}"[:300]
            print(f"   failed: {fault}", flush=True)
        self.until = math.inf
        self.steps.append({"name": name, "seconds": round(time.monotonic() - begin, 1), "fault": fault})
        return result

    def krylane(self, *words: str, limit: float) -> dict:
        out, fault = self.call([self.arguments.krylane, *words], limit)
        if not out.strip():
            raise RuntimeError(fault or "no output")
        return json.loads(out)


def machine(run: Runner) -> dict:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    versions, missing = {}, {}
    for name in ("numpy", "cupy", "torch"):
        if importlib.util.find_spec(name):
            out, fault = run.call([sys.executable, "-c", f"import {name}; print({name}.__version__)"], 30)
            if fault:
                missing[name] = fault
            else:
                versions[name] = out.strip()
    out, _ = run.call(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], 5)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "nvidia": run.call(query, 20)[0].strip(),
        "commit": out.strip(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "missing": missing,
        "small": run.arguments.small,
    }


def checks(run: Runner) -> list[dict]:
    """Small systems in every precision; the certificate decides."""
    results = []
    for spec, method, preconditioner in CHECKS:
        for precision in PRECISIONS:
            words = ["solve", "--gen", spec, "--rhs", "random:3", "-b", run.arguments.adapter, "-m", method]
            words += ["-p", preconditioner, "--precision", *precision, "--quiet", "--json", "-"]
            name = f"{method}/{preconditioner} on {spec}, {' '.join(precision)}"
            try:
                report = run.krylane(*words, limit=30)
                relative = report["certificate"]["relative"]
                passed = report["reason"].startswith("Converged") and relative <= RTOL
                results.append({"check": name, "passed": passed, "reason": report["reason"], "relative": relative})
            except (RuntimeError, ValueError, KeyError) as error:
                results.append({"check": name, "passed": False, "reason": str(error)})
            if run.left() < 1:
                run.notes.append(f"checks: {len(results)} of {len(CHECKS) * len(PRECISIONS)} in their share of time")
                return results
    good = sum(r["passed"] for r in results)
    print(f"   {good} of {len(results)} passed", flush=True)
    return results


def read(file: Path, code: str):
    values = array.array(code)
    values.frombytes(file.read_bytes())
    return values


def true_residual(system: Path, answer: Path, product: bool) -> float | None:
    """|b - A x| / |b|, or of a product |y - A b| / |A b|, in f64; None where it would take too long without NumPy."""
    if importlib.util.find_spec("numpy"):
        import numpy as np

        rows, columns = (np.fromfile(system / f"{name}.bin", "<i4") for name in ("rows", "columns"))
        values, b = (np.fromfile(system / f"{name}.bin", "<f8") for name in ("values", "rhs"))
        x = np.fromfile(answer, "<f8")
        # No row of these matrices is empty.
        image = np.add.reduceat(values * (b if product else x)[columns], rows[:-1])
        wanted, got = (image, x) if product else (b, image)
        return float(np.linalg.norm(wanted - got) / np.linalg.norm(wanted))
    rows, columns = (read(system / f"{name}.bin", "i") for name in ("rows", "columns"))
    if len(columns) > 1_000_000:
        return None
    values, b, x = read(system / "values.bin", "d"), read(system / "rhs.bin", "d"), read(answer, "d")
    by = b if product else x
    image = [math.fsum(values[k] * by[columns[k]] for k in range(rows[i], rows[i + 1])) for i in range(len(b))]
    wanted, got = (image, x) if product else (b, image)
    return math.dist(wanted, got) / math.hypot(*wanted)


def entrants(task: str, found: dict) -> list[tuple[str, str]]:
    """(program, what stands for its number type or variant)"""
    ours = [("krylane", kind) for kind in ("f64", "mixed", "f32")] if task != "spmv" else []
    cuda = [("cupy", "none"), ("fused", "none")] if "cupy" in found else []
    torch = [("torch", "none")] if "torch" in found else []
    if task == "copy":
        return cuda[:1]
    if task == "gmres30":
        return ours + cuda[:1]
    return ours + cuda + torch


def cell(run: Runner, task: str, spec: str, found: dict, rounds: int, limit: float) -> list[dict]:
    system = run.scratch / spec.replace(":", "-")
    if not (system / "rows.bin").exists():
        _, fault = run.call([run.arguments.peers, "export", spec, str(system)], 60)
        if fault:
            raise RuntimeError(fault)
    results: list[dict] = []
    answer = run.scratch / "answer.bin"
    for turn in range(rounds):
        for program, kind in entrants(task, found):
            # What failed once is not tried again.
            if any(r["program"] == program and r["kind"] == kind and "fault" in r for r in results):
                continue
            ours = program == "krylane"
            tail = [str(system), task, "none", "0", repr(RTOL), str(ITERATIONS), str(answer)]
            command = [run.arguments.peers, *tail, run.arguments.adapter, kind]
            if not ours:
                command = [sys.executable, str(HERE / "cuda_peers.py"), program, *tail]
            answer.unlink(missing_ok=True)
            out, fault = run.call(command, limit)
            line = {"task": task, "system": spec, "program": program, "kind": kind if ours else "f64", "round": turn}
            if fault:
                line["fault"] = fault
            else:
                line |= json.loads(out.strip().splitlines()[-1])
                line["n"] = (system / "rhs.bin").stat().st_size // 8
                line["nnz"] = (system / "values.bin").stat().st_size // 8
                if task != "copy":
                    line["residual"] = true_residual(system, answer, task == "spmv")
                    if line["residual"] is not None and not line["residual"] <= 1.01 * RTOL:
                        line["fault"] = f"true residual {line['residual']:.1e}"
            results.append(line)
            time_of = f"{line['solve_s']:9.4f} s {line['iterations']:6} it" if "solve_s" in line else ""
            print(f"   {task:8} {spec:24} {program:8} {kind:6} {time_of} {line.get('fault', '')}", flush=True)
    return results


def bench(run: Runner, spec: str, operations: str, repeat: int, limit: float) -> tuple[list[dict], str]:
    """krylane bench on one matrix, beside the device's own triad and copy."""
    file = run.scratch / "bench.json"
    file.unlink(missing_ok=True)
    words = ["bench", "--backend", run.arguments.adapter, "--problems", spec, "--operations", operations]
    _, fault = run.call([run.arguments.krylane, *words, "--repeat", str(repeat), "--json", str(file)], limit)
    if fault:
        return [], f"{spec}: {fault}"
    return [row | {"call": spec} for row in json.loads(file.read_text())["rows"]], ""


def several(run: Runner, calls: list[tuple[str, str, int, float]]) -> list[dict]:
    """Each matrix is a process of its own: one that fails leaves the others their rows."""
    rows, faults = [], []
    for call in calls:
        begin = time.monotonic()
        found, fault = bench(run, *call)
        print(f"   {call[0]:28} {time.monotonic() - begin:5.1f} s {fault}", flush=True)
        rows += found
        faults += [fault] if fault else []
    # Beside the rows that there are.
    run.notes += faults
    return rows


def forms(run: Runner) -> list[dict]:
    return several(run, [(small if run.arguments.small else large, "copy,spmv", 5, 20) for large, small in FORMS])


def room(run: Runner, result: dict, k: int) -> bool:
    """Whether host and device have memory for k^3 rows."""
    need = ROW_BYTES * k**3
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
    told = result["machine"].get("nvidia", "").split(",")[-1].split()
    card = float(told[0]) * 2**20 if told and told[0].replace(".", "").isdigit() else 8 << 30
    return need < 0.8 * host and need < 0.8 * card


def sizes(run: Runner, result: dict, chosen: list[int]) -> list[dict]:
    most = 25 if run.arguments.small else 1000
    calls = []
    for k in chosen:
        if k > most:
            continue
        if not room(run, result, k):
            run.notes.append(f"poisson3d:{k}: not enough memory")
            continue
        large = k > 100
        calls.append((f"poisson3d:{k}", "copy,spmv,cg" if large else "copy,spmv,cg,gmres(30)", 2 if large else 3, 100))
    return several(run, calls)


def multigrid(run: Runner) -> list[dict]:
    """Set-up and solve, stage by stage, beside plain CG."""
    results = []
    for spec in ["poisson3d:14", "poisson2d:40"] if run.arguments.small else ["poisson3d:100", "poisson2d:1000", "poisson3d:200"]:
        for preconditioner in ("amg", "none"):
            words = ["solve", "--gen", spec, "--rhs", "random:3", "-b", run.arguments.adapter, "-m", "cg"]
            try:
                report = run.krylane(*words, "-p", preconditioner, "--quiet", "--json", "-", limit=40)
                results.append({
                    "system": spec, "preconditioner": preconditioner, "rows": int(spec.split(":")[1]) ** int(spec[7]),
                    "iterations": report["iterations"], "reason": report["reason"],
                    "of_m_s": sum(rung["setup_s"] for rung in report["rungs"]), **report["timings"],
                })
            except (RuntimeError, ValueError, KeyError) as error:
                run.notes.append(f"cg/{preconditioner} on {spec}: {error}")
    return results


def kernels(run: Runner) -> list[dict]:
    """What each kernel takes by the device's clock, in some sixty iterations."""
    results = []
    for large, small, method, preconditioner in TIMED:
        spec = small if run.arguments.small else large
        words = ["solve", "--gen", spec, "--rhs", "random:3", "-b", run.arguments.adapter, "-m", method, "--precision", "f64"]
        words += ["-p", preconditioner, "--max-iterations", "60", "--kernel-times", "--quiet", "--json", "-"]
        name = f"{method}/{preconditioner} on {spec}"
        try:
            results.append({"run": name, "kernel_times": run.krylane(*words, limit=30)["kernel_times"]})
        except (RuntimeError, ValueError, KeyError) as error:
            run.notes.append(f"kernels of {name}: {type(error).__name__} {error}")
    return results


def grid(small: bool) -> list[tuple[str, str, int]]:
    """Task, system, rounds; the most telling first, what time is left for last."""
    if small:
        return [("cg", "poisson2d:32", 1), ("cg", "poisson3d:12", 1), ("gmres30", "convection_diffusion2d:30", 1)]
    return [
        ("copy", "poisson3d:100", 1),
        ("cg", "poisson3d:100", 2),
        ("cg", "poisson2d:1000", 1),
        ("cg", "poisson2d:32", 2),
        ("cg", "poisson2d:100", 2),
        ("cg", "poisson2d:316", 1),
        ("spmv", "poisson3d:100", 1),
        ("spmv", "poisson2d:1000", 1),
        ("gmres30", "convection_diffusion3d:80", 1),
        ("cg", "poisson3d:200", 1),
        ("cg", "poisson2d:2000", 1),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--krylane", required=True)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--adapter", default="gpu")
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    keys = ("checks", "forms", "sizes", "solves", "kernels", "runs", "steps")
    result: dict = {"machine": {}, "info": None, "seconds": 0.0, **{key: [] for key in keys}}
    with tempfile.TemporaryDirectory() as scratch:
        run = Runner(arguments, Path(scratch))

        def keep(key: str, name: str, share: float, work) -> None:
            """After every step what there is lies on the disk."""
            found = run.step(name, share, work)
            result[key] = result[key] + (found or []) if isinstance(result[key], list) else found or result[key]
            run.steps += [{"name": name, "seconds": 0.0, "fault": note} for note in run.notes]
            run.notes.clear()
            result["steps"], result["seconds"] = run.steps, round(time.monotonic() - run.start, 1)
            (arguments.out / "gpu.json").write_text(json.dumps(result, indent=1) + "\n")
            (arguments.out / "gpu.md").write_text(table(result))

        keep("machine", "machine", 60, lambda: machine(run))
        keep("info", "krylane info", 20, lambda: run.krylane("info", "--json", limit=20))
        keep("checks", "checks", 60, lambda: checks(run))
        keep("forms", "products by form", 60, lambda: forms(run))
        keep("sizes", "iterations by size", 50, lambda: sizes(run, result, SIZES[:4]))
        keep("kernels", "kernels", 30, lambda: kernels(run))
        keep("solves", "multigrid", 40, lambda: multigrid(run))
        versions = result["machine"].get("versions", {})
        for k, (task, spec, rounds) in enumerate(grid(arguments.small)):
            if k == 3:
                keep("sizes", "ten million rows", 40, lambda: sizes(run, result, SIZES[4:5]))
            keep("runs", f"{task} {spec}", 40, lambda: cell(run, task, spec, versions, rounds, 30))
        keep("sizes", "a hundred million rows", BUDGET_S, lambda: sizes(run, result, SIZES[5:]))
    print(f"\n{table(result)}")


if __name__ == "__main__":
    main()
