"""What a solve does to the process around it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import krylane
from krylane import linalg as sl

A = krylane.gallery("poisson2d", 30)
B = np.ones(900)
HARD = krylane.gallery("poisson2d", 300)


def endless(**words):
    """A solve that takes much longer than a test may."""
    b = np.random.default_rng(1).standard_normal(HARD.shape[0])
    return krylane.solve(HARD, b, method="steepest_descent", preconditioner="none", max_iterations=10**7, **words)


def test_an_exception_in_an_operator_goes_through_with_its_traceback():
    calls = []

    def matvec(x):
        calls.append(1)
        if len(calls) > 4:
            raise ZeroDivisionError("in the operator")
        return A @ x

    from scipy.sparse.linalg import LinearOperator

    op = LinearOperator(A.shape, matvec=matvec, dtype=float)
    with pytest.raises(ZeroDivisionError, match="in the operator") as e:
        sl.cg(op, B)
    assert any(entry.name == "matvec" for entry in e.traceback)
    bad = LinearOperator(A.shape, matvec=lambda x: 1 / 0, dtype=float)
    with pytest.raises(ZeroDivisionError):
        sl.cg(A, B, M=bad)


def test_callbacks_may_raise_or_stop():
    def raises(_i, _r):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        krylane.solve(A, B, method="cg", callback=raises)
    r = krylane.solve(A, B, method="cg", preconditioner="none", callback=lambda i, _r: i == 7)
    assert r.reason == "StoppedByCallback" and r.iterations >= 7
    with pytest.raises(KeyError):
        sl.cg(A, B, callback=lambda x: {}[0])


@pytest.fixture
def ctrl_c():
    """Python's own answer to Ctrl-C: a process that was started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_a_solve_within_a_second_with_the_best_x():
    sent = []

    def press():
        time.sleep(0.5)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt) as e:
        endless()
    assert time.perf_counter() - sent[0] < 1.0
    assert isinstance(e.value, krylane.Interrupted)
    assert e.value.result.certificate.relative < 1 and e.value.result.x.any()


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("what", ["eigs", "svds", "Solver"])
def test_ctrl_c_ends_factors_and_searches(what):
    # Complete factors of a larger cube would be refused at once.
    cube = krylane.gallery("poisson3d", 28 if what == "Solver" else 60)
    solver = krylane.Solver(cube, method="gmres", preconditioner="lu")

    def work():
        if what == "eigs":
            return krylane.eigs(cube, 40, which="LM", tol=0)
        if what == "svds":
            return krylane.svds(cube, 60, which="LM", tol=0)
        # Seconds of set-up, in which no iteration asks for signals.
        return solver.solve(np.ones(cube.shape[0]))

    sent = []

    def press():
        time.sleep(0.4)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt) as e:
        work()
        time.sleep(10)
    assert isinstance(e.value, krylane.Interrupted), "the work was over before it could be interrupted"
    assert time.perf_counter() - sent[0] < 1.5
    assert e.value.result.reason == "Cancelled"


