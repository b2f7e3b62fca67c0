# Writes a C++ file with the texts of other files, each as what a function returns. Called while
# building; see TorchvetEmbed.cmake:
#
#   cmake "-DTEXTS=function=file,file|function=file" -DFOLDER=of-the-files -DHEADER=room/name.h
#         -DOUT=file -P EmbedText.cmake
#
# Files are joined in the order given. A raw string of C++ takes everything but its own end.
string(REPLACE "|" ";" TEXTS "${TEXTS}")
set(functions "")
foreach(text IN LISTS TEXTS)
  string(REGEX MATCH "^([^=]+)=(.*)$" matched "${text}")
  set(function "${CMAKE_MATCH_1}")
  string(REPLACE "," ";" paths "${CMAKE_MATCH_2}")
  set(content "")
  foreach(path IN LISTS paths)
    file(READ "${FOLDER}/${path}" part)
    string(APPEND content "${part}")
  endforeach()
  string(FIND "${content}" ")asset\"" end)
  if(NOT end EQUAL -1)
    message(FATAL_ERROR "one of ${paths} holds the end of a C++ string: )asset\"")
  endif()
  string(APPEND functions "
std::string_view ${function}() {
  return R\"asset(${content})asset\";
}
")
endforeach()
file(WRITE "${OUT}" "// Made by cmake/EmbedText.cmake.
#include \"${HEADER}\"

namespace torchvet {
${functions}
}  // namespace torchvet
")
