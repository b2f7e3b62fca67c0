# Writes the C++ file that holds the style sheet and the script of the HTML report. Called while
# building:
#
#   cmake -DSTYLE=file -DSCRIPTS=file,file,... -DOUT=file -P EmbedPage.cmake
#
# Scripts are joined in the order given. A raw string of C++ takes everything but its own end.
function(read_asset path out)
  file(READ "${path}" text)
  string(FIND "${text}" ")asset\"" end)
  if(NOT end EQUAL -1)
    message(FATAL_ERROR "${path} holds the end of a C++ string: )asset\"")
  endif()
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

read_asset("${STYLE}" style)
set(script "")
string(REPLACE "," ";" SCRIPTS "${SCRIPTS}")
foreach(path IN LISTS SCRIPTS)
  read_asset("${path}" text)
  string(APPEND script "${text}")
endforeach()
file(WRITE "${OUT}" "// Made from src/report/html/ by cmake/EmbedPage.cmake.
#include \"report/html_assets.h\"

namespace torchvet {

std::string_view page_style() {
  return R\"asset(${style})asset\";
}

std::string_view page_script() {
  return R\"asset(${script})asset\";
}

}  // namespace torchvet
")
