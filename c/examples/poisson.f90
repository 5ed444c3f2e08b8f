! A tridiagonal system from Fortran through iso_c_binding; indices count from 1.
module krylane
  use iso_c_binding
  implicit none
  interface
    integer(c_int) function krylane_matrix_from_csr(rows, cols, row_ptr, columns, values, base, out) bind(c)
      import
      integer(c_int64_t), value :: rows, cols
      integer(c_int64_t), intent(in) :: row_ptr(*), columns(*)
      real(c_double), intent(in) :: values(*)
      integer(c_int), value :: base
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function krylane_solver_new(matrix, options, out) bind(c)
      import
      type(c_ptr), value :: matrix, options
      type(c_ptr), intent(out) :: out
    end function
    integer(c_int) function krylane_solve(solver, b, x, from_x, report) bind(c)
      import
      type(c_ptr), value :: solver
      real(c_double), intent(in) :: b(*)
      real(c_double), intent(inout) :: x(*)
      integer(c_int), value :: from_x
      type(c_ptr), intent(out) :: report
    end function
    integer(c_int) function krylane_report_is_answer(report) bind(c)
      import
      type(c_ptr), value :: report
    end function
    real(c_double) function krylane_report_relative_residual(report) bind(c)
      import
      type(c_ptr), value :: report
    end function
    subroutine krylane_report_free(report) bind(c)
      import
      type(c_ptr), value :: report
    end subroutine
    subroutine krylane_solver_free(solver) bind(c)
      import
      type(c_ptr), value :: solver
    end subroutine
    subroutine krylane_matrix_free(matrix) bind(c)
      import
      type(c_ptr), value :: matrix
    end subroutine
  end interface
end module

program poisson
  use krylane
  implicit none
  integer, parameter :: n = 500
  integer(c_int64_t) :: row_ptr(n + 1), columns(3 * n), nnz
  real(c_double) :: values(3 * n), b(n), x(n)
  type(c_ptr) :: a, solver, report
  integer :: i
  nnz = 1
  do i = 1, n
    row_ptr(i) = nnz
    if (i > 1) call entry(i - 1, -1d0)
    call entry(i, 2d0)
    if (i < n) call entry(i + 1, -1d0)
  end do
  row_ptr(n + 1) = nnz
  b = 1d0
  x = 0d0
  if (krylane_matrix_from_csr(int(n, c_int64_t), int(n, c_int64_t), row_ptr, columns, values, 1_c_int, a) /= 0) stop 2
  if (krylane_solver_new(a, c_null_ptr, solver) /= 0) stop 3
  if (krylane_solve(solver, b, x, 0_c_int, report) /= 0) stop 4
  print '(a, es9.2)', 'residual ', krylane_report_relative_residual(report)
  if (krylane_report_is_answer(report) /= 1) stop 5
  ! The exact solution is i (n + 1 - i) / 2.
  if (abs(x(250) - 250d0 * (n + 1 - 250) / 2d0) > 1d-3) stop 6
  call krylane_report_free(report)
  call krylane_solver_free(solver)
  call krylane_matrix_free(a)
contains
  subroutine entry(column, value)
    integer, intent(in) :: column
    real(c_double), intent(in) :: value
    columns(nnz) = column
    values(nnz) = value
    nnz = nnz + 1
  end subroutine
end program
