/* krylane: sparse linear systems and eigenproblems by Krylov-subspace methods, on GPUs and CPUs.
 *
 * Made from c/src by cbindgen; a test compares the two.
 *
 * Ownership. A function with an `out` argument makes an object that the caller frees with the function named in its text.
 * Freeing NULL does nothing. Text returned as `const char *` belongs to the object it was asked of, or to the thread.
 *
 * Errors. Functions return a `krylane_status`. `krylane_last_error` tells what was wrong with the thread's last call that
 * did not return KRYLANE_STATUS_OK. Outputs are untouched then. NULL where an object or an array is needed is
 * KRYLANE_STATUS_BAD_INPUT.
 *
 * Threads. An object may move between threads. A solver serves one call at a time; matrices, options and reports may be
 * read by several threads at once. No function calls exit, prints, or lets a panic out.
 */

#ifndef KRYLANE_H
#define KRYLANE_H

#include <stddef.h>
#include <stdint.h>

/*
 How a call ended.
 */
typedef enum krylane_status {
  /*
   The call did what it says. Of a solve: there is a report; ask it whether x is an answer.
   */
  KRYLANE_STATUS_OK = 0,
  /*
   An argument can't be used as given.
   */
  KRYLANE_STATUS_BAD_INPUT = 2,
  /*
   The machine can't do it: no adapter, no memory, a file that can't be read.
   */
  KRYLANE_STATUS_ENVIRONMENT = 3,
  /*
   A bug of krylane's, or a callback that panicked. The object of the call should be freed.
   */
  KRYLANE_STATUS_PANIC = 4,
} krylane_status;

/*
 What is known of an operator by its maker's word.
 */
typedef enum krylane_structure {
  /*
   Nothing.
   */
  KRYLANE_STRUCTURE_GENERAL = 0,
  /*
   A equals its transpose.
   */
  KRYLANE_STRUCTURE_SYMMETRIC = 1,
  /*
   Symmetric, and x'Ax > 0 for x other than 0.
   */
  KRYLANE_STRUCTURE_DEFINITE = 2,
} krylane_structure;

/*
 A matrix, or an operator that stands for one. Free it with `krylane_matrix_free`; solvers made of it live on.
 */
typedef struct krylane_matrix krylane_matrix;

/*
 What a solve or an eigenproblem is asked for. Free it with `krylane_options_free`.
 */
typedef struct krylane_options krylane_options;

/*
 Eigenpairs. Free them with `krylane_pairs_free`.
 */
typedef struct krylane_pairs krylane_pairs;

/*
 How a solve ended and what it cost. Free it with `krylane_report_free`.
 */
typedef struct krylane_report krylane_report;

/*
 A matrix with a plan for it. It serves any number of right-hand sides, one call at a time.
 Free it with `krylane_solver_free`.
 */
typedef struct krylane_solver krylane_solver;

/*
 y = A x for whole vectors. Returns 0, or another number where it fails; the solve ends with KRYLANE_STATUS_PANIC then.
 Called by one thread at a time for one solver, though not always by the same one; solvers of one matrix that work at the
 same time call it at the same time.
 */
typedef int (*krylane_product)(const double *x, double *y, void *user);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Version of the library, as in "0.1.0". Never NULL; never freed.
 */
const char *krylane_version(void);

/*
 What was wrong with this thread's last call that did not return KRYLANE_STATUS_OK; empty before. Valid until the
 thread's next call that fails.
 */
const char *krylane_last_error(void);

/*
 Eigenpairs A x = lambda x, or A x = lambda B x where `mass` is not NULL. Both need stored entries. How many and which is
 said by the options "k", "which" and "sigma"; NULL is the defaults. Pairs that were found are kept whatever the outcome.
 Free them with `krylane_pairs_free`.

 # Safety
 The objects come from this library and are not freed; `out` is a place for a pointer.
 */
