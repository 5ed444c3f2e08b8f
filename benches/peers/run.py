#!/usr/bin/env python3
"""Runs krylane and its peers in turn on the same systems to the same true residual, and prints ratios of times.

Each run is a process of its own that writes its answer to a file; the residual of every answer is recomputed here, in
f64, by the same few lines. Raw runs are lines of JSON, a table stands beside them."""

import argparse
import datetime
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import systems
import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "target" / "peers"

RTOL = 1e-8
"""What every true residual must meet; one within a hundredth above does."""
ITERATIONS = 20_000
"""Bound on the iterations of a solve."""


@dataclass(frozen=True)
class Task:
    systems: list[str]
    quick: list[str]
    """Systems of a --quick run."""
    entries: dict[str, list[str]]
    """Who takes part, with which preconditioners."""


EVERYONE = ["krylane", "krylane-f64", "petsc", "eigen", "viennacl", "faer", "scipy"]


def all_with(name: str, without: str = "") -> dict[str, list[str]]:
    return {peer: [name] for peer in EVERYONE if peer != without}


MULTIGRID = {
    "krylane": ["amg"],
    "petsc": ["gamg", "boomeramg", "boomeramg-tuned"],
    "amgcl": ["sa-spai0", "sa-ilu0"],
    "pyamg": ["sa"],
}

TASKS = {
    "spmv": Task(["P2", "P3", "P27", "UN", "CD3", "EL"], ["P3", "UN"], all_with("none", "krylane-f64")),
    "cg/none": Task(["P2", "P3", "P27", "UN"], ["P3", "P27"], all_with("none")),
    "cg/jacobi": Task(["UN", "EL"], ["EL"], all_with("jacobi")),
    "cg/ic": Task(
        ["P3", "UN", "EL"],
        ["EL"],
        {"krylane": ["ic0"], "krylane-f64": ["ic0"], "petsc": ["icc"], "eigen": ["ic"], "viennacl": ["ilu0"]},
    ),
    "cg/amg": Task(["P2", "P3", "P27", "UN", "AN", "EL"], ["P3", "EL"], MULTIGRID | {"krylane-f64": ["amg"]}),
    "cg/growth": Task(["P2-256", "P2-1024", "P3-64", "P3-128", "JU"], [], MULTIGRID),
    "gmres30/none": Task(["CD3"], ["CD3"], all_with("none", "faer")),
    "bicgstab/none": Task(["CD3"], ["CD3"], all_with("none")),
    "eigs/smallest": Task(
        ["P2S"],
        ["P2S"],
        {"krylane": ["auto", "lobpcg", "invert"], "scipy": ["none", "invert"], "slepc": ["none", "invert"]},
    ),
    "eigs/largest": Task(["P2S"], ["P2S"], {"krylane": ["auto"], "scipy": ["none"], "slepc": ["none"]}),
}

SERIAL = {"scipy", "pyamg"}
"""Peers whose kernels run on one thread whatever they are told."""


def petsc_options(preconditioner: str, system: str) -> str:
    """What hypre's documentation advises: HMIS, extended+i interpolation cut to four, a level of aggressive
    coarsening (not across strong anisotropy or jumps), a higher strength threshold in three dimensions."""
    if preconditioner != "boomeramg-tuned":
        return ""
    options = {
        "coarsen_type": "HMIS",
        "interp_type": "ext+i",
        "P_max": "4",
        "agg_nl": "0" if system in ("AN", "JU") else "1",
        "strong_threshold": "0.5" if system in ("P3", "P3-64", "P3-128", "P27", "UN") else "0.25",
    }
    return " ".join(f"-pc_hypre_boomeramg_{key} {value}" for key, value in options.items())


