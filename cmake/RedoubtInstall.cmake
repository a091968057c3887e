# What `cmake --install` puts where, so that find_package(redoubt CONFIG) finds it from any prefix.
include(CMakePackageConfigHelpers)

install(TARGETS redoubt EXPORT redoubt-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILE_SET tables DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT redoubt-targets NAMESPACE redoubt:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/redoubt)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/redoubt-config.cmake.in
                              ${CMAKE_CURRENT_BINARY_DIR}/redoubt-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/redoubt)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/redoubt-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/redoubt-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/redoubt-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/redoubt)

# `./dev package`: the same as a tarball.
if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_PACKAGE_FILE_NAME redoubt-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
  set(CPACK_PACKAGE_VENDOR Redoubt)
  set(CPACK_GENERATOR TGZ)
  set(CPACK_VERBATIM_VARIABLES ON)
  include(CPack)
endif()
