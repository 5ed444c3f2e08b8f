"""The table of gpu.py: what was found, as Markdown. Every section stands by itself; one that can't be made says so."""


def median(values: list[float]) -> float:
    values = sorted(values)
    return values[len(values) // 2]


def grid(head: list[str], rows: list[list]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]


def machine(result: dict) -> list[str]:
    here = result["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in here.get("versions", {}).items())
    lines = [f"{here.get('date')}, commit {here.get('commit')}. {here.get('nvidia') or 'no NVIDIA card'}; "
             f"{here.get('system')}; {versions or 'no CuPy, no PyTorch'}.", ""]
    devices = sorted({r["device"] for r in result["forms"] + result["sizes"]})
    lines += [f"Device: {', '.join(devices) or 'none answered'}.", ""]
    return lines + [f"{name}: {why}" for name, why in here.get("missing", {}).items()] + [""]


def checks(result: dict) -> list[str]:
    found = result["checks"]
    lines = [f"Checks: {sum(c['passed'] for c in found)} of {len(found)} passed."]
    return [*lines, *(f"- {c['check']}: {c['reason']}" for c in found if not c["passed"]), ""]


def copy_rate(rows: list[dict], row: dict) -> float | None:
    """The device's copy bandwidth in this type, of the same call."""
    of = [r["gb_per_s"] for r in rows if r["operation"] == "copy" and r["call"] == row["call"]
          and r["precision"] == row["precision"]]
    return of[0] if of else None


def of_copy(rows: list[dict], row: dict) -> str:
    rate = copy_rate(rows, row)
    return f"{100 * row['gb_per_s'] / rate:.0f} %" if rate else ""


def forms(result: dict) -> list[str]:
    rows = [r for r in result["forms"] if r["operation"] == "spmv"]
    cells = [[r["problem"], r["n"], r["nnz"], r["precision"], f"{r['milliseconds']:.4f}", f"{r['gb_per_s']:.3g}",
              of_copy(result["forms"], r), r["form"].split(", because")[0]] for r in rows]
    head = ["matrix", "rows", "entries", "type", "ms", "GB/s", "of copy", "stored as"]
    return ["## y = A x by form", "", *grid(head, cells)] if cells else []


def sizes(result: dict) -> list[str]:
    rows = [r for r in result["sizes"] if r["operation"] not in ("triad", "copy", "dot", "axpy")]
    cells = [[r["problem"], f"{r['n']:.1e}", r["operation"], r["precision"], f"{r['milliseconds']:.4f}",
              f"{r['gb_per_s']:.3g}", of_copy(result["sizes"], r)] for r in rows]
    head = ["matrix", "rows", "operation", "type", "ms an iteration", "GB/s", "of copy"]
    return ["## An iteration by size", "", *grid(head, cells)] if cells else []


def solves(result: dict) -> list[str]:
    cells = [[r["system"], r["preconditioner"], r["rows"], r["iterations"], *(f"{r[k]:.3f}" for k in
              ("of_m_s", "setup_s", "upload_s", "solve_s", "certify_s")), f"{1e3 * r['solve_s'] / max(r['iterations'], 1):.3f}",
              r["reason"]] for r in result["solves"]]
    head = ["system", "M", "rows", "iterations", "s for M", "all set-up", "upload", "solve", "certificates",
            "ms an iteration", "end"]
    return ["## CG with and without multigrid", "", *grid(head, cells)] if cells else []


def kernels(result: dict) -> list[str]:
    cells = []
    for r in result["kernels"]:
        total = sum(k["milliseconds"] for k in r["kernel_times"]) or 1.0
        cells += [[r["run"], k["kernel"], k["runs"], f"{1e3 * k['milliseconds'] / k['runs']:.1f}",
                   f"{100 * k['milliseconds'] / total:.0f} %"] for k in r["kernel_times"][:5]]
    head = ["solve", "kernel", "runs", "µs a run", "of all kernels"]
    return ["## The five kernels that take longest", "", *grid(head, cells)] if cells else []


def peers(result: dict) -> list[str]:
    text = []
    for task in ("cg", "gmres30", "spmv", "copy"):
        runs: dict[tuple[str, str, str], list[dict]] = {}
        for r in result["runs"]:
            if r["task"] == task and "fault" not in r:
                runs.setdefault((r["system"], r["program"], r["kind"]), []).append(r)
        cells = []
        for (system, program, kind), rows in runs.items():
            t, its = median([r["solve_s"] for r in rows]), max(rows[0]["iterations"], 1)
            base = runs.get((system, "krylane", "f64"))
            last = f"{t / median([r['solve_s'] for r in base]):.2f}" if base else ""
            if task in ("spmv", "copy"):
                r = rows[0]
                last = f"{r.get('bytes', 12 * r['nnz'] + 4 * (r['n'] + 1) + 16 * r['n']) / t / 1e9:.0f}"
            cells.append([system, program, kind, f"{1e3 * t:.3f}", its, f"{1e6 * t / its:.1f}", last])
        last = "GB/s" if task in ("spmv", "copy") else "over krylane f64"
        if cells:
            head = ["system", "program", "type", "ms", "iterations", "µs an iteration", last]
            text += [f"## {task} beside others", "", *grid(head, cells)]
    return text


def faults(result: dict) -> list[str]:
    lines = [f"- {s['name']}: {s['fault']}" for s in result["steps"] if s["fault"]]
    lines += [f"- {r['task']} {r['system']}, {r['program']} {r['kind']}: {r['fault']}" for r in result["runs"]
              if "fault" in r]
    return ["## What did not work", "", *(lines or ["Nothing."]), "", f"{result['seconds']} s.", ""]


def table(result: dict) -> str:
    text = ["# krylane on a GPU", ""]
    for section in (machine, checks, forms, sizes, solves, kernels, peers, faults):
        try:
            text += section(result)
        except Exception as error:  # The others are worth having all the same.
            text += [f"({section.__name__}: {type(error).__name__}: {error})", ""]
    return "\n".join(text)
