# What `cmake --install` puts where. A program links the library by any of three ways: find_package(unblock) and
# unblock::unblock, `pkg-config unblock`, or plain -lunblock.
include(CMakePackageConfigHelpers)

set(unblock_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/unblock)
set(unblock_generated_folder ${CMAKE_CURRENT_BINARY_DIR}/package)

add_library(unblock::unblock ALIAS unblock)
install(TARGETS unblock EXPORT unblock LIBRARY)
install(DIRECTORY include/unblock TYPE INCLUDE)

# gdb loads the extension by itself from its own folder, in which the path of the library is repeated, when the prefix is
# gdb's own; beside the library it does where its user has declared that folder safe.
foreach(folder ${CMAKE_INSTALL_LIBDIR} ${CMAKE_INSTALL_DATADIR}/gdb/auto-load${CMAKE_INSTALL_FULL_LIBDIR})
  install(FILES scripts/unblock-gdb.py DESTINATION ${folder} RENAME libunblock.so.${PROJECT_VERSION}-gdb.py)
endforeach()
install(FILES LICENSE README.md TYPE DOC)
install(EXPORT unblock NAMESPACE unblock:: FILE unblockConfig.cmake DESTINATION ${unblock_package_folder})

write_basic_package_version_file(${unblock_generated_folder}/unblockConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${unblock_generated_folder}/unblockConfigVersion.cmake DESTINATION ${unblock_package_folder})

# The paths are relative to the file itself, so that an installed tree may be moved.
file(RELATIVE_PATH unblock_prefix_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/unblock.pc.in ${unblock_generated_folder}/unblock.pc @ONLY)
install(FILES ${unblock_generated_folder}/unblock.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