@dataclass(frozen=True)
class Entrant:
    """One program with one preconditioner on one cell of the table."""

    task: str
    system: str
    peer: str
    preconditioner: str

    def program(self) -> list[str]:
        if self.peer.startswith("krylane"):
            return [str(ROOT / "target" / "release" / "examples" / "peers")]
        if self.peer in ("scipy", "pyamg"):
            return [sys.executable, str(HERE / "scipy_pyamg.py"), self.peer]
        return [str(BUILD / "bin" / self.peer)]

    def missing(self) -> bool:
        if self.peer == "pyamg":
            return subprocess.run([sys.executable, "-c", "import pyamg"], capture_output=True).returncode != 0
        return not Path(self.program()[0]).exists()

    def threads(self, most: int) -> int:
        # SLEPc's factors need another package on more than one rank.
        return 1 if self.peer in SERIAL or (self.peer, self.preconditioner) == ("slepc", "invert") else most

    def command(self, folder: Path, threads: int, rtol: float, answer: Path) -> list[str]:
        kind, name = self.task.split("/") if "/" in self.task else (self.task, "")
        words = [str(folder), name if kind == "eigs" else kind, self.preconditioner]
        words += [str(threads), repr(rtol), str(ITERATIONS), str(answer)]
        if self.peer.startswith("krylane"):
            words += ["cpu", self.peer.partition("-")[2] or "auto"]
        # Ranks share memory; process-to-process copies are often forbidden in containers.
        shared = ["--mca", "btl", "self,vader", "--mca", "btl_vader_single_copy_mechanism", "none"]
        mpi = ["mpirun", "--oversubscribe", "--bind-to", "none", *shared, "-n", str(threads)]
        return (mpi if self.peer in ("petsc", "slepc") else []) + self.program() + words

    def environment(self, threads: int) -> dict[str, str]:
        ranks = self.peer in ("petsc", "slepc")
        return os.environ | {
            "OMP_NUM_THREADS": "1" if ranks else str(threads),
            "OPENBLAS_NUM_THREADS": "1",
            "RAYON_NUM_THREADS": str(threads),
            "PETSC_OPTIONS": petsc_options(self.preconditioner, self.system),
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        }


def busy_seconds() -> float:
    """Of all cores together, since the machine started; 0 where that isn't told."""
    try:
        ticks = [int(word) for word in Path("/proc/stat").read_text().split()[1:9]]
    except OSError:
        return 0.0
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))


def poisson_eigenvalues(side: int, largest: bool) -> np.ndarray:
    line = 2 - 2 * np.cos(np.pi * np.arange(1, side + 1) / (side + 1))
    values = np.sort((line[:, None] + line[None, :]).ravel())
    return values[-10:] if largest else values[:10]


def true_residual(task: str, a: sp.csr_array, b: np.ndarray, answer: np.ndarray) -> float:
    """Of an answer of any program, in f64, relative; infinite where the answer isn't one, or has other eigenvalues
    than the ten asked for."""
    if not np.isfinite(answer).all():
        return float("inf")
    if task == "spmv":
        truth = a @ b
        return float(np.linalg.norm(answer - truth) / np.linalg.norm(truth))
    if task.startswith("eigs"):
        if len(answer) != 10 + 10 * a.shape[0]:
            return float("inf")
        values, vectors = answer[:10], answer[10:].reshape(10, -1).T
        exact = poisson_eigenvalues(round(a.shape[0] ** 0.5), task.endswith("largest"))
        if not np.allclose(np.sort(values), exact, rtol=1e-7, atol=0):
            return float("inf")
        size = abs(values) * np.linalg.norm(vectors, axis=0)
        return float((np.linalg.norm(a @ vectors - vectors * values, axis=0) / size).max())
    return float(np.linalg.norm(b - a @ answer) / np.linalg.norm(b))


