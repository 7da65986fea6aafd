# macOS on Apple's processors by the clang within the Python package "ziglang": it brings headers
# of the system's libraries. A check that the static library's sources compile; nothing is run.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_PROCESSOR arm64)
set(CMAKE_SYSTEM_VERSION 22)
execute_process(
  COMMAND python3 -c "import os, ziglang; print(os.path.dirname(ziglang.__file__))"
  OUTPUT_VARIABLE _ziglang OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(CMAKE_C_COMPILER ${_ziglang}/zig cc -target aarch64-macos)
set(CMAKE_CXX_COMPILER ${_ziglang}/zig c++ -target aarch64-macos)
set(CMAKE_INSTALL_NAME_TOOL true)                    # Apple's own, which is not needed
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # the first link would build a C++ library
foreach(language C CXX)
  set(CMAKE_${language}_ARCHIVE_CREATE "${_ziglang}/zig ar crs <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_APPEND "${_ziglang}/zig ar rs <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_FINISH "")
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
