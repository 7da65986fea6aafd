# PYENGINE_SANITIZE instruments everything and is passed on to whoever links the library.
function(pyengine_sanitize target)
  if(NOT PYENGINE_SANITIZE)
    return()
  endif()
  string(REPLACE ";" "," list "${PYENGINE_SANITIZE}")
  target_compile_options(${target} PUBLIC
    $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${list};-fno-omit-frame-pointer;-fno-sanitize-recover=all>)
  target_link_options(${target} PUBLIC -fsanitize=${list})
endfunction()
