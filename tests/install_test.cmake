# Installs the build, moves the prefix, and builds and runs the program of README.md against it, as a user would.
# BUILD, SOURCE: ours; WORK: a folder of its own; CXX, LAUNCHER, SANITIZE: how ours was compiled.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# The text between the two marker lines, without the fence of the code block.
function(extract_program readme program)
  file(READ ${readme} text)
  string(REGEX MATCH "<!-- program: begin -->\n+```cpp\n(.*)```\n+<!-- program: end -->" found "${text}")
  if(NOT found)
    message(FATAL_ERROR "${readme} has no C++ block between '<!-- program: begin -->' and '<!-- program: end -->'")
  endif()
  file(WRITE ${program} "${CMAKE_MATCH_1}")
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/moved)

# Nothing that is installed may lead back to where it was built.
file(GLOB_RECURSE package_files ${WORK}/moved/*.cmake)
if(NOT package_files)
  message(FATAL_ERROR "the installation has no CMake package")
endif()
foreach(file IN LISTS package_files)
  file(READ ${file} text)
  foreach(origin ${SOURCE} ${BUILD} ${WORK}/first)
    string(FIND "${text}" "${origin}" at)
    if(NOT at EQUAL -1)
      message(FATAL_ERROR "${file} names ${origin}")
    endif()
  endforeach()
endforeach()

extract_program(${SOURCE}/README.md ${WORK}/consumer/main.cpp)
file(COPY ${SOURCE}/tests/consumer/CMakeLists.txt DESTINATION ${WORK}/consumer)

set(flags "-Wall -Wextra")
if(SANITIZE)
  string(APPEND flags " -fsanitize=${SANITIZE}")
endif()
run(${CMAKE_COMMAND} -S ${WORK}/consumer -B ${WORK}/consumer-build -G Ninja -DCMAKE_PREFIX_PATH=${WORK}/moved
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -DCMAKE_CXX_FLAGS=${flags}
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
run(${CMAKE_COMMAND} --build ${WORK}/consumer-build)
run(${WORK}/consumer-build/consumer)

# What README.md says that it prints.
file(READ ${SOURCE}/README.md text)
string(REGEX MATCH "<!-- output: begin -->\n+```text\n(.*)```\n+<!-- output: end -->" found "${text}")
if(NOT found OR NOT output STREQUAL CMAKE_MATCH_1)
  message(FATAL_ERROR "the program of README.md printed\n${output}\nand README.md says\n${CMAKE_MATCH_1}")
endif()
