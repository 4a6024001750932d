# trv_module(NAME [DEPS ...] [TEST_DEPS ...]): a static library trv_NAME of all .cc files below the
# calling folder, and one test program NAME_test of all *_test.cc files there.
function(trv_module name)
  cmake_parse_arguments(arg "" "" "DEPS;TEST_DEPS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  if(sources)
    add_library(trv_${name} STATIC ${sources})
    set(visibility PUBLIC)
    # No globals with constructors (tools/check/statics.py finds most; Clang knows all).
    target_compile_options(trv_${name} PRIVATE
                           $<$<CXX_COMPILER_ID:Clang>:-Wglobal-constructors>)
    if(TRV_MUTANTS)
      trv_plant_mutants(${sources})
    endif()
  else()
    add_library(trv_${name} INTERFACE)
    set(visibility INTERFACE)
  endif()
  target_include_directories(trv_${name} ${visibility} ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(trv_${name} ${visibility} ${arg_DEPS})
  if(TRV_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE trv_${name} ${arg_TEST_DEPS} GTest::gtest
                                               GTest::gmock GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endif()
endfunction()

# trv_plant_mutants(SOURCES...): compiles those that name a mutant (src/base/mutant.h) with TRV_MUTANTS.
# All others are the same in a release build, where ccache finds them.
function(trv_plant_mutants)
  foreach(source ${ARGN})
    file(STRINGS ${source} planted REGEX "TRV_MUTANT" LIMIT_COUNT 1)
    if(planted)
      set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS TRV_MUTANTS)
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  endforeach()
endfunction()

# trv_programs(SUFFIX [LIBRARIES...]): a program for each *_SUFFIX.cc in the calling folder, linked with
# the libraries and with trv_MODULE for each module whose headers it includes.
function(trv_programs suffix)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_${suffix}.cc)
  foreach(source ${sources})
    get_filename_component(program ${source} NAME_WE)
    add_executable(${program} ${source})
    set_target_properties(${program} PROPERTIES
                          RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${suffix})
    target_link_libraries(${program} PRIVATE ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(STRINGS ${source} includes REGEX "^#include \"[a-z]+/")
    list(TRANSFORM includes REPLACE "^#include \"([a-z]+)/.*" "trv_\\1")
    list(REMOVE_DUPLICATES includes)
    target_link_libraries(${program} PRIVATE ${includes})
  endforeach()
endfunction()
