# PYENGINE_TENSORRT adds the sources that need NvInfer.h; the libraries are opened at run time.
if(PYENGINE_TENSORRT)
  find_path(TENSORRT_INCLUDE_DIR NvInfer.h
    HINTS ${TENSORRT_ROOT} ENV TENSORRT_ROOT ENV TENSORRT_INCLUDE_DIR
    PATH_SUFFIXES include include/x86_64-linux-gnu
    DOC "Folder of NvInfer.h, version 10.12 or later")
  find_package(CUDAToolkit 12.4 QUIET)
  if(NOT TENSORRT_INCLUDE_DIR)
    message(FATAL_ERROR
            "PYENGINE_TENSORRT=ON: no NvInfer.h; set TENSORRT_ROOT or TENSORRT_INCLUDE_DIR")
  elseif(NOT CUDAToolkit_FOUND)
    message(FATAL_ERROR "PYENGINE_TENSORRT=ON: no CUDA toolkit, whose headers NvInfer.h includes")
  endif()
  message(STATUS "TensorRT: headers in ${TENSORRT_INCLUDE_DIR}")
  target_sources(pyengine PRIVATE csrc/src/tensorrt/log.cc csrc/src/tensorrt/plan_builder.cc)
  target_include_directories(pyengine SYSTEM PRIVATE
    ${TENSORRT_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
  pyengine_contains(pyengine NAME TensorRT VERSION "" LICENCE Apache-2.0
                    PURL pkg:github/nvidia/tensorrt HOW HEADERS)
else()
  message(STATUS "TensorRT: plans cannot be built (PYENGINE_TENSORRT=OFF)")
  target_sources(pyengine PRIVATE csrc/src/tensorrt/plan_builder_missing.cc)
endif()
if(PYENGINE_CUDA AND PYENGINE_TENSORRT)
  target_sources(pyengine PRIVATE csrc/src/tensorrt/plan_network.cc)
else()
  target_sources(pyengine PRIVATE csrc/src/tensorrt/plan_network_missing.cc)
endif()
