# torchvet_embed(OUT HEADER function=file,file...)
#
# Makes a source file of the current target's room with the texts of other files, each as what a
# function returns, and gives its path in the variable OUT. HEADER declares the functions. Files are
# relative to the current folder.
function(torchvet_embed out header)
  get_filename_component(name "${header}" NAME_WE)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  set(script "${PROJECT_SOURCE_DIR}/cmake/EmbedText.cmake")
  set(files "")
  foreach(text IN LISTS ARGN)
    string(REGEX REPLACE "^[^=]+=" "" paths "${text}")
    string(REPLACE "," ";" paths "${paths}")
    list(APPEND files ${paths})
  endforeach()
  list(JOIN ARGN "|" texts)
  add_custom_command(OUTPUT "${source}"
    COMMAND "${CMAKE_COMMAND}" "-DTEXTS=${texts}" "-DFOLDER=${CMAKE_CURRENT_SOURCE_DIR}"
            "-DHEADER=${header}" "-DOUT=${source}" -P "${script}"
    DEPENDS ${files} "${script}"
    VERBATIM)
  set(${out} "${source}" PARENT_SCOPE)
endfunction()
