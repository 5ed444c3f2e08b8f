// Eigen: OpenMP in the product of a row-major matrix; vector operations and incomplete factors are serial.
// Its CG, BiCGSTAB and GMRES without preconditioner stop at |r| <= rtol |b| of the residual that they update.
#include "common.hpp"
#include <Eigen/Sparse>
#include <unsupported/Eigen/IterativeSolvers>

using Matrix = Eigen::SparseMatrix<double, Eigen::RowMajor, int>;
using Vector = Eigen::VectorXd;

static const std::string VERSION = std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) +
                                   "." + std::to_string(EIGEN_MINOR_VERSION);

template <class Solver> void solve(const Job& job, const System& s, Solver&& solver) {
    Matrix a;
    const double setup = timed([&] {
        a = Eigen::Map<const Matrix>(s.n, s.n, s.values.size(), s.rows.data(), s.columns.data(), s.values.data());
        solver.compute(a);
    });
    if (solver.info() != Eigen::Success) throw std::runtime_error("the preconditioner could not be set up");
    const Vector b = Eigen::Map<const Vector>(s.rhs.data(), s.n);
    Vector x;
    solver.setTolerance(job.rtol);
    solver.setMaxIterations(3);
    x = solver.solve(b);
    solver.setMaxIterations(job.iterations);
    const double seconds = timed([&] { x = solver.solve(b); });
    write_array(job.answer, {x.data(), x.data() + s.n});
    report(VERSION, setup, seconds, solver.iterations());
}

static void run(const Job& job) {
    using Eigen::BiCGSTAB, Eigen::ConjugateGradient, Eigen::GMRES, Eigen::IdentityPreconditioner;
    const System s(job.system);
    Eigen::setNbThreads(job.threads);
    const std::string kind = job.task + "/" + job.preconditioner;
    constexpr int BOTH = Eigen::Lower | Eigen::Upper;
    if (job.task == "spmv") {
        Matrix a;
        const double setup = timed([&] {
            a = Eigen::Map<const Matrix>(s.n, s.n, s.values.size(), s.rows.data(), s.columns.data(), s.values.data());
        });
        const Vector b = Eigen::Map<const Vector>(s.rhs.data(), s.n);
        Vector y(s.n);
        const double seconds = median_time([&] { y.noalias() = a * b; });
        write_array(job.answer, {y.data(), y.data() + s.n});
        report(VERSION, setup, seconds, 1);
    } else if (kind == "cg/none") {
        solve(job, s, ConjugateGradient<Matrix, BOTH, IdentityPreconditioner>());
    } else if (kind == "cg/jacobi") {
        solve(job, s, ConjugateGradient<Matrix, BOTH, Eigen::DiagonalPreconditioner<double>>());
    } else if (kind == "cg/ic") {
        solve(job, s, ConjugateGradient<Matrix, BOTH, Eigen::IncompleteCholesky<double>>());
    } else if (kind == "bicgstab/none") {
        solve(job, s, BiCGSTAB<Matrix, IdentityPreconditioner>());
    } else if (kind == "gmres30/none") {
        GMRES<Matrix, IdentityPreconditioner> gmres;
        gmres.set_restart(30);
        solve(job, s, gmres);
    } else {
        job.unknown();
    }
}

int main(int argc, char** argv) {
    return guarded([&] { run(Job(argc, argv)); });
}
