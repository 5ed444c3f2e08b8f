// PETSc with hypre: MPI ranks, one contiguous slab of rows each, AIJ matrices. Every method stops by the
// unpreconditioned norm, GMRES and BiCGSTAB are preconditioned from the right. icc is block Jacobi over the ranks.
// Further options come in the environment variable PETSC_OPTIONS.
#include "common.hpp"
#include <petscksp.h>

static void check(PetscErrorCode code) {
    if (code) throw std::runtime_error("PETSc error " + std::to_string(code));
}

struct Slab {
    int block, first, count, ranks, rank;

    // Blocks of unknowns stay whole.
    Slab(int n, int block) : block(block) {
        MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
        MPI_Comm_size(PETSC_COMM_WORLD, &ranks);
        first = start(n, rank);
        count = start(n, rank + 1) - first;
    }
    int start(int n, int r) const { return block * int(long(n / block) * r / ranks); }
};

static Vec local(Mat a, const Slab& slab, const double* values) {
    Vec v;
    PetscScalar* entries;
    check(MatCreateVecs(a, &v, nullptr));
    check(VecGetArray(v, &entries));
    std::copy_n(values + slab.first, slab.count, entries);
    check(VecRestoreArray(v, &entries));
    return v;
}

static void write(const Job& job, const System& s, const Slab& slab, Vec v) {
    std::vector<int> counts, starts;
    for (int r = 0; r < slab.ranks; ++r) {
        starts.push_back(slab.start(s.n, r));
        counts.push_back(slab.start(s.n, r + 1) - starts.back());
    }
    std::vector<double> all(slab.rank ? 0 : s.n);
    const PetscScalar* entries;
    check(VecGetArrayRead(v, &entries));
    MPI_Gatherv(entries, slab.count, MPI_DOUBLE, all.data(), counts.data(), starts.data(), MPI_DOUBLE, 0,
                PETSC_COMM_WORLD);
    check(VecRestoreArrayRead(v, &entries));
    if (!slab.rank) write_array(job.answer, all);
}

static Mat matrix(const System& s, const Slab& slab, bool symmetric) {
    std::vector<PetscInt> rows(slab.count + 1);
    for (int i = 0; i <= slab.count; ++i) rows[i] = s.rows[slab.first + i] - s.rows[slab.first];
    const int offset = s.rows[slab.first];
    Mat a;
    check(MatCreateMPIAIJWithArrays(PETSC_COMM_WORLD, slab.count, slab.count, s.n, s.n, rows.data(),
                                    s.columns.data() + offset, s.values.data() + offset, &a));
    check(MatSetBlockSize(a, slab.block));
    if (symmetric) {
        check(MatSetOption(a, MAT_SYMMETRIC, PETSC_TRUE));
        check(MatSetOption(a, MAT_SPD, PETSC_TRUE));
    }
    if (!s.modes.empty()) {
        Vec modes[3];
        for (int k = 0; k < 3; ++k) modes[k] = local(a, slab, s.modes.data() + size_t(k) * s.n);
        MatNullSpace space;
        check(MatNullSpaceCreate(PETSC_COMM_WORLD, PETSC_FALSE, 3, modes, &space));
        check(MatSetNearNullSpace(a, space));
    }
    return a;
}

static double together(const std::function<void()>& work) {
    MPI_Barrier(PETSC_COMM_WORLD);
    return timed([&] {
        work();
        MPI_Barrier(PETSC_COMM_WORLD);
    });
}

static void precondition(const Job& job, const Slab& slab, KSP ksp) {
    PC pc;
    check(KSPGetPC(ksp, &pc));
    const std::string name = job.preconditioner.substr(0, job.preconditioner.find('-'));
    if (name == "icc" && slab.ranks > 1) {
        check(PCSetType(pc, PCBJACOBI));
        check(PetscOptionsSetValue(nullptr, "-sub_pc_type", "icc"));
    } else if (name == "boomeramg") {
        check(PCSetType(pc, PCHYPRE));
        check(PCHYPRESetType(pc, "boomeramg"));
    } else {
        check(PCSetType(pc, name.c_str()));
    }
}

static void run(const Job& job) {
    const System s(job.system);
    const Slab slab(s.n, s.modes.empty() ? 1 : 2);
    const std::string version = std::to_string(PETSC_VERSION_MAJOR) + "." + std::to_string(PETSC_VERSION_MINOR) + "." +
                                std::to_string(PETSC_VERSION_SUBMINOR);
    const bool symmetric = job.task == "cg";
    double setup = 0, seconds = 0;
    Mat a;
    setup += together([&] { a = matrix(s, slab, symmetric); });
    const Vec b = local(a, slab, s.rhs.data());
    Vec x;
    check(VecDuplicate(b, &x));
    PetscInt count = 1;
    if (job.task == "spmv") {
        const auto product = [&] { together([&] { check(MatMult(a, b, x)); }); };
        seconds = median_time(product, 50);
    } else {
        KSP ksp;
        check(KSPCreate(PETSC_COMM_WORLD, &ksp));
        check(KSPSetOperators(ksp, a, a));
        const bool gmres = job.task == "gmres30";
        check(KSPSetType(ksp, gmres ? KSPGMRES : job.task == "bicgstab" ? KSPBCGS : KSPCG));
        if (gmres) check(KSPGMRESSetRestart(ksp, 30));
        if (!symmetric) check(KSPSetPCSide(ksp, PC_RIGHT));
        check(KSPSetNormType(ksp, KSP_NORM_UNPRECONDITIONED));
        precondition(job, slab, ksp);
        check(KSPSetFromOptions(ksp));
        setup += together([&] {
            check(KSPSetUp(ksp));
            check(KSPSetUpOnBlocks(ksp));
        });
        check(KSPSetTolerances(ksp, job.rtol, 0, PETSC_DEFAULT, 3));
        check(KSPSolve(ksp, b, x));
        check(KSPSetTolerances(ksp, job.rtol, 0, PETSC_DEFAULT, job.iterations));
        check(VecSet(x, 0));
        seconds = together([&] { check(KSPSolve(ksp, b, x)); });
        check(KSPGetIterationNumber(ksp, &count));
    }
    write(job, s, slab, x);
    if (!slab.rank) report(version, setup, seconds, count);
}

int main(int argc, char** argv) {
    int one = 1;
    if (PetscInitialize(&one, &argv, nullptr, nullptr)) return 1;
    const int code = guarded([&] { run(Job(argc, argv)); });
    // A rank that failed must not leave the others at a barrier.
    if (code) MPI_Abort(MPI_COMM_WORLD, code);
    PetscFinalize();
    return code;
}
