# Adds the sources that need NvInfer.h if it is there; the libraries are opened at run time.
# PYENGINE_TENSORRT = ON demands it, AUTO takes it where found, OFF leaves it out.
set(_tensorrt_missing "switched off")
if(NOT PYENGINE_TENSORRT STREQUAL "OFF")
  find_path(TENSORRT_INCLUDE_DIR NvInfer.h
    HINTS ${TENSORRT_ROOT} ENV TENSORRT_ROOT ENV TENSORRT_INCLUDE_DIR
    PATH_SUFFIXES include include/x86_64-linux-gnu
    DOC "Folder of NvInfer.h, version 10.12 or later")
  find_package(CUDAToolkit 12.4 QUIET)
  if(NOT TENSORRT_INCLUDE_DIR)
    set(_tensorrt_missing "no NvInfer.h; set TENSORRT_ROOT or TENSORRT_INCLUDE_DIR")
  elseif(NOT CUDAToolkit_FOUND)
    set(_tensorrt_missing "no CUDA toolkit, whose headers NvInfer.h includes")
  else()
    set(_tensorrt_missing "")
  endif()
endif()
if(NOT _tensorrt_missing)
  message(STATUS "TensorRT: headers in ${TENSORRT_INCLUDE_DIR}")
  target_sources(pyengine PRIVATE csrc/src/tensorrt/log.cc csrc/src/tensorrt/plan_builder.cc)
  target_include_directories(pyengine SYSTEM PRIVATE
    ${TENSORRT_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
elseif(PYENGINE_TENSORRT STREQUAL "ON")
  message(FATAL_ERROR "PYENGINE_TENSORRT=ON: ${_tensorrt_missing}")
else()
  message(STATUS "TensorRT: plans cannot be built here (${_tensorrt_missing})")
  target_sources(pyengine PRIVATE csrc/src/tensorrt/plan_builder_missing.cc)
endif()
if(PYENGINE_HAS_CUDA AND NOT _tensorrt_missing)
  target_sources(pyengine PRIVATE csrc/src/tensorrt/plan_network.cc)
else()
  target_sources(pyengine PRIVATE csrc/src/tensorrt/plan_network_missing.cc)
endif()
