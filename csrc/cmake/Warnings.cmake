# Warnings for our own targets, never for those who embed the library.
function(pyengine_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow
                         $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>)
  if(PYENGINE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
