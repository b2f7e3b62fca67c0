# Finds LibTorch in the directory TORCHVET_LIBTORCH: an unpacked LibTorch, or the `torch` folder of a
# Python environment (both have include/ and lib/). Makes the target LibTorch::LibTorch.
#
# find_package(Torch) is not used: it asks for CUDA, MKL and protobuf when the library was built
# with them, and none of that is needed to parse TorchScript on a CPU.
set(TORCHVET_LIBTORCH "$ENV{TORCHVET_LIBTORCH}" CACHE PATH
    "Directory of LibTorch: the one that holds include/ and lib/")
if(NOT TORCHVET_LIBTORCH)
  message(FATAL_ERROR
    "The graph worker needs LibTorch. Say where it is:\n"
    "  cmake -DTORCHVET_LIBTORCH=$(python3 -c 'import torch; print(torch.__path__[0])') ...\n"
    "or build without it, which leaves the graphs of TorchScript programs unanalysed:\n"
    "  cmake -DTORCHVET_WORKER=OFF ...")
endif()

# What was found in another directory before does not count any more.
if(NOT TORCHVET_LIBTORCH STREQUAL "${LibTorch_SEARCHED}")
  unset(LibTorch_INCLUDE_DIR CACHE)
  unset(LibTorch_CPU_LIBRARY CACHE)
  unset(LibTorch_C10_LIBRARY CACHE)
  set(LibTorch_SEARCHED "${TORCHVET_LIBTORCH}" CACHE INTERNAL "")
endif()

find_path(LibTorch_INCLUDE_DIR torch/csrc/jit/serialization/import_source.h
          PATHS "${TORCHVET_LIBTORCH}/include" NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS "${TORCHVET_LIBTORCH}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 PATHS "${TORCHVET_LIBTORCH}/lib" NO_DEFAULT_PATH)

# Its release, as its headers tell it: "2.13".
set(LibTorch_VERSION "")
if(EXISTS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h")
  file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h" torch_numbers
       REGEX "^#define TORCH_VERSION_(MAJOR|MINOR) ")
  string(REGEX REPLACE "[^0-9]*([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2" LibTorch_VERSION
         "${torch_numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "there is no LibTorch in TORCHVET_LIBTORCH=${TORCHVET_LIBTORCH}")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch INTERFACE
    "${LibTorch_INCLUDE_DIR}" "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  target_link_libraries(LibTorch::LibTorch INTERFACE "${LibTorch_CPU_LIBRARY}"
                                                     "${LibTorch_C10_LIBRARY}")
endif()
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY)
