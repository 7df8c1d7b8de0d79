# What `cmake --install` puts where: bin/wde, lib/libwde.so, include/wde, and the package that makes
# find_package(wde) and wde::wde work. The shared library is the static rooms in one, showing the public API
# alone; what they are linked with is its own business, so that a user needs none of it to build.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The rooms that define the public symbols go in whole, the others as far as these need them.
add_library(wde_shared SHARED
  $<TARGET_OBJECTS:wde_base> $<TARGET_OBJECTS:wde_workflow> $<TARGET_OBJECTS:wde_engine>
  $<TARGET_OBJECTS:wde_retrieval>)
set_target_properties(wde_shared PROPERTIES
  LINKER_LANGUAGE CXX
  OUTPUT_NAME wde
  EXPORT_NAME wde
  VERSION "${PROJECT_VERSION}"
  SOVERSION "${PROJECT_VERSION_MAJOR}"
  LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/libwde.map")
target_include_directories(wde_shared INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
target_compile_features(wde_shared INTERFACE cxx_std_20)
target_link_options(wde_shared PRIVATE "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/libwde.map")
target_link_libraries(wde_shared PRIVATE wde_options wde_engine wde_retrieval)

install(TARGETS wde RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(TARGETS wde_shared EXPORT wdeTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/wde" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h")
set(WDE_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/wde")
install(EXPORT wdeTargets NAMESPACE wde:: FILE wdeConfig.cmake DESTINATION "${WDE_PACKAGE_DIR}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/wdeConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/wdeConfigVersion.cmake" DESTINATION "${WDE_PACKAGE_DIR}")
