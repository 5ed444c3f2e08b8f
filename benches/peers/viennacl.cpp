// ViennaCL on its OpenMP backend. CG and BiCGSTAB without preconditioner stop at |r| <= rtol |b| of the updated
// residual; with one, CG stops by sqrt(<r, M r>), relative to its start, and BiCGSTAB and GMRES may stop early by
// their own estimates: the bench then asks again for more.
#include "common.hpp"
#include <omp.h>
#include <viennacl/compressed_matrix.hpp>
#include <viennacl/linalg/bicgstab.hpp>
#include <viennacl/linalg/cg.hpp>
#include <viennacl/linalg/gmres.hpp>
#include <viennacl/linalg/ilu.hpp>
#include <viennacl/linalg/jacobi_precond.hpp>
#include <viennacl/linalg/prod.hpp>
#include <viennacl/vector.hpp>

namespace la = viennacl::linalg;
using Matrix = viennacl::compressed_matrix<double>;
using Vector = viennacl::vector<double>;

static const char* VERSION = "1.7.1";

static Matrix matrix(const System& s) {
    // ViennaCL's indices are unsigned.
    const std::vector<unsigned> rows(s.rows.begin(), s.rows.end()), columns(s.columns.begin(), s.columns.end());
    Matrix a;
    a.set(rows.data(), columns.data(), s.values.data(), s.n, s.n, s.values.size());
    return a;
}

static Vector vector(const std::vector<double>& values) {
    Vector v(values.size());
    viennacl::copy(values, v);
    return v;
}

static void write(const Job& job, const Vector& v) {
    std::vector<double> values(v.size());
    viennacl::copy(v, values);
    write_array(job.answer, values);
}

template <class Tag, class Preconditioner>
void solve(const Job& job, const System& s, const Matrix& a, double setup, Tag start, Tag tag,
           const Preconditioner& m) {
    const Vector b = vector(s.rhs);
    Vector x(s.n);
    x = la::solve(a, b, start, m);
    const double seconds = timed([&] { x = la::solve(a, b, tag, m); });
    write(job, x);
    report(VERSION, setup, seconds, tag.iters());
}

template <class Tag> void precondition(const Job& job, const System& s, Tag start, Tag tag) {
    Matrix a;
    const double setup = timed([&] { a = matrix(s); });
    if (job.preconditioner == "none") {
        solve(job, s, a, setup, start, tag, la::no_precond());
    } else if (job.preconditioner == "jacobi") {
        const double begin = now();
        const la::jacobi_precond<Matrix> m(a, la::jacobi_tag());
        solve(job, s, a, setup + now() - begin, start, tag, m);
    } else if (job.preconditioner == "ilu0") {
        const double begin = now();
        const la::ilu0_precond<Matrix> m(a, la::ilu0_tag());
        solve(job, s, a, setup + now() - begin, start, tag, m);
    } else {
        job.unknown();
    }
}

static void run(const Job& job) {
    omp_set_num_threads(job.threads);
    const System s(job.system);
    const unsigned count = job.iterations;
    if (job.task == "spmv") {
        Matrix a;
        const double setup = timed([&] { a = matrix(s); });
        const Vector b = vector(s.rhs);
        Vector y(s.n);
        const double seconds = median_time([&] { y = la::prod(a, b); });
        write(job, y);
        report(VERSION, setup, seconds, 1);
    } else if (job.task == "cg") {
        precondition(job, s, la::cg_tag(job.rtol, 3), la::cg_tag(job.rtol, count));
    } else if (job.task == "bicgstab") {
        precondition(job, s, la::bicgstab_tag(job.rtol, 3, 3), la::bicgstab_tag(job.rtol, count, count));
    } else if (job.task == "gmres30") {
        precondition(job, s, la::gmres_tag(job.rtol, 3, 30), la::gmres_tag(job.rtol, count, 30));
    } else {
        job.unknown();
    }
}

int main(int argc, char** argv) {
    return guarded([&] { run(Job(argc, argv)); });
}
