# find_package(krylane): the imported target krylane::krylane. The library is looked for beside this folder, as
# `cargo build --release` leaves it, and then where libraries are installed.
find_path(KRYLANE_INCLUDE_DIR krylane.h HINTS "${CMAKE_CURRENT_LIST_DIR}/../include" "${CMAKE_CURRENT_LIST_DIR}/../../../include")
find_library(KRYLANE_LIBRARY NAMES krylane_c HINTS "${CMAKE_CURRENT_LIST_DIR}/../../target/release" "${CMAKE_CURRENT_LIST_DIR}/../target/release" "${CMAKE_CURRENT_LIST_DIR}/../..")
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(krylane REQUIRED_VARS KRYLANE_LIBRARY KRYLANE_INCLUDE_DIR)
if(krylane_FOUND AND NOT TARGET krylane::krylane)
  add_library(krylane::krylane UNKNOWN IMPORTED)
  set_target_properties(krylane::krylane PROPERTIES
    IMPORTED_LOCATION "${KRYLANE_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${KRYLANE_INCLUDE_DIR}")
endif()
