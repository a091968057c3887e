# The page of `redoubt serve` (web/): its npm packages, its bundle, and the bundle as C++ in the command. Everything is
# written below the build folder. Without Node.js, or when npm cannot get the packages, the rest is built and this says so.
set(REDOUBT_PAGE AUTO CACHE STRING "The page at /: AUTO (if Node.js and npm are there), ON (required), OFF")
set_property(CACHE REDOUBT_PAGE PROPERTY STRINGS AUTO ON OFF)
set(REDOUBT_HAS_PAGE FALSE)

# Says why there is no page; fails where one is required.
function(redoubt_without_page why)
  if(REDOUBT_PAGE STREQUAL "AUTO")
    message(WARNING "redoubt: building WITHOUT the page at / : ${why}")
  else()
    message(FATAL_ERROR "redoubt: REDOUBT_PAGE=${REDOUBT_PAGE}, but there can be no page: ${why}")
  endif()
endfunction()

function(redoubt_add_page target)
  find_program(REDOUBT_NODE NAMES node nodejs DOC "Node.js, which bundles the page")
  find_program(REDOUBT_NPM npm DOC "npm, which gets the page's packages")
  if(NOT REDOUBT_NODE OR NOT REDOUBT_NPM)
    redoubt_without_page("Node.js (18 or newer) and npm are not installed.")
    return()
  endif()
  execute_process(COMMAND ${REDOUBT_NODE} --version OUTPUT_VARIABLE node_version OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT node_version MATCHES "^v(1[89]|[2-9][0-9])\\.")
    redoubt_without_page("Node.js 18 or newer is needed; ${REDOUBT_NODE} is ${node_version}.")
    return()
  endif()

  set(web ${PROJECT_SOURCE_DIR}/web)
  set(work ${PROJECT_BINARY_DIR}/web)
  # As dependencies of the configuration, too: a changed lock file is installed again.
  foreach(file package.json package-lock.json .npmrc)
    configure_file(${web}/${file} ${work}/${file} COPYONLY)
  endforeach()
  file(SHA256 ${web}/package-lock.json wanted)
  string(APPEND wanted " ${node_version}")
  set(installed "")
  if(EXISTS ${work}/installed)
    file(READ ${work}/installed installed)
  endif()
  if(NOT installed STREQUAL wanted)
    message(STATUS "redoubt: npm ci for the page")
    # Few and short retries: a machine without a network is not to wait for minutes.
    execute_process(COMMAND ${REDOUBT_NPM} ci --include=dev --prefer-offline --no-progress --fetch-retries=1
                            --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=3000 --fetch-timeout=60000
                    WORKING_DIRECTORY ${work} TIMEOUT 300
                    RESULT_VARIABLE status OUTPUT_FILE ${work}/npm.log ERROR_FILE ${work}/npm.log)
    if(NOT status EQUAL 0)
      redoubt_without_page("`npm ci` could not get its packages (${status}); the reason is in ${work}/npm.log. The next configuration tries again.")
      return()
    endif()
    file(WRITE ${work}/installed "${wanted}")
  endif()

  file(GLOB sources CONFIGURE_DEPENDS ${web}/src/*)
  add_custom_command(OUTPUT ${work}/page_files.cpp
                     COMMAND ${REDOUBT_NODE} ${web}/build.mjs ${work} ${work}/page_files.cpp
                     DEPENDS ${sources} ${web}/build.mjs ${work}/installed
                     COMMENT "Bundling the page" VERBATIM)
  target_sources(${target} PRIVATE ${work}/page_files.cpp)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/admin/page.cpp PROPERTIES COMPILE_DEFINITIONS REDOUBT_HAS_PAGE)
  set(REDOUBT_HAS_PAGE TRUE PARENT_SCOPE)
endfunction()
