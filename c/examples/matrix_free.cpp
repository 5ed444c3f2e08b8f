// An operator without stored entries from C++: -u'' on a line, by a function for whole vectors.
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

#include "krylane.h"

namespace {

void check(krylane_status status) {
    if (status != KRYLANE_STATUS_OK) throw std::runtime_error(krylane_last_error());
}

template <typename T> using Owned = std::unique_ptr<T, void (*)(T *)>;

struct Line {
    std::size_t n;
    int products = 0;
};

extern "C" int second_difference(const double *x, double *y, void *user) {
    auto &line = *static_cast<Line *>(user);
    line.products++;
    for (std::size_t i = 0; i < line.n; i++) {
        const double left = i > 0 ? x[i - 1] : 0.0, right = i + 1 < line.n ? x[i + 1] : 0.0;
        y[i] = 2.0 * x[i] - left - right;
    }
    return 0;
}

}  // namespace

int main() try {
    Line line{200};
    const auto n = static_cast<std::int64_t>(line.n);
    krylane_matrix *made = nullptr;
    check(krylane_matrix_from_function(n, n, second_difference, nullptr, &line, KRYLANE_STRUCTURE_DEFINITE, &made));
    const Owned<krylane_matrix> a(made, krylane_matrix_free);
    const Owned<krylane_options> options(krylane_options_new(), krylane_options_free);
    check(krylane_options_set(options.get(), "backend", "cpu"));
    krylane_solver *started = nullptr;
    check(krylane_solver_new(a.get(), options.get(), &started));
    const Owned<krylane_solver> solver(started, krylane_solver_free);
    const std::vector<double> b(line.n, 1.0);
    std::vector<double> x(line.n);
    krylane_report *told = nullptr;
    check(krylane_solve(solver.get(), b.data(), x.data(), 0, &told));
    const Owned<krylane_report> report(told, krylane_report_free);
    // The exact solution is i (n + 1 - i) / 2 for i counted from 1.
    const double middle = 100.0 * (n + 1 - 100.0) / 2.0;
    std::printf("%s, x in the middle %.6f, exact %.6f, %d products\n", krylane_report_reason(report.get()), x[99],
                middle, line.products);
    const bool right = x[99] > middle * (1.0 - 1e-6) && x[99] < middle * (1.0 + 1e-6);
    return krylane_report_is_answer(report.get()) && right ? 0 : 1;
} catch (const std::exception &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
