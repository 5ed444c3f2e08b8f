// SLEPc: ten eigenpairs of a symmetric matrix by Krylov–Schur with 40 basis vectors; the smallest also by
// shift-and-invert with PETSc's own sparse Cholesky, which runs on one rank. Stops at |A v - l v| <= rtol |l|.
#include "common.hpp"
#include <slepceps.h>

static void check(PetscErrorCode code) {
    if (code) throw std::runtime_error("SLEPc error " + std::to_string(code));
}

static void run(const Job& job) {
    System s(job.system);
    int ranks, rank;
    MPI_Comm_size(PETSC_COMM_WORLD, &ranks);
    MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
    const int first = int(long(s.n) * rank / ranks), count = int(long(s.n) * (rank + 1) / ranks) - first;
    const int offset = s.rows[first];
    std::vector<PetscInt> rows(count + 1);
    for (int i = 0; i <= count; ++i) rows[i] = s.rows[first + i] - offset;
    const bool invert = job.preconditioner == "invert";
    Mat a;
    EPS eps;
    const double setup = timed([&] {
        check(MatCreateMPIAIJWithArrays(PETSC_COMM_WORLD, count, count, s.n, s.n, rows.data(),
                                        s.columns.data() + offset, s.values.data() + offset, &a));
        check(MatSetOption(a, MAT_SYMMETRIC, PETSC_TRUE));
        check(EPSCreate(PETSC_COMM_WORLD, &eps));
        check(EPSSetOperators(eps, a, nullptr));
        check(EPSSetProblemType(eps, EPS_HEP));
        check(EPSSetType(eps, EPSKRYLOVSCHUR));
        check(EPSSetDimensions(eps, 10, 40, PETSC_DEFAULT));
        check(EPSSetTolerances(eps, job.rtol, job.iterations));
        check(EPSSetConvergenceTest(eps, EPS_CONV_REL));
        if (invert) {
            ST st;
            KSP ksp;
            PC pc;
            check(EPSGetST(eps, &st));
            check(STSetType(st, STSINVERT));
            check(STGetKSP(st, &ksp));
            check(KSPSetType(ksp, KSPPREONLY));
            check(KSPGetPC(ksp, &pc));
            check(PCSetType(pc, PCCHOLESKY));
            check(EPSSetTarget(eps, 0));
            check(EPSSetWhichEigenpairs(eps, EPS_TARGET_MAGNITUDE));
        } else {
            check(EPSSetWhichEigenpairs(eps, job.task == "largest" ? EPS_LARGEST_REAL : EPS_SMALLEST_REAL));
        }
        check(EPSSetUp(eps));
        MPI_Barrier(PETSC_COMM_WORLD);
    });
    const double seconds = timed([&] {
        check(EPSSolve(eps));
        MPI_Barrier(PETSC_COMM_WORLD);
    });
    PetscInt restarts, found;
    check(EPSGetIterationNumber(eps, &restarts));
    check(EPSGetConverged(eps, &found));
    if (found < 10) throw std::runtime_error(std::to_string(found) + " of 10 eigenpairs converged");
    Vec v;
    check(MatCreateVecs(a, &v, nullptr));
    std::vector<int> counts(ranks), starts(ranks);
    for (int r = 0; r < ranks; ++r) {
        starts[r] = int(long(s.n) * r / ranks);
        counts[r] = int(long(s.n) * (r + 1) / ranks) - starts[r];
    }
    std::vector<double> answer(10 + size_t(10) * s.n);
    for (int k = 0; k < 10; ++k) {
        PetscScalar value, imaginary;
        const PetscScalar* entries;
        check(EPSGetEigenpair(eps, k, &value, &imaginary, v, nullptr));
        answer[k] = value;
        check(VecGetArrayRead(v, &entries));
        MPI_Gatherv(entries, count, MPI_DOUBLE, answer.data() + 10 + size_t(k) * s.n, counts.data(), starts.data(),
                    MPI_DOUBLE, 0, PETSC_COMM_WORLD);
        check(VecRestoreArrayRead(v, &entries));
    }
    if (rank) return;
    write_array(job.answer, answer);
    report(std::to_string(SLEPC_VERSION_MAJOR) + "." + std::to_string(SLEPC_VERSION_MINOR) + "." +
               std::to_string(SLEPC_VERSION_SUBMINOR),
           setup, seconds, restarts);
}

int main(int argc, char** argv) {
    int one = 1;
    if (SlepcInitialize(&one, &argv, nullptr, nullptr)) return 1;
    const int code = guarded([&] { run(Job(argc, argv)); });
    if (code) MPI_Abort(MPI_COMM_WORLD, code);
    SlepcFinalize();
    return code;
}
