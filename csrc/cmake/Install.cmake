# What `cmake --install` brings, in components: `library` runs programs, `development` builds
# them, `engines` are the networks that ship, with the terms of their data.
set(_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/pyengine)
set(_sbom_folder ${CMAKE_INSTALL_DATAROOTDIR}/pyengine/sbom)
set(_engines_folder ${CMAKE_INSTALL_DATAROOTDIR}/pyengine/engines)
install(TARGETS pyengine EXPORT pyengineTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
                NAMELINK_COMPONENT development
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT library)
install(DIRECTORY csrc/include/pyengine ${PROJECT_BINARY_DIR}/include/pyengine
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
foreach(component library development engines)
  install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR}/${component}
          COMPONENT ${component})
endforeach()
install(DIRECTORY pyengine/engines/ DESTINATION ${_engines_folder} COMPONENT engines
        FILES_MATCHING PATTERN "*.pyengine" PATTERN "*.md")

# What is inside of each
if(BUILD_SHARED_LIBS)
  set(_component library)
else()
  set(_component development)
endif()
pyengine_install_sbom(pyengine ${_sbom_folder} ${_component}
                      ${CMAKE_INSTALL_LIBDIR}/$<TARGET_FILE_NAME:pyengine> pyengine)
pyengine_install_sbom(pyengine-engines ${_sbom_folder} engines ${_engines_folder})

# CMake's package
install(EXPORT pyengineTargets NAMESPACE pyengine:: DESTINATION ${_package_folder}
        COMPONENT development)
# A program in C that links the static library needs the run-time library of C++ by name.
set(PYENGINE_CXX_LIBRARIES ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
list(REMOVE_ITEM PYENGINE_CXX_LIBRARIES ${CMAKE_C_IMPLICIT_LINK_LIBRARIES})
set(PYENGINE_ENGINES_FOLDER ${_engines_folder})
configure_package_config_file(csrc/cmake/pyengineConfig.cmake.in
  ${PROJECT_BINARY_DIR}/pyengineConfig.cmake
  INSTALL_DESTINATION ${_package_folder} PATH_VARS PYENGINE_ENGINES_FOLDER)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/pyengineConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/pyengineConfig.cmake
              ${PROJECT_BINARY_DIR}/pyengineConfigVersion.cmake
        DESTINATION ${_package_folder} COMPONENT development)

# pkg-config
set(PYENGINE_PC_PRIVATE ${PYENGINE_CXX_LIBRARIES} ${CMAKE_DL_LIBS})
if(PYENGINE_CUDA)
  list(APPEND PYENGINE_PC_PRIVATE cudart_static rt)
endif()
list(TRANSFORM PYENGINE_PC_PRIVATE PREPEND -l)
list(JOIN PYENGINE_PC_PRIVATE " " PYENGINE_PC_PRIVATE)
if(PYENGINE_CUDA) # not where linkers look by themselves
  get_filename_component(_cudart_folder "${CUDA_cudart_static_LIBRARY}" DIRECTORY)
  set(PYENGINE_PC_PRIVATE "-L${_cudart_folder} ${PYENGINE_PC_PRIVATE}")
endif()
set(PYENGINE_PC_PRIVATE "${PYENGINE_PC_PRIVATE} ${CMAKE_THREAD_LIBS_INIT}")
set(PYENGINE_PC_LIBRARIES "-L\${libdir} -lpyengine")
if(NOT BUILD_SHARED_LIBS) # where only the static library is, nobody has to ask for --static
  set(PYENGINE_PC_LIBRARIES "${PYENGINE_PC_LIBRARIES} ${PYENGINE_PC_PRIVATE}")
  set(PYENGINE_PC_PRIVATE "")
endif()
# Relative to the file itself, so that the installed tree may be moved.
file(RELATIVE_PATH PYENGINE_PC_PREFIX
     /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" PYENGINE_PC_PREFIX "${PYENGINE_PC_PREFIX}")
configure_file(csrc/cmake/pyengine.pc.in ${PROJECT_BINARY_DIR}/pyengine.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/pyengine.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT development)
