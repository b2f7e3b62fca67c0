# Compiler flags shared by every target, and ccache when it is installed.
find_program(TORCHVET_CCACHE ccache)
if(TORCHVET_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${TORCHVET_CCACHE}")
endif()

add_library(torchvet_flags INTERFACE)
target_compile_options(torchvet_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                                -Wno-missing-field-initializers)
# GCC 12 warns of overlapping copies inside its own std::string (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(torchvet_flags INTERFACE -Wno-restrict)
endif()
if(TORCHVET_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