@dataclass
class Bench:
    data: Path
    threads: int
    limit_s: float
    out: Path
    small: bool
    tolerance: dict[Entrant, float] = field(default_factory=dict)
    """What an entrant must be asked for so that its true residual meets RTOL."""
    wall: dict[Entrant, float] = field(default_factory=dict)
    seconds: dict[Entrant, float] = field(default_factory=dict)
    failed: set[Entrant] = field(default_factory=set)
    loaded: tuple[str, sp.csr_array, np.ndarray] | None = None

    def system(self, name: str) -> tuple[sp.csr_array, np.ndarray]:
        if self.loaded is None or self.loaded[0] != name:
            self.loaded = (name, *systems.read(self.data / name)[:2])
        return self.loaded[1:]

    def record(self, line: dict) -> None:
        with self.out.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def once(self, entrant: Entrant, rtol: float) -> dict:
        """One process: what it printed, and the true residual of what it wrote; or why it failed."""
        a, b = self.system(entrant.system)
        # Benches side by side must not read each other's answers.
        answer = BUILD / f"answer-{os.getpid()}.bin"
        answer.unlink(missing_ok=True)
        threads = entrant.threads(self.threads)
        start, busy, own = time.monotonic(), busy_seconds(), own_seconds()
        process = subprocess.Popen(
            entrant.command(self.data / entrant.system, threads, rtol, answer),
            env=entrant.environment(threads),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=self.limit_s)
        except BaseException as reason:
            # mpirun ends its ranks when it is asked; what does not listen is ended with its group.
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if isinstance(reason, subprocess.TimeoutExpired):
                return {"failed": f"over {self.limit_s:.0f} s", "threads": threads}
            raise
        wall = time.monotonic() - start
        other = (busy_seconds() - busy - (own_seconds() - own)) / wall
        line = {"threads": threads, "wall_s": round(wall, 3), "other_cpu": round(max(other, 0.0), 2), "rtol": rtol}
        printed = [text for text in out.splitlines() if text.startswith("{")]
        if process.returncode != 0 or not printed or not answer.exists():
            words = (err or out).strip().splitlines() or [f"exit code {process.returncode}"]
            return line | {"failed": words[0].replace(str(ROOT), ".")[:200]}
        residual = true_residual(entrant.task, a, b, np.fromfile(answer, "<f8"))
        answer.unlink()
        return line | json.loads(printed[-1]) | {"n": a.shape[0], "nnz": a.nnz, "residual": residual}

    def run(self, entrant: Entrant, turn: int) -> None:
        """A round's run. An answer that misses the residual is asked for again, more strictly; the first strictness
        that meets it is what later rounds ask for."""
        goal = 1e-12 if entrant.task == "spmv" else 1.01 * RTOL
        rtol = self.tolerance.get(entrant, RTOL)
        line: dict = {}
        for _ in range(4):
            line = self.once(entrant, rtol)
            residual = line.get("residual", 0.0)
            if "failed" in line or residual <= goal:
                break
            hopeless = not entrant.task.startswith("eigs") and residual > 1e-3
            if entrant.task == "spmv" or line["iterations"] >= ITERATIONS or hopeless:
                break
            rtol *= min(0.5, 0.8 * RTOL / residual) if residual < np.inf else 0.01
        if line.get("residual", 0.0) > goal:
            line["failed"] = f"true residual {line['residual']:.1e}"
            # JSON has no infinity.
            line["residual"] = min(line["residual"], 1e300)
        self.tolerance[entrant] = rtol
        self.wall[entrant] = line.get("wall_s", self.limit_s)
        self.seconds[entrant] = line.get("setup_s", 0.0) + line.get("solve_s", self.limit_s)
        head = vars(entrant) | {"round": turn, "load": round(os.getloadavg()[0], 2)}
        self.record(head | line)
        if "failed" in line:
            self.failed.add(entrant)
            tail = line["failed"]
        else:
            tail = f"{line['setup_s']:9.4f} + {line['solve_s']:9.4f} s {line['iterations']:6} it {residual:.1e}"
        print(f"{entrant.system:4} {entrant.task:14} {entrant.peer:14} {entrant.preconditioner:16} {tail}", flush=True)

    def later(self, cell: list[Entrant]) -> list[Entrant]:
        """Who of a cell runs again: krylane, the fastest peer, and whoever takes ten seconds at most."""
        alive = [e for e in cell if e not in self.failed and e in self.wall]
        peers = [e for e in alive if not e.peer.startswith("krylane")]
        fastest = min(peers, key=lambda e: self.seconds[e], default=None)
        return [e for e in alive if e.peer.startswith("krylane") or e == fastest or self.wall[e] <= 10]


def cells(arguments: argparse.Namespace) -> Iterator[list[Entrant]]:
    only = set(filter(None, arguments.only.split(",")))
    for name, task in TASKS.items():
        if arguments.tasks and name not in arguments.tasks.split(","):
            continue
        for system in task.quick if arguments.quick else task.systems:
            if arguments.systems and system not in arguments.systems.split(","):
                continue
            cell = [Entrant(name, system, peer, m) for peer, list_of in task.entries.items() for m in list_of]
            yield [e for e in cell if not only or e.peer in only or e.peer.split("-")[0] in only]


