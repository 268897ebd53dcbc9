# Passed as CMAKE_PROJECT_INCLUDE where ROS 2 comes from wheels. Their CMake files name the Python
# include directory of the machine they were built on, and CMake refuses a target whose include
# directory does not exist. This drops those entries from the imported targets, after all
# find_package calls and before generation; the wheels themselves stay untouched.

function(amf_drop_missing_includes)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(directories)
      list(FILTER directories EXCLUDE REGEX "^/opt/python/")
      set_property(TARGET ${target} PROPERTY INTERFACE_INCLUDE_DIRECTORIES "${directories}")
    endif()
  endforeach()
endfunction()

cmake_language(DEFER CALL amf_drop_missing_includes)
