#!/usr/bin/env python3
"""Calls the C interface as a stranger would, through ctypes: right calls, wrong sizes, NULL, nonsense. Standard library only."""
import ctypes as c
import random
import sys

OK, BAD_INPUT, ENVIRONMENT, PANIC = 0, 2, 3, 4
lib = c.CDLL(sys.argv[1])
i64, f64, p = c.c_int64, c.c_double, c.c_void_p
for name, types in {
    "krylane_matrix_from_csr": [i64, i64, p, p, p, c.c_int, p],
    "krylane_matrix_from_file": [c.c_char_p, p],
    "krylane_matrix_from_function": [i64, i64, p, p, p, c.c_int, p],
    "krylane_matrix_shape": [p, p, p],
    "krylane_options_set": [p, c.c_char_p, c.c_char_p],
    "krylane_solver_new": [p, p, p],
    "krylane_solve": [p, p, p, c.c_int, p],
    "krylane_eigs": [p, p, p, p],
    "krylane_pairs_get": [p, i64, p, p, p],
}.items():
    getattr(lib, name).argtypes = types
for name in ["matrix", "options", "solver", "report", "pairs"]:
    free = getattr(lib, f"krylane_{name}_free")
    free.argtypes, free.restype = [p], None
lib.krylane_options_new.restype = p
lib.krylane_last_error.restype = c.c_char_p
for name, kind in {"is_answer": c.c_int, "reason": c.c_char_p, "json": c.c_char_p, "relative_residual": f64, "iterations": i64}.items():
    ask = getattr(lib, f"krylane_report_{name}")
    ask.argtypes, ask.restype = [p], kind
lib.krylane_pairs_count.argtypes, lib.krylane_pairs_count.restype = [p], i64
lib.krylane_pairs_converged.argtypes = [p]


def array(kind, values):
    return (kind * max(len(values), 1))(*values)


def matrix(n, base=0):
    """Tridiagonal (-1, 2, -1)."""
    start, columns, values = [base], [], []
    for i in range(n):
        for j, v in [(i - 1, -1.0), (i, 2.0), (i + 1, -1.0)]:
            if 0 <= j < n:
                columns.append(j + base)
                values.append(v)
        start.append(len(columns) + base)
    return start, columns, values


def make(n, base=0):
    start, columns, values = matrix(n, base)
    out = p()
    code = lib.krylane_matrix_from_csr(n, n, array(i64, start), array(i64, columns), array(f64, values), base, c.byref(out))
    assert code == OK, lib.krylane_last_error()
    return out


# A right call, twice, and from a guess.
for base in (0, 1):
    a, solver = make(50, base), p()
    assert lib.krylane_solver_new(a, None, c.byref(solver)) == OK
    lib.krylane_matrix_free(a)  # the solver lives on
    b, x = array(f64, [1.0] * 50), array(f64, [0.0] * 50)
    for guess in (0, 1):
        report = p()
        assert lib.krylane_solve(solver, b, x, guess, c.byref(report)) == OK
        assert lib.krylane_report_is_answer(report) == 1, lib.krylane_report_reason(report)
        assert abs(x[24] - 25 * 26 / 2) < 1e-4
        assert lib.krylane_report_relative_residual(report) <= 1e-8 and b"history" in lib.krylane_report_json(report)
        lib.krylane_report_free(report)
    b[3] = float("nan")
    assert lib.krylane_solve(solver, b, x, 0, None) == BAD_INPUT and b"b[3]" in lib.krylane_last_error()
    lib.krylane_solver_free(solver)

# NULL everywhere.
for call, arguments in [
    (lib.krylane_matrix_from_csr, [3, 3, None, None, None, 0, c.byref(p())]),
    (lib.krylane_matrix_from_file, [None, c.byref(p())]),
    (lib.krylane_matrix_from_function, [3, 3, None, None, None, 0, c.byref(p())]),
    (lib.krylane_matrix_shape, [None, None, None]),
    (lib.krylane_options_set, [None, b"rtol", b"1"]),
    (lib.krylane_solver_new, [None, None, c.byref(p())]),
    (lib.krylane_solve, [None, None, None, 0, None]),
    (lib.krylane_eigs, [None, None, None, c.byref(p())]),
    (lib.krylane_pairs_get, [None, 0, None, None, None]),
]:
    assert call(*arguments) == BAD_INPUT and b"NULL" in lib.krylane_last_error(), (call, lib.krylane_last_error())
for name in ["matrix", "options", "solver", "report", "pairs"]:
    getattr(lib, f"krylane_{name}_free")(None)
assert lib.krylane_report_is_answer(None) == 0 and lib.krylane_pairs_count(None) == 0
assert lib.krylane_matrix_from_file(b"/nowhere.mtx", c.byref(p())) in (BAD_INPUT, ENVIRONMENT)

# Options: right, unknown, out of range.
options = p(lib.krylane_options_new())
for name, value, code in [
    (b"method", b"gmres", OK), (b"preconditioner", b"jacobi", OK), (b"rtol", b"1e-9", OK), (b"k", b"3", OK),
    (b"metod", b"cg", BAD_INPUT), (b"method", b"cgg", BAD_INPUT), (b"rtol", b"small", BAD_INPUT), (b"k", b"-1", BAD_INPUT),
]:
    assert lib.krylane_options_set(options, name, value) == code, (name, value, lib.krylane_last_error())