def said(*command: str) -> str:
    """The first line that a command prints."""
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip().split("\n")[0]
    except OSError:
        return ""


def found(file: str, key: str) -> str:
    """What stands behind `key` and its colon or equals sign in a file of the system."""
    try:
        lines = [re.match(rf"{key}\s*[:=]\s*\"?([^\"]*)", line) for line in Path(file).read_text().splitlines()]
    except OSError:
        return ""
    return next((match[1].strip() for match in lines if match), "")


def machine(threads: int) -> dict:
    dirty = "-dirty" if said("git", "status", "--porcelain", "--untracked-files=no") else ""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": said("git", "rev-parse", "--short", "HEAD") + dirty,
        "cpu": found("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "memory": found("/proc/meminfo", "MemTotal"),
        "system": found("/etc/os-release", "PRETTY_NAME") or platform.platform(),
        "compilers": [said("g++", "--version"), said("rustc", "--version")],
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of the most telling cells")
    parser.add_argument("--small", action="store_true", help="small systems, to check that everything works")
    parser.add_argument("--only", default="", metavar="PEER,…", help=", ".join([*EVERYONE, "pyamg", "slepc"]))
    parser.add_argument("--systems", default="", metavar="NAME,…", help=", ".join(systems.SYSTEMS))
    parser.add_argument("--tasks", default="", metavar="TASK,…", help=", ".join(TASKS))
    parser.add_argument("--rounds", type=int, default=3, help="at most (3)")
    parser.add_argument("--minutes", type=float, default=20, help="no round begins that would pass this (20)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of those that have them (all cores)")
    parser.add_argument("--limit", type=float, default=90, metavar="SECONDS", help="of one run (90)")
    parser.add_argument("--out", type=Path, help="where raw runs go; benches/results/DATE-peers.jsonl in a full run")
    return parser.parse_args()


def output(arguments: argparse.Namespace) -> Path:
    """A new file: of a full run under benches/results, else below target."""
    whole = not (arguments.quick or arguments.small or arguments.only or arguments.systems or arguments.tasks)
    folder = ROOT / "benches" / "results" if whole else BUILD / "results"
    if arguments.out:
        return arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    names = (f"{datetime.date.today()}-peers{end}.jsonl" for end in ["", *(f"-{k}" for k in range(2, 1000))])
    return next(folder / name for name in names if not (folder / name).exists())


def main() -> None:
    arguments = parse()
    start = time.monotonic()
    data = BUILD / ("systems-small" if arguments.small else "systems")
    grid = [cell for cell in cells(arguments) if cell]
    if not grid:
        sys.exit("nothing to run: see --help for the names of peers, systems and tasks")
    out = output(arguments)
    bench = Bench(data, arguments.threads, arguments.limit, out, arguments.small)
    here = machine(arguments.threads) | {"small": arguments.small, "quick": arguments.quick}
    bench.record(here)
    entrants = {e.peer: e for cell in grid for e in cell}
    absent = {peer for peer, e in entrants.items() if e.missing()}
    for peer in sorted(absent):
        print(f"left out: {peer} is not installed or its driver did not build (see {BUILD / 'log'})", flush=True)
        bench.record({"peer": peer, "absent": True})
    grid = [[e for e in cell if e.peer not in absent] for cell in grid]
    systems.make(data, sorted({cell[0].system for cell in grid if cell}), arguments.small)

    def within(cost: float) -> bool:
        return time.monotonic() - start + cost <= 60 * arguments.minutes

    for cell in grid:
        for entrant in cell:
            if within(0):
                bench.run(entrant, 1)
            else:
                bench.record(vars(entrant) | {"round": 1, "failed": "no time left"})
    for turn in range(2, 1 if arguments.quick else arguments.rounds + 1):
        # Cheap cells first: most get every round, and only the longest runs, which need it least, may miss one.
        again = sorted(map(bench.later, grid), key=lambda cell: sum(bench.wall[e] for e in cell))
        for cell in again:
            if within(sum(bench.wall[e] for e in cell)):
                for entrant in cell[turn % len(cell) :] + cell[: turn % len(cell)] if cell else []:
                    bench.run(entrant, turn)
    text = table.of(out)
    out.with_suffix(".md").write_text(text)
    print(f"\n{text}\nraw runs: {out}\ntotal: {(time.monotonic() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
