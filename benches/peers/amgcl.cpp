// AMGCL on its OpenMP backend: smoothed aggregation with the smoother that PRECONDITIONER names. Elasticity brings its
// rigid-body modes. CG stops at |r| <= rtol |b| of the updated residual.
#include <boost/range.hpp>
#include <boost/tuple/tuple.hpp>
#include "common.hpp"
#include <amgcl/adapter/crs_tuple.hpp>
#include <amgcl/amg.hpp>
#include <amgcl/backend/builtin.hpp>
#include <amgcl/coarsening/smoothed_aggregation.hpp>
#include <amgcl/make_solver.hpp>
#include <amgcl/relaxation/gauss_seidel.hpp>
#include <amgcl/relaxation/ilu0.hpp>
#include <amgcl/relaxation/spai0.hpp>
#include <amgcl/solver/cg.hpp>
#include <omp.h>

static const char* VERSION = AMGCL_VERSION;

using Backend = amgcl::backend::builtin<double>;

template <template <class> class Smoother> void solve(const Job& job, const System& s) {
    using Solver = amgcl::make_solver<amgcl::amg<Backend, amgcl::coarsening::smoothed_aggregation, Smoother>,
                                      amgcl::solver::cg<Backend>>;
    typename Solver::params options;
    options.solver.tol = job.rtol;
    options.solver.maxiter = job.iterations;
    if (!s.modes.empty()) {
        auto& null = options.precond.coarsening.nullspace;
        null.cols = int(s.modes.size()) / s.n;
        null.B.resize(s.modes.size());
        for (int i = 0; i < s.n; ++i)
            for (int k = 0; k < null.cols; ++k) null.B[i * null.cols + k] = s.modes[k * s.n + i];
        options.precond.coarsening.aggr.block_size = 2;
    }
    const auto a = boost::tie(s.n, s.rows, s.columns, s.values);
    const double begin = now();
    const Solver solver(a, options);
    const double setup = now() - begin;
    auto first = options.solver;
    first.maxiter = 3;
    std::vector<double> x(s.n);
    amgcl::solver::cg<Backend>(s.n, first)(solver.system_matrix(), solver.precond(), s.rhs, x);
    size_t iterations = 0;
    const double seconds = timed([&] {
        x.assign(s.n, 0);
        iterations = boost::get<0>(solver(s.rhs, x));
    });
    write_array(job.answer, x);
    report(VERSION, setup, seconds, long(iterations));
}

static void run(const Job& job) {
    omp_set_num_threads(job.threads);
    const System s(job.system);
    if (job.task != "cg") job.unknown();
    if (job.preconditioner == "sa-spai0") solve<amgcl::relaxation::spai0>(job, s);
    else if (job.preconditioner == "sa-gs") solve<amgcl::relaxation::gauss_seidel>(job, s);
    else if (job.preconditioner == "sa-ilu0") solve<amgcl::relaxation::ilu0>(job, s);
    else job.unknown();
}

int main(int argc, char** argv) {
    return guarded([&] { run(Job(argc, argv)); });
}
