# What a build holds of others, for its SBOM (a list of parts, licences and hashes in the formats
# SPDX 2.3 and CycloneDX 1.6). Where a part is linked, pyengine_contains() says so.

# pyengine_contains(<target> NAME <name> VERSION <version> LICENCE <SPDX expression>
#                   PURL <package URL> HOW STATIC|HEADERS|DYNAMIC)
function(pyengine_contains target)
  cmake_parse_arguments(PARSE_ARGV 1 part "" "NAME;VERSION;LICENCE;PURL;HOW" "")
  set(json "{}")
  foreach(field NAME VERSION LICENCE PURL HOW)
    string(TOLOWER ${field} key)
    string(JSON json SET "${json}" ${key} "\"${part_${field}}\"")
  endforeach()
  set_property(GLOBAL APPEND PROPERTY PYENGINE_CONTENTS_${target} "${json}")
endfunction()

# Beside `artifact` [relative to the prefix], installs its SBOMs into `folder`. The script runs at
# install time, as hashes are of what is installed.
function(pyengine_install_sbom name folder component artifact)
  set(parts "")
  foreach(target ${ARGN})
    get_property(json GLOBAL PROPERTY PYENGINE_CONTENTS_${target})
    list(APPEND parts ${json})
  endforeach()
  list(JOIN parts "," parts)
  file(WRITE ${PROJECT_BINARY_DIR}/sbom/${name}.json "[${parts}]")
  foreach(setting
      "name ${name}" "artifact ${artifact}" "folder ${folder}"
      "parts ${PROJECT_BINARY_DIR}/sbom/${name}.json"
      "version ${PROJECT_VERSION}" "epoch ${PYENGINE_DATE_EPOCH}"
      "compiler ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
    string(REGEX REPLACE "^([a-z]+) (.*)$" "set(sbom_\\1 \"\\2\")" setting "${setting}")
    install(CODE "${setting}" COMPONENT ${component})
  endforeach()
  install(SCRIPT csrc/cmake/write_sbom.cmake COMPONENT ${component})
endfunction()

# The run-time libraries of the compiler. Toolchain files say where they are linked statically.
if(NOT DEFINED PYENGINE_RUNTIME_HOW)
  set(PYENGINE_RUNTIME_HOW DYNAMIC)
endif()
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("#include <cstddef>
  #ifndef _LIBCPP_VERSION
  #error
  #endif
  int main() {}" PYENGINE_USES_LIBCXX)
if(PYENGINE_USES_LIBCXX)
  pyengine_contains(pyengine NAME libc++ VERSION ${CMAKE_CXX_COMPILER_VERSION}
    LICENCE "Apache-2.0 WITH LLVM-exception" PURL pkg:github/llvm/llvm-project
    HOW ${PYENGINE_RUNTIME_HOW})
elseif(NOT MSVC)
  pyengine_contains(pyengine NAME libstdc++ VERSION ${CMAKE_CXX_COMPILER_VERSION}
    LICENCE "GPL-3.0-or-later WITH GCC-exception-3.1" PURL pkg:generic/gcc
    HOW ${PYENGINE_RUNTIME_HOW})
endif()
