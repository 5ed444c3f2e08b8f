//! MPI jobs of the program: the bits of one process, and one honest ending whatever befalls a rank. Needs `mpirun`.
#![cfg(feature = "mpi")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_krylane");

/// One job at a time: on two cores, waiting ranks of one would keep another from its work.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `mpirun` with an end: a job that hangs is a failure, not a hang of the tests.
fn mpirun() -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "120", "mpirun", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"]);
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command.env("OMPI_MCA_rmaps_base_oversubscribe", "1").env("RAYON_NUM_THREADS", "1");
    command.stdin(Stdio::null());
    command
}

fn job(ranks: usize, words: &str) -> Output {
    mpirun().args(["-n", &ranks.to_string(), PROGRAM]).args(words.split_whitespace()).output().unwrap()
}

/// A job whose last rank is given other words than the two before it.
fn job_with_an_odd_one(words: &str, odd: &str) -> Output {
    let mut command = mpirun();
    command.args(["-n", "2", PROGRAM]).args(words.split_whitespace()).args([":", "-n", "1", PROGRAM]);
    command.args(odd.split_whitespace()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What krylane said on stderr; the launcher adds words of its own.
fn errors(out: &Output) -> Vec<String> {
    text(&out.stderr).lines().filter(|l| l.starts_with("error: ")).map(Into::into).collect()
}

fn x_of(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_job_has_the_bits_of_one_process() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for (k, words) in [
        "solve poisson2d:80 -m cg -p jacobi",
        "solve poisson3d:20 -m cg -p amg",
        "solve convection_diffusion2d:80 -m gmres -p chebyshev",
        "solve convection_diffusion2d:80 -m bicgstab -p ilu0 --precision mixed",
        "solve poisson2d:80 --nrhs 3 --rhs random:4 -m minres -p none",
    ]
    .into_iter()
    .enumerate()
    {
        let plain = file(&format!("{k}.npy"));
        let status =
            Command::new(PROGRAM).args(words.split_whitespace()).arg("-q").arg("-o").arg(&plain).status().unwrap();
        assert!(status.success(), "{words}");
        for ranks in [1, 2, 3, 4, 7] {
            let own = file(&format!("{k}-{ranks}.npy"));
            let out = job(ranks, &format!("{words} -o {}", own.display()));
            assert!(out.status.success(), "{words} on {ranks}: {}", text(&out.stderr));
            assert_eq!(text(&out.stdout).matches("matrix  ").count(), 1, "one rank speaks");
            assert!(x_of(&own) == x_of(&plain), "{words} on {ranks}");
        }
    }
    let values = |out: Output| {
        let text = text(&out.stdout);
        assert!(out.status.success() && text.contains("Converged"), "{text}");
        text.lines().skip_while(|l| !l.starts_with("values")).take(4).map(Into::into).collect::<Vec<String>>()
    };
    let words = "eigs poisson2d:40 -k 3 --which LA";
    let plain = Command::new(PROGRAM).args(words.split_whitespace()).output().unwrap();
    assert_eq!(values(job(3, words)), values(plain));
}

#[test]
fn a_fault_of_one_rank_ends_all_with_one_message() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let nan = folder.path().join("nan.txt");
    std::fs::write(&nan, "1.0\nnan\n".repeat(800)).unwrap();
    let good = "solve poisson2d:40 -m cg -p jacobi";
    for (odd, code, fault) in [
        ("solve no_such_file.mtx", 3, "no_such_file.mtx"),
        (&*format!("{good} --rhs {}", nan.display()), 3, "rank 2: "),
        (&*format!("{good} --memory-limit 1000"), 2, "out of memory"),
    ] {
        let out = job_with_an_odd_one(good, odd);
        assert_eq!(out.status.code(), Some(code), "{odd}: {}", text(&out.stderr));
        let errors = errors(&out);
        assert!(errors.len() == 1 && errors[0].contains(fault), "{odd}: {errors:?}");
    }
    for (words, code, fault) in [
        ("solve no_such_file.mtx", 2, "no_such_file.mtx"),
        ("solve poisson2d:40 -m no_such_method", 2, "no_such_method"),
        ("solve -", 2, "can't read one pipe"),
        ("solve poisson2d:40 --backend gpu", 2, "on CPUs only"),
    ] {
        let out = job(3, words);
        assert_eq!(out.status.code(), Some(code), "{words}: {}", text(&out.stderr));
        let errors = errors(&out);
        assert!(errors.len() == 1 && errors[0].contains(fault), "{words}: {errors:?}");
    }
    let out = job(2, "solve poisson2d:60 -m cg -p none --max-iterations 3 --json -");
    assert_eq!(out.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(report["reason"] == "MaxIterations" && report["gpu"]["messages"].as_u64() > Some(0), "{report}");
}

/// The processes of the program that a job has started, once there are `count`.
fn processes(mark: &str, count: usize) -> Vec<u32> {
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(100));
        let out = Command::new("pgrep").args(["-f", &format!("^{PROGRAM}.*{mark}")]).output().unwrap();
        let found: Vec<u32> = text(&out.stdout).lines().filter_map(|l| l.parse().ok()).collect();
        if found.len() == count {
            return found;
        }
    }
    panic!("the job has not started {count} processes");
}