lib.krylane_options_free(options)

# Eigenvalues.
a, pairs, options = make(30), p(), p(lib.krylane_options_new())
assert lib.krylane_options_set(options, b"k", b"2") == OK and lib.krylane_options_set(options, b"which", b"SA") == OK
assert lib.krylane_eigs(a, None, options, c.byref(pairs)) == OK, lib.krylane_last_error()
re, vector = f64(), array(f64, [0.0] * 30)
assert lib.krylane_pairs_count(pairs) == 2 and lib.krylane_pairs_converged(pairs) == 1
assert lib.krylane_pairs_get(pairs, 0, c.byref(re), None, vector) == OK
assert abs(re.value - 0.010261) < 1e-5 and abs(sum(v * v for v in vector) - 1.0) < 1e-9
assert lib.krylane_pairs_get(pairs, 2, None, None, None) == BAD_INPUT
for name, thing in [("pairs", pairs), ("options", options), ("matrix", a)]:
    getattr(lib, f"krylane_{name}_free")(thing)

# A function that works, and one that fails.
product = c.CFUNCTYPE(c.c_int, c.POINTER(f64), c.POINTER(f64), p)
calls = []


@product
def twice(x, y, user):
    calls.append(1)
    for i in range(20):
        y[i] = 2.0 * x[i]
    return 0


@product
def refuses(x, y, user):
    return 7


for function, code in [(twice, OK), (refuses, PANIC)]:
    a, solver = p(), p()
    assert lib.krylane_matrix_from_function(20, 20, c.cast(function, p), None, None, 2, c.byref(a)) == OK
    made = lib.krylane_solver_new(a, None, c.byref(solver))
    if made == OK:
        x = array(f64, [0.0] * 20)
        made = lib.krylane_solve(solver, array(f64, [1.0] * 20), x, 0, None)
        assert made != OK or abs(x[5] - 0.5) < 1e-9
    assert made == code, (made, lib.krylane_last_error())
    assert made == OK or b"returned 7" in lib.krylane_last_error(), lib.krylane_last_error()
    lib.krylane_solver_free(solver)
    lib.krylane_matrix_free(a)
assert calls

# Its transpose, for least squares.
a, solver, options = p(), p(), p(lib.krylane_options_new())
assert lib.krylane_options_set(options, b"method", b"lsqr") == OK
assert lib.krylane_matrix_from_function(20, 20, c.cast(twice, p), c.cast(twice, p), None, 0, c.byref(a)) == OK
assert lib.krylane_solver_new(a, options, c.byref(solver)) == OK, lib.krylane_last_error()
x = array(f64, [0.0] * 20)
assert lib.krylane_solve(solver, array(f64, [1.0] * 20), x, 0, None) == OK and abs(x[5] - 0.5) < 1e-9
for name, thing in [("solver", solver), ("options", options), ("matrix", a)]:
    getattr(lib, f"krylane_{name}_free")(thing)

# Nonsense in the arrays: a status, never a crash.
random.seed(1)
seen = {OK: 0, BAD_INPUT: 0}
for _ in range(3000):
    n = random.randint(0, 6)
    start, columns, values = matrix(n)
    room = 64
    start += [0] * 4
    for _ in range(random.randint(0, 2)):
        kind = random.randrange(4)
        if kind == 0:
            start[random.randrange(n + 1)] = random.choice([-1, 0, 3, room, -(2**63), 2**62]) if random.random() < 0.5 else random.randint(-3, 20)
        elif kind == 1 and columns:
            columns[random.randrange(len(columns))] = random.choice([-1, n, 2**32, 2**63 - 1, -(2**63), 0])
        elif kind == 2 and values:
            values[random.randrange(len(values))] = random.choice([float("nan"), float("inf"), 0.0, 1e308, -5.0])
    # row_ptr may name as many entries as the arrays hold, no more: beyond that C has no way to know.
    if max(start[: n + 1]) > room:
        start[start.index(max(start))] = room
    rows, cols, base = random.choice([n, n, n, -1]), random.choice([n, n, n + 1, -5]), random.choice([0, 0, 0, 1, 2, -1])
    out, solver = p(), p()
    pad = room - len(columns)
    code = lib.krylane_matrix_from_csr(
        rows, cols, array(i64, start + [0] * 8), array(i64, columns + [0] * pad), array(f64, values + [0.0] * pad), base, c.byref(out))
    seen[code] += 1
    assert bool(out) == (code == OK)
    if code == OK:
        if lib.krylane_solver_new(out, None, c.byref(solver)) == OK:
            x = array(f64, [0.0] * max(cols, 1))
            assert lib.krylane_solve(solver, array(f64, [1.0] * max(rows, 1)), x, 0, None) in (OK, BAD_INPUT)
        lib.krylane_solver_free(solver)
        lib.krylane_matrix_free(out)
assert min(seen.values()) > 300, seen
print(f"the entrance held: {seen[OK]} systems taken, {seen[BAD_INPUT]} refused")