enum krylane_status krylane_eigs(const struct krylane_matrix *matrix,
                                 const struct krylane_matrix *mass,
                                 const struct krylane_options *options,
                                 struct krylane_pairs **out);

/*
 1 where every pair asked for was found and verified in f64, 0 else.

 # Safety
 `pairs` is NULL, or comes from this library and is not freed.
 */
int krylane_pairs_converged(const struct krylane_pairs *pairs);

/*
 How the search ended. Valid as long as the pairs.

 # Safety
 `pairs` is NULL, or comes from this library and is not freed.
 */
const char *krylane_pairs_reason(const struct krylane_pairs *pairs);

/*
 How many pairs there are.

 # Safety
 `pairs` is NULL, or comes from this library and is not freed.
 */
int64_t krylane_pairs_count(const struct krylane_pairs *pairs);

/*
 Pair `k`, counted from 0: its value, and its vector of as many entries as A has rows. Of a pair of conjugate values the
 first one's vector is the real part, the second one's the imaginary part. Places that are NULL are left out.

 # Safety
 `pairs` comes from this library and is not freed; `vector` has room.
 */
enum krylane_status krylane_pairs_get(const struct krylane_pairs *pairs,
                                      int64_t k,
                                      double *re,
                                      double *im,
                                      double *vector);

/*
 Frees pairs. NULL is nothing to free.

 # Safety
 `pairs` is NULL, or comes from this library and is freed once.
 */
void krylane_pairs_free(struct krylane_pairs *pairs);

/*
 A matrix of `rows` x `cols` in compressed sparse rows. `row_ptr` has rows + 1 entries. Indices count from `base`, 0 (C)
 or 1 (Fortran). Columns may come in any order; entries at one place are added up. The arrays are copied.
 Free the matrix with `krylane_matrix_free`.

 # Safety
 The arrays have the lengths said; `out` is a place for a pointer.
 */
enum krylane_status krylane_matrix_from_csr(int64_t rows,
                                            int64_t cols,
                                            const int64_t *row_ptr,
                                            const int64_t *columns,
                                            const double *values,
                                            int base,
                                            struct krylane_matrix **out);

/*
 A matrix from a file: Matrix Market, SciPy's .npz, and the other formats that the command line reads.
 Free it with `krylane_matrix_free`.

 # Safety
 `path` is text that ends in NUL; `out` is a place for a pointer.
 */
enum krylane_status krylane_matrix_from_file(const char *path,
                                             struct krylane_matrix **out);

/*
 An operator of `rows` x `cols` by a function for y = A x. `transpose` is that of A', needed by lsqr and lsmr; NULL
 without. `user` is handed to both; it must live as long as the matrix and all solvers made of it. What `structure` says is
 compared with a few products. Free the matrix with `krylane_matrix_free`.

 # Safety
 The functions may be called with vectors of the lengths said; `out` is a place for a pointer.
 */
enum krylane_status krylane_matrix_from_function(int64_t rows,
                                                 int64_t cols,
                                                 krylane_product apply,
                                                 krylane_product transpose,
                                                 void *user,
                                                 int structure,
                                                 struct krylane_matrix **out);

/*
 The shape of a matrix. Either place may be NULL.

 # Safety
 `matrix` comes from this library and is not freed.
 */
enum krylane_status krylane_matrix_shape(const struct krylane_matrix *matrix,
                                         int64_t *rows,
                                         int64_t *cols);

/*
 Frees a matrix. NULL is nothing to free.

 # Safety
 `matrix` is NULL, or comes from this library and is freed once.
 */
void krylane_matrix_free(struct krylane_matrix *matrix);

/*
 The defaults. Free them with `krylane_options_free`.
 */
struct krylane_options *krylane_options_new(void);

