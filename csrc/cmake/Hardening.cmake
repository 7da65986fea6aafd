# PYENGINE_HARDENING compiles and links our own targets so that a mistake in memory is caught or
# harder to exploit. tests/install/check_hardening reads the result.
include(CheckCXXCompilerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C CXX)

set(_hardening_compile "")
set(_hardening_link "")
# (Other systems than ELF's have their own: Windows' linkers randomise addresses by themselves.)
if(PYENGINE_HARDENING AND UNIX AND NOT APPLE)
  foreach(flag -fstack-protector-strong -fstack-clash-protection
               -fcf-protection=full          # x86: shadow stacks, indirect branch tracking
               -mbranch-protection=standard) # aarch64: signed return addresses, branch targets
    string(MAKE_C_IDENTIFIER "PYENGINE_COMPILER_HAS${flag}" known)
    check_cxx_compiler_flag("-Werror ${flag}" ${known})
    if(${known})
      list(APPEND _hardening_compile ${flag})
    endif()
  endforeach()
  # The C library checks lengths only where code is optimised. Sanitizers check more, themselves.
  if(NOT PYENGINE_SANITIZE)
    list(APPEND _hardening_compile
      "$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")
  endif()
  set(_hardening_link -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()

function(pyengine_harden target)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:C,CXX>:${_hardening_compile}>")
  get_target_property(type ${target} TYPE)
  if(NOT type MATCHES "STATIC|OBJECT")
    target_link_options(${target} PRIVATE ${_hardening_link})
  endif()
endfunction()
