#!/usr/bin/env python3
"""krylane on a GPU: what it finds, whether its answers are right, how fast it is beside CuPy and PyTorch.

Called by gpu.sh. Needs nothing but the standard library; CuPy, PyTorch and NumPy are used where they are found. Every
step has its own limit of time, the whole has one, and what fails is recorded and passed over. Writes gpu.json and
gpu.md."""

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

HERE = Path(__file__).resolve().parent
BUDGET_S = 450.0
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
PRECISIONS = [["f64"], ["f32"], ["mixed"], ["auto", "--withhold", "f64"], ["auto", "--withhold", "f64,double-single"]]


@dataclass
class Runner:
    arguments: argparse.Namespace
    scratch: Path
    start: float = field(default_factory=time.monotonic)
    steps: list[dict] = field(default_factory=list)

    def left(self) -> float:
        return BUDGET_S - (time.monotonic() - self.start)

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

    def step(self, name: str, work) -> object:
        begin = time.monotonic()
        print(f"== {name}", flush=True)
        try:
            result, fault = work(), ""
        except Exception as error:  # A step that fails must not stop the others.
            result, fault = None, f"{type(error).__name__}: {error}"[:300]
            print(f"   failed: {fault}", flush=True)
        self.steps.append({"name": name, "seconds": round(time.monotonic() - begin, 1), "fault": fault})
        return result

    def krylane(self, *words: str, limit: float) -> dict:
        out, fault = self.call([self.arguments.krylane, *words], limit)
        if not out.strip():
            raise RuntimeError(fault or "no output")
        return json.loads(out)


def machine(run: Runner) -> dict:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    versions = {}
    for name in ("numpy", "cupy", "torch"):
        if importlib.util.find_spec(name):
            out, fault = run.call([sys.executable, "-c", f"import {name}; print({name}.__version__)"], 60)
            versions[name] = fault or out.strip()
    out, _ = run.call(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], 5)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "nvidia": run.call(query, 20)[0].strip(),
        "commit": out.strip(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
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


def bandwidth(run: Runner) -> list[dict]:
    """krylane bench: products, sweeps and whole iterations against this device's own triad."""
    file = run.scratch / "bench.json"
    small = ["--problems", "poisson2d:100,poisson3d:20", "--repeat", "3"] if run.arguments.small else []
    backend = run.arguments.adapter
    _, fault = run.call([run.arguments.krylane, "bench", "--backend", backend, *small, "--json", str(file)], 100)
    if fault:
        raise RuntimeError(fault)
    return json.loads(file.read_text())["rows"]


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


def median(values: list[float]) -> float:
    values = sorted(values)
    return values[len(values) // 2]


def table(result: dict) -> str:
    here = result["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in here.get("versions", {}).items())
    text = ["# krylane on a GPU", "", f"{here.get('date')}, commit {here.get('commit')}. "
            f"{here.get('nvidia') or 'no NVIDIA card'}; {here.get('system')}; {versions or 'no CuPy, no PyTorch'}.", ""]
    notes = [r["note"] for r in result["runs"] if "note" in r]
    text += [f"Device: {notes[0].split('; ')[-1] if notes else 'none answered'}.", ""]
    passed = [c for c in result["checks"] if c["passed"]]
    text += [f"Checks: {len(passed)} of {len(result['checks'] or [])} passed."]
    text += [f"- {c['check']}: {c['reason']}" for c in result["checks"] if not c["passed"]] + [""]
    for task in ("cg", "gmres30", "spmv", "copy"):
        runs = [r for r in result["runs"] if r["task"] == task]
        if not runs:
            continue
        last = "GB/s" if task in ("spmv", "copy") else "over krylane f64"
        text += [f"## {task}", "", f"| system | program | type | ms | iterations | µs an iteration | {last} |"]
        text += ["|---" * 7 + "|"]
        seconds: dict[tuple[str, str, str], list[dict]] = {}
        for r in runs:
            if "fault" not in r:
                seconds.setdefault((r["system"], r["program"], r["kind"]), []).append(r)
        for (system, program, kind), rows in seconds.items():
            t, its = median([r["solve_s"] for r in rows]), max(rows[0]["iterations"], 1)
            base = seconds.get((system, "krylane", "f64"))
            ratio = f"{t / median([r['solve_s'] for r in base]):.2f}" if base else ""
            if task in ("spmv", "copy"):
                r = rows[0]
                ratio = f"{r.get('bytes', 12 * r['nnz'] + 4 * (r['n'] + 1) + 16 * r['n']) / t / 1e9:.0f}"
            text.append(f"| {system} | {program} | {kind} | {1e3 * t:.3f} | {its} | {1e6 * t / its:.1f} | {ratio} |")
        text += [""]
    if result["bench"]:
        text += ["## krylane bench", "", "| type | problem | operation | ms | GB/s | of triad |", "|---" * 6 + "|"]
        for r in result["bench"]:
            text.append(f"| {r['precision']} | {r['problem']} | {r['operation']} | {r['milliseconds']:.4f} "
                        f"| {r['gb_per_s']:.1f} | {100 * r['fraction']:.0f}% |")
        text += [""]
    faults = [f"- {s['name']}: {s['fault']}" for s in result["steps"] if s["fault"]]
    failed = [r for r in result["runs"] if "fault" in r]
    faults += [f"- {r['task']} {r['system']}, {r['program']} {r['kind']}: {r['fault']}" for r in failed]
    text += ["## What failed", "", *(faults or ["Nothing."]), "", f"Took {result['seconds']:.0f} s.", ""]
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--krylane", required=True)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--adapter", default="gpu")
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    result: dict = {"machine": {}, "info": None, "checks": [], "runs": [], "bench": [], "steps": [], "seconds": 0.0}
    with tempfile.TemporaryDirectory() as scratch:
        run = Runner(arguments, Path(scratch))

        def keep(key: str, name: str, work) -> None:
            """After every step what there is lies on the disk."""
            found = run.step(name, work)
            result[key] = result[key] + (found or []) if key == "runs" else found or result[key]
            result["steps"], result["seconds"] = run.steps, round(time.monotonic() - run.start, 1)
            (arguments.out / "gpu.json").write_text(json.dumps(result, indent=1) + "\n")
            (arguments.out / "gpu.md").write_text(table(result))

        keep("machine", "machine", lambda: machine(run))
        keep("info", "krylane info", lambda: run.krylane("info", "--json", limit=30))
        keep("checks", "checks", lambda: checks(run))
        versions = result["machine"].get("versions", {})
        cells = grid(arguments.small)
        for k, (task, spec, rounds) in enumerate(cells):
            if k == len(cells) // 2:
                keep("bench", "krylane bench", lambda: bandwidth(run))
            keep("runs", f"{task} {spec}", lambda: cell(run, task, spec, versions, rounds, 40))
    print(f"\n{table(result)}")


if __name__ == "__main__":
    main()