/*
 Sets an option by its name: "method", "preconditioner", "rtol", "atol", "criterion", "max_iterations", "time_limit",
 "threads", "backend", "precision", "restart" and the others of the command line, with `_` for `-`. Of an eigenproblem
 also "k", "which", "sigma", "tol". Values are text, as in "gmres", "1e-10", "amg:theta=0.08". An unknown name or value
 is KRYLANE_STATUS_BAD_INPUT, and the error names the nearest one.

 # Safety
 `options` comes from this library and is not freed; the texts end in NUL.
 */
enum krylane_status krylane_options_set(struct krylane_options *options,
                                        const char *name,
                                        const char *value);

/*
 Frees options. NULL is nothing to free.

 # Safety
 `options` is NULL, or comes from this library and is freed once.
 */
void krylane_options_free(struct krylane_options *options);

/*
 1 where x is what was asked for: the residual was recomputed in f64 and meets the tolerance, or x is the
 least-squares solution that was asked for. 0 else.

 # Safety
 `report` is NULL, or comes from this library and is not freed.
 */
int krylane_report_is_answer(const struct krylane_report *report);

/*
 How it ended, as in "Converged (Rtol)". Valid as long as the report.

 # Safety
 `report` is NULL, or comes from this library and is not freed.
 */
const char *krylane_report_reason(const struct krylane_report *report);

/*
 What to do about it, a sentence. Valid as long as the report.

 # Safety
 `report` is NULL, or comes from this library and is not freed.
 */
const char *krylane_report_advice(const struct krylane_report *report);

/*
 Everything, as JSON. Valid as long as the report.

 # Safety
 `report` is NULL, or comes from this library and is not freed.
 */
const char *krylane_report_json(const struct krylane_report *report);

/*
 |b - A x|/|b|, recomputed in f64.

 # Safety
 `report` is NULL, or comes from this library and is not freed.
 */
double krylane_report_relative_residual(const struct krylane_report *report);

/*
 |b - A x|/(|A||x| + |b|), recomputed in f64.

 # Safety
 `report` is NULL, or comes from this library and is not freed.
 */
double krylane_report_backward_error(const struct krylane_report *report);

/*
 Iterations.

 # Safety
 `report` is NULL, or comes from this library and is not freed.
 */
int64_t krylane_report_iterations(const struct krylane_report *report);

/*
 Products with A.

 # Safety
 `report` is NULL, or comes from this library and is not freed.
 */
int64_t krylane_report_products(const struct krylane_report *report);

/*
 Seconds of set-up, transfers, iterations and certificates.

 # Safety
 `report` is NULL, or comes from this library and is not freed.
 */
double krylane_report_seconds(const struct krylane_report *report);

/*
 Frees a report. NULL is nothing to free.

 # Safety
 `report` is NULL, or comes from this library and is freed once.
 */
void krylane_report_free(struct krylane_report *report);

/*
 A solver of `matrix`. `options` may be NULL for the defaults. Both may be freed afterwards.
 Free the solver with `krylane_solver_free`.

 # Safety
 `matrix` and `options` come from this library and are not freed; `out` is a place for a pointer.
 */
enum krylane_status krylane_solver_new(const struct krylane_matrix *matrix,
                                       const struct krylane_options *options,
                                       struct krylane_solver **out);

/*
 Solves A x = b. `b` has as many entries as A has rows, `x` as many as A has columns. Where `from_x` is not 0, x holds the
 initial guess, else the solve starts from 0. x holds the best solution found afterwards, whatever the outcome; the
 report says whether it is an answer. `report` may be NULL; free it with `krylane_report_free`.

 # Safety
 `solver` comes from this library, is not freed and serves no other call; the arrays have the lengths said.
 */
enum krylane_status krylane_solve(struct krylane_solver *solver,
                                  const double *b,
                                  double *x,
                                  int from_x,
                                  struct krylane_report **report);

/*
 Frees a solver. NULL is nothing to free.

 # Safety
 `solver` is NULL, or comes from this library and is freed once.
 */
void krylane_solver_free(struct krylane_solver *solver);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KRYLANE_H */