#[test]
fn a_signal_to_one_rank_ends_all() {
    let _alone = alone();
    for (signal, code) in [("TERM", 143), ("KILL", 137)] {
        let folder = tempfile::tempdir().unwrap();
        let x: PathBuf = folder.path().join("x.npy");
        let words = "solve poisson2d:150 -m richardson -p none --tol 1e-15 --max-iterations 1000000000";
        let mut command = mpirun();
        command.args(["-n", "3", PROGRAM]).args(words.split_whitespace()).arg("-o").arg(&x);
        let job = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let ranks = processes(&x.display().to_string(), 3);
        // Reading and planning take a moment.
        std::thread::sleep(Duration::from_secs(2));
        Command::new("kill").args([format!("-{signal}"), ranks[1].to_string()]).status().unwrap();
        let start = std::time::Instant::now();
        let out = job.wait_with_output().unwrap();
        assert!(start.elapsed() < Duration::from_secs(10), "{signal}: all end within seconds");
        assert_eq!(out.status.code(), Some(code), "{signal}: {}", text(&out.stderr));
        // The best x is kept where ranks could agree on the end; else nothing is written, and nothing by halves.
        let cancelled = signal == "TERM";
        assert_eq!(x.exists(), cancelled);
        assert_eq!(text(&out.stdout).contains("Cancelled"), cancelled);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), usize::from(cancelled), "no other file is left");
    }
}

#[test]
fn the_example_assembles_in_parts() {
    let _alone = alone();
    let example = Path::new(PROGRAM).parent().unwrap().join("examples/ranks");
    let run = |ranks: usize, k: usize| {
        let out = mpirun().args(["-n", &ranks.to_string()]).arg(&example).arg(k.to_string()).output().unwrap();
        assert!(out.status.success(), "{}", text(&out.stderr));
        let said = text(&out.stdout);
        assert!(said.contains("Converged"), "{said}");
        let number = |before: &str| -> f64 {
            let rest = said.split_once(before).unwrap_or_else(|| panic!("{said}")).1;
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        (said.clone(), number("after "), number("memory of a rank: "))
    };
    let (said, ..) = run(3, 20);
    assert!(said.contains("8000 unknowns on CPU, 3 ranks"), "{said}");
    // No rank has more than its part: with four of them, 30 % of the memory of one, the program's own besides.
    let ((_, alone, all), (_, shared, part)) = (run(1, 60), run(4, 60));
    assert!(shared <= alone + 3.0, "{shared} iterations on 4 ranks, {alone} on 1");
    assert!(part <= 0.3 * all + 40.0, "{part} MB on 4 ranks, {all} MB on 1");
}
