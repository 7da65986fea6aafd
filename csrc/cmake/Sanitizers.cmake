# PYENGINE_SANITIZE instruments everything and is passed on to whoever links the library. With a
# check of every access, -O2 and all debug information take GCC twice as long as -O1 with line
# numbers, and ten minutes over the kernels for AVX-512.
function(pyengine_sanitize target)
  if(NOT PYENGINE_SANITIZE)
    return()
  endif()
  string(REPLACE ";" "," list "${PYENGINE_SANITIZE}")
  target_compile_options(${target} PUBLIC
    $<$<COMPILE_LANGUAGE:C,CXX>:-O1;-g1;-fsanitize=${list};-fno-omit-frame-pointer;-fno-sanitize-recover=all>)
  target_link_options(${target} PUBLIC -fsanitize=${list})
endfunction()
