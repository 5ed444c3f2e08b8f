#!/usr/bin/env python3
"""Raw runs (lines of JSON) to a table of ratios: table.py RUNS.jsonl"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

BUSY = 0.3
"""Cores taken by other processes from which on a time is marked."""

TITLES = {
    "spmv": "y = A x",
    "cg/none": "CG",
    "cg/jacobi": "CG with Jacobi",
    "cg/ic": "CG with incomplete factors",
    "cg/amg": "CG with algebraic multigrid",
    "cg/growth": "Multigrid as grids grow, and across jumps",
    "gmres30/none": "GMRES(30)",
    "bicgstab/none": "BiCGSTAB",
    "eigs/smallest": "The 10 smallest eigenvalues",
    "eigs/largest": "The 10 largest eigenvalues",
}


def total(runs: list[dict], task: str) -> float:
    """Median time to the answer; of a product, without the matrix's set-up."""
    return median(r["solve_s"] + (0 if task == "spmv" else r["setup_s"]) for r in runs)


def cell(runs: list[dict], task: str, base: float | None) -> str:
    solve, setup, its = (median(r[key] for r in runs) for key in ("solve_s", "setup_s", "iterations"))
    if task == "spmv":
        bytes_moved = 12 * runs[0]["nnz"] + 4 * (runs[0]["n"] + 1) + 16 * runs[0]["n"]
        what = f"{1e3 * solve:.3g} ms, {bytes_moved / solve / 1e9:.1f} GB/s"
    else:
        what = f"{setup:.2f} + {solve:.2f} s" + (f", {its:.0f} it" if its else "")
    ratio = f"**{total(runs, task) / base:.2f}** " if base else ""
    mark = "~" if median(r["other_cpu"] for r in runs) > BUSY else ""
    return f"{ratio}({what}){mark} [{len(runs)}]"


def section(task: str, runs: list[dict]) -> list[str]:
    good: dict[tuple[str, str, int], dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for r in runs:
        if "failed" not in r:
            good[r["peer"], r["preconditioner"], r["threads"]][r["system"]].append(r)
    if not good:
        return []
    names = list(dict.fromkeys(r["system"] for r in runs))
    ours = next((cells for (peer, _, _), cells in good.items() if peer == "krylane"), {})
    base = {s: total(ours[s], task) for s in names if s in ours}
    lines = [f"## {TITLES.get(task, task)}", ""]
    lines += [f"| | threads | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    fastest: dict[str, float] = {}
    for (peer, preconditioner, threads), cells in good.items():
        for s in cells:
            if not peer.startswith("krylane"):
                fastest[s] = min(fastest.get(s, float("inf")), total(cells[s], task))
        label = peer if preconditioner in ("none", "jacobi", "auto") else f"{peer} {preconditioner}"
        row = [cell(cells[s], task, base.get(s)) if s in cells else "" for s in names]
        lines.append(f"| {label} | {threads} | {' | '.join(row)} |")
    least = [f"**{fastest[s] / base[s]:.2f}**" if s in fastest and s in base else "" for s in names]
    lines.append(f"| fastest peer / krylane | | {' | '.join(least)} |")
    residuals = [r["residual"] for r in runs if "failed" not in r]
    kind = "relative errors" if task == "spmv" else "true relative residuals"
    return [*lines, "", f"{kind.capitalize()} between {min(residuals):.1e} and {max(residuals):.1e}.", ""]


def of(file: Path) -> str:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    machine, runs = lines[0], [line for line in lines[1:] if "task" in line]
    versions = sorted({f"{r['peer'].split('-')[0]} {r['version']}" for r in runs if "version" in r})
    text = [
        "# krylane beside its peers",
        "",
        f"{machine['date']}, commit {machine['commit']}. {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory']}, {machine['system']}; {'; '.join(filter(None, machine['compilers']))}.",
        f"Versions: {', '.join(versions)}.",
        "",
        "In bold: time to the answer (set-up + solve, without reading) over krylane's; more than 1 is slower than "
        "krylane. In brackets: set-up + solve, iterations; then the number of runs of which these are medians. "
        f"GB/s count plain CSR whatever is stored. ~: other processes took more than {BUSY} of a core meanwhile.",
        "",
    ]
    if machine.get("small"):
        text += ["**Small systems: a check that everything works; the times mean nothing.**", ""]
    absent = [line["peer"] for line in lines[1:] if line.get("absent")]
    if absent:
        text += [f"Left out, because not installed: {', '.join(absent)}.", ""]
    for task in dict.fromkeys(r["task"] for r in runs):
        text += section(task, [r for r in runs if r["task"] == task])
    failures = dict.fromkeys(
        f"- {r['system']} {r['task']}, {r['peer']} {r['preconditioner']}: {r['failed']}" for r in runs if "failed" in r
    )
    if failures:
        text += ["## Without an answer", "", *failures, ""]
    return "\n".join(text)


if __name__ == "__main__":
    print(of(Path(sys.argv[1])))
