# find_package(krylane) gives the imported target krylane::krylane. This file lies in PREFIX/lib/cmake/krylane.
get_filename_component(krylane_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
find_path(KRYLANE_INCLUDE_DIR krylane.h HINTS "${krylane_prefix}/include")
find_library(KRYLANE_LIBRARY NAMES krylane_c HINTS "${krylane_prefix}/lib")
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(krylane REQUIRED_VARS KRYLANE_LIBRARY KRYLANE_INCLUDE_DIR)
if(krylane_FOUND AND NOT TARGET krylane::krylane)
  add_library(krylane::krylane UNKNOWN IMPORTED)
  set_target_properties(krylane::krylane PROPERTIES
    IMPORTED_LOCATION "${KRYLANE_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${KRYLANE_INCLUDE_DIR}")
endif()
