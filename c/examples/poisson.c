/* A Poisson equation on a square from C: assemble, solve, read the report; then the smallest eigenvalues. */
#include <stdio.h>
#include <stdlib.h>

#include "krylane.h"

static int failed(krylane_status status, const char *what) {
    if (status != KRYLANE_STATUS_OK) fprintf(stderr, "%s: %s\n", what, krylane_last_error());
    return status != KRYLANE_STATUS_OK;
}

int main(void) {
    const int64_t side = 60, n = side * side;
    int64_t *row_ptr = malloc((size_t)(n + 1) * sizeof *row_ptr);
    int64_t *columns = malloc((size_t)(5 * n) * sizeof *columns);
    double *values = malloc((size_t)(5 * n) * sizeof *values);
    double *b = malloc((size_t)n * sizeof *b), *x = malloc((size_t)n * sizeof *x);
    if (!row_ptr || !columns || !values || !b || !x) return 3;
    int64_t nnz = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = i / side, column = i % side;
        const int64_t place[5] = {i - side, i - 1, i, i + 1, i + side};
        const int inside[5] = {row > 0, column > 0, 1, column + 1 < side, row + 1 < side};
        row_ptr[i] = nnz;
        for (int k = 0; k < 5; k++) {
            if (!inside[k]) continue;
            columns[nnz] = place[k];
            values[nnz++] = k == 2 ? 4.0 : -1.0;
        }
        b[i] = 1.0;
    }
    row_ptr[n] = nnz;

    krylane_matrix *a = NULL;
    krylane_options *options = krylane_options_new();
    krylane_solver *solver = NULL;
    krylane_report *report = NULL;
    krylane_pairs *pairs = NULL;
    int code = 1;
    if (failed(krylane_matrix_from_csr(n, n, row_ptr, columns, values, 0, &a), "matrix")) goto end;
    if (failed(krylane_options_set(options, "method", "cg"), "method")) goto end;
    if (failed(krylane_options_set(options, "rtol", "1e-10"), "rtol")) goto end;
    if (failed(krylane_solver_new(a, options, &solver), "solver")) goto end;
    if (failed(krylane_solve(solver, b, x, 0, &report), "solve")) goto end;
    printf("%s after %lld iterations, residual %.1e\n", krylane_report_reason(report),
           (long long)krylane_report_iterations(report), krylane_report_relative_residual(report));
    if (!krylane_report_is_answer(report)) goto end;

    if (failed(krylane_options_set(options, "k", "2"), "k")) goto end;
    if (failed(krylane_options_set(options, "which", "SA"), "which")) goto end;
    if (failed(krylane_options_set(options, "method", "auto"), "method")) goto end;
    if (failed(krylane_eigs(a, NULL, options, &pairs), "eigs")) goto end;
    for (int64_t k = 0; k < krylane_pairs_count(pairs); k++) {
        double re = 0.0;
        if (failed(krylane_pairs_get(pairs, k, &re, NULL, NULL), "pair")) goto end;
        printf("eigenvalue %.12f\n", re);
    }
    code = krylane_pairs_converged(pairs) ? 0 : 1;
end:
    krylane_pairs_free(pairs);
    krylane_report_free(report);
    krylane_solver_free(solver);
    krylane_options_free(options);
    krylane_matrix_free(a);
    free(row_ptr);
    free(columns);
    free(values);
    free(b);
    free(x);
    return code;
}
