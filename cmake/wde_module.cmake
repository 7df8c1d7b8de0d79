# wde_module(NAME [DEPENDS module...] [LIBRARIES target...] [PUBLIC_LIBRARIES target...])
#
# One folder under src/ = one static library `wde_NAME` made of the folder's *.cc files (its
# sub-folders too). DEPENDS names the folders it may include, which is also all it is linked with;
# tests/architecture checks the includes against the same table.
function(wde_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES;PUBLIC_LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc")
  if(NOT sources)
    add_library(wde_${name} INTERFACE)
    target_include_directories(wde_${name} INTERFACE
      "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
    foreach(dependency IN LISTS ARG_DEPENDS)
      target_link_libraries(wde_${name} INTERFACE wde_${dependency})
    endforeach()
    return()
  endif()
  add_library(wde_${name} STATIC ${sources})
  if(WDE_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # In kernels of many instruction sets, Clang 14 takes minutes over this check alone; AddressSanitizer
    # sees the accesses themselves.
    set(kernels ${sources})
    list(FILTER kernels INCLUDE REGEX "_kernels?\\.cc$")
    set_source_files_properties(${kernels} PROPERTIES COMPILE_OPTIONS -fno-sanitize=pointer-overflow)
  endif()
  target_include_directories(wde_${name} PUBLIC
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(wde_${name} PRIVATE wde_options ${ARG_LIBRARIES} PUBLIC ${ARG_PUBLIC_LIBRARIES})
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(wde_${name} PUBLIC wde_${dependency})
  endforeach()
endfunction()
