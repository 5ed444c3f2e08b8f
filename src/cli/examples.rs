//! What help texts end with: commands to try, and exit codes.

pub(super) const FIRST: &str = "\
Examples:
  krylane solve A.mtx                          everything chosen for you, right-hand side of ones
  krylane solve A.mtx --rhs b.mtx -o x.npy     your own right-hand side, the answer for NumPy
  krylane inspect A.mtx                        what the matrix is and what would be done
  krylane compare A.mtx                        which method and preconditioner is fastest on it
  krylane eigs A.mtx -k 10 --which SA          the ten smallest eigenvalues
  krylane gen --list                           model problems to try: krylane solve poisson3d:50";

pub(super) const SOLVE: &str = "\
Examples:
  krylane solve A.mtx
  krylane solve A.mtx --rhs b.mtx --tol 1e-10 -o x.npy --json report.json --plot history.svg
  krylane solve A.mtx -m gmres -p ilut:drop=1e-4 --restart 50 --time-limit 5min
  krylane solve A.npz --rhs random:1 --nrhs 8
  krylane solve A.mtx -m lsqr                   least squares, A of any shape
  krylane solve elasticity3d:20 -p amg --coordinates gallery
  zcat A.mtx.gz | krylane solve - --monitor 10  from a pipe, a line every ten iterations
  krylane solve A.mtx --options opts.toml       options in a file: rtol = 1e-10, method = \"cg\"";

pub(super) const EIGS: &str = "\
Examples:
  krylane eigs A.mtx -k 10 --which SA           the ten smallest of a symmetric matrix
  krylane eigs K.mtx --mass M.mtx -k 6 --sigma 0    the modes of a structure nearest to 0
  krylane eigs A.mtx -k 4 --which LR -o vectors.npy
  krylane eigs poisson2d:100 -k 5 --sigma -1e-3";

pub(super) const SVDS: &str = "\
Examples:
  krylane svds A.mtx -k 5                       the five largest singular values
  krylane svds A.mtx -k 3 --which SM -o right.npy --left left.npy";

pub(super) const GEN: &str = "\
Examples:
  krylane gen --list
  krylane gen poisson2d 500 -o A.mtx.gz
  krylane gen anisotropic2d 300 -o A.npz --set epsilon=0.001";

pub(super) const INSPECT: &str = "\
Examples:
  krylane inspect A.mtx
  krylane inspect A.mtx -m gmres -p ilut --json";

pub(super) const COMPARE: &str = "\
Examples:
  krylane compare A.mtx
  krylane compare A.mtx --rhs b.mtx --methods cg,minres --preconds jacobi,ic0,amg
  krylane compare A.mtx --runs 10 --time-limit 30s --export table.md
  krylane compare A.mtx --options opts.toml --monitor   options in a file; a line for each pair, for batch logs";

pub(super) const INFO: &str = "\
Examples:
  krylane info                                  adapters, their limits, which one auto takes
  krylane info --json | jq .adapters";

pub(super) const BENCH: &str = "\
Examples:
  krylane bench --backend cpu
  krylane bench --problems poisson2d:1000,poisson3d:100 --repeat 9 --report bench.html
  krylane bench --backend gpu --json bench.json";

pub(super) const COMPLETIONS: &str = "\
Examples:
  krylane completions bash > ~/.local/share/bash-completion/completions/krylane
  krylane completions zsh > ~/.zfunc/_krylane
  krylane completions fish > ~/.config/fish/completions/krylane.fish";

pub(super) const MAN: &str = "\
Examples:
  krylane man docs                              docs/man1 and docs/completions
  krylane man docs && man docs/man1/krylane-solve.1";

pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 converged (lsqr, lsmr: or a least-squares solution); 1 did not converge (of several right-hand sides: one or more); 2 bad usage or input, or --memory-limit exceeded; 3 environment (adapter, memory, \
output not writable); 130 and 143 after SIGINT and SIGTERM.";
