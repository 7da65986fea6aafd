# What depends on the system and the family of processors: one file per system in core/platform/,
# one processor_*.cc per family.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(PYENGINE_X86_64 ON)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  set(PYENGINE_ARM64 ON)
endif()

set(_platform csrc/src/core/platform)
if(CMAKE_SYSTEM_NAME STREQUAL "Windows")
  set(PYENGINE_PLATFORM_SOURCES ${_platform}/windows.cc)
elseif(CMAKE_SYSTEM_NAME STREQUAL "Darwin")
  set(PYENGINE_PLATFORM_SOURCES ${_platform}/posix.cc ${_platform}/darwin.cc)
else()
  set(PYENGINE_PLATFORM_SOURCES ${_platform}/posix.cc ${_platform}/linux.cc)
endif()

# Rounding that the source decides: a multiply and an add fuse only where it says so, whatever the
# processor could. Every machine then gives the same bits, and so does every part of a kernel.
function(pyengine_platform target)
  target_compile_options(${target} PRIVATE
    $<$<AND:$<COMPILE_LANGUAGE:C,CXX>,$<NOT:$<CXX_COMPILER_ID:MSVC>>>:-ffp-contract=off>
    $<$<AND:$<COMPILE_LANGUAGE:C,CXX>,$<CXX_COMPILER_ID:MSVC>>:/fp:precise;/utf-8>)
  if(WIN32)
    target_compile_definitions(${target} PRIVATE _WIN32_WINNT=0x0A00 WIN32_LEAN_AND_MEAN NOMINMAX)
  endif()
endfunction()
