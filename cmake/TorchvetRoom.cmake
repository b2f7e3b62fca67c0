# torchvet_room(NAME SOURCES file... [DEPENDS room...] [LIBRARIES target...] [DIRECTORY dir])
#
# Makes the library torchvet_NAME from the sources of one room. Headers are included by room:
# `#include "core/error.h"`. To let the build itself enforce who may know whom, a room's headers
# are reachable only through an include directory of its own, which holds nothing but a link to
# that room; a target sees the directories of its DEPENDS (and of theirs) and no others.
# A room without sources (headers only) becomes an interface library.
function(torchvet_room name)
  cmake_parse_arguments(ROOM "" "DIRECTORY" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  if(NOT ROOM_DIRECTORY)
    set(ROOM_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  endif()
  set(door "${PROJECT_BINARY_DIR}/rooms/${name}")
  file(MAKE_DIRECTORY "${door}")
  file(CREATE_LINK "${ROOM_DIRECTORY}" "${door}/${name}" SYMBOLIC)

  set(target "torchvet_${name}")
  if(ROOM_SOURCES)
    add_library(${target} STATIC ${ROOM_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE torchvet_flags)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} "${door}")
  foreach(room IN LISTS ROOM_DEPENDS)
    target_link_libraries(${target} ${scope} torchvet_${room})
  endforeach()
  target_link_libraries(${target} ${scope} ${ROOM_LIBRARIES})
endfunction()