def _peak(code):
    """The peak of a process's memory while it runs `code`, beyond what it had before, in bytes."""
    script = f"""
import resource, numpy as np, krylane
A = krylane.gallery("poisson2d", 1000)
assert A.data.dtype == np.float64
A.indices, A.indptr = A.indices.astype(np.int32), A.indptr.astype(np.int32)
b = np.ones(A.shape[0])
krylane.solve(krylane.gallery("poisson2d", 10), np.ones(100))
before = open("/proc/self/clear_refs", "w").write("5")
import re
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
now = peak()
{code}
print(peak() - now)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_compressed_rows_are_not_copied():
    entries = 12 * 4_996_000
    lent = _peak("from krylane import _convert; m = _convert.matrix(A, lend=True)")
    copied = _peak("from krylane import _convert; m = _convert.matrix(A)")
    # Row starts alone are made anew, in eight bytes.
    assert lent < 8 * 1_000_001 + 8e6 and copied > 0.9 * entries, (lent, copied)


def test_the_interpreter_is_free_during_a_solve():
    ticks, done = [], threading.Event()

    def solve():
        endless(time_limit=1.0)
        done.set()

    thread = threading.Thread(target=solve)
    thread.start()
    while not done.is_set():
        ticks.append(time.perf_counter())
        time.sleep(0.005)
    thread.join()
    # A thread that waits for the interpreter would have been kept away for a second.
    assert len(ticks) > 20 and max(np.diff(ticks), default=0) < 0.8


def test_two_threads_solve_at_once():
    inside, most = [0], [0]
    lock = threading.Lock()

    def heard(_i, _r):
        with lock:
            most[0] = max(most[0], inside[0])

    def work(out):
        with lock:
            inside[0] += 1
        out.append(endless(time_limit=0.7, callback=heard))
        with lock:
            inside[0] -= 1

    results = []
    threads = [threading.Thread(target=work, args=(results,)) for _ in range(2)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert most[0] == 2 and [r.reason for r in results] == ["TimeLimit"] * 2 and min(r.iterations for r in results) > 0


def _child(queue):
    queue.put(bool(krylane.solve(A, B).converged and krylane.solve(HARD, HARD @ np.ones(90000)).converged))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method):
    assert krylane.solve(HARD, HARD @ np.ones(90000)).converged
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    with warnings.catch_warnings():
        # Python says of every fork beside threads that it may go wrong.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=_child, args=(queue,))
        child.start()
    assert queue.get(timeout=120) is True
    child.join(30)
    assert child.exitcode == 0


def test_nothing_is_printed(capfd):
    krylane.solve(A, B)
    sl.gmres(A, B)
    out, err = capfd.readouterr()
    assert out == "" and err == ""
    krylane.solve(A, B, progress=True, method="cg", preconditioner="none")
    out, err = capfd.readouterr()
    assert out == ""


def test_logging(caplog):
    with caplog.at_level("INFO", logger="krylane"):
        krylane.solve(A, B)
    assert "Converged" in caplog.text


def test_the_command_line():
    run = lambda *words: subprocess.run([sys.executable, "-m", "krylane", *words], capture_output=True, text=True)  # noqa: E731
    done = run("--version")
    assert done.returncode == 0 and krylane.__version__ in done.stdout
    assert run("solve", "poisson2d:20").returncode == 0
    assert run("solve", "poisson2d:20", "--max-iterations", "1", "--method", "cg").returncode == 1
    assert run("solve", "no-such-file.mtx").returncode == 2


def _cost(f):
    """Seconds of a call where the machine is not busy with others: the fastest tenth of many."""
    times = []
    for _ in range(500):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return np.quantile(times, 0.1)


def test_a_call_costs_little():
    from krylane import _core

    a = krylane.gallery("poisson1d", 10)
    a.indices, a.indptr = a.indices.astype(np.int32), a.indptr.astype(np.int32)
    b = np.ones(10)
    options = {"method": "cg", "preconditioner": "none", "rtol": 1e-5}
    solver = krylane.Solver(a, **options)

    def core():
        matrix = _core.Matrix.csr(10, 10, a.indptr, a.indices, a.data, False, True)
        return _core.Solver(matrix, {**options, "equilibrate": "never"}).solve(b)

    overhead = {
        "Solver.solve": _cost(lambda: solver.solve(b)) - _cost(lambda: solver._solver.solve(b)),
        "solve": _cost(lambda: krylane.solve(a, b, **options)) - _cost(core),
        "linalg.cg": _cost(lambda: sl.cg(a, b)) - _cost(core),
        "linalg.gmres": _cost(lambda: sl.gmres(a, b))
        - _cost(lambda: _core.Solver(_core.Matrix.csr(10, 10, a.indptr, a.indices, a.data, False, True),
                                     {**options, "method": "gmres", "restart": 10, "equilibrate": "never"}).solve(b)),
    }  # fmt: skip
    assert max(overhead.values()) < 100e-6, overhead
