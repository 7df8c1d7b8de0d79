# Language level, warnings as errors, sanitizers, ccache: what holds for every target of ours.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(WDE_CCACHE ccache)
if(WDE_CCACHE)
  # Paths below the source folder count as relative ones: checkouts share what the cache holds.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    "${CMAKE_COMMAND};-E;env;CCACHE_BASEDIR=${CMAKE_SOURCE_DIR};CCACHE_NOHASHDIR=1;${WDE_CCACHE}")
endif()

add_library(wde_options INTERFACE)
target_compile_options(wde_options INTERFACE
  # GCC 12 reports a false -Wrestrict inside std::string (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers
  -Werror)
# Fused only where the code says so: compilers fuse a product and a sum in one instance of a template and not in
# another, and a row's bits would depend on its place in a batch.
target_compile_options(wde_options INTERFACE -ffp-contract=off)
# A line number in every stack trace, at a fraction of -g's size and build time.
target_compile_options(wde_options INTERFACE $<$<CONFIG:Release>:-g1>)
if(WDE_SANITIZE)
  target_compile_options(wde_options INTERFACE
    -fsanitize=${WDE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(wde_options INTERFACE -fsanitize=${WDE_SANITIZE})
endif()
