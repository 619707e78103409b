# Run when libmayfly has been installed: a program that is linked to it has to find it. In a folder that the system's
# loader looks through, its cache is made anew; of another one is said what to do. A package does that by itself.
if(DEFINED ENV{DESTDIR} AND NOT "$ENV{DESTDIR}" STREQUAL "")
  return()
endif()
set(folder ${CMAKE_INSTALL_PREFIX}/lib)
find_program(LDCONFIG ldconfig PATHS /sbin /usr/sbin)
if(NOT LDCONFIG)  # as on musl, whose loader has no cache
  return()
endif()
execute_process(COMMAND ${LDCONFIG} -v -N -X OUTPUT_VARIABLE searched ERROR_QUIET)
string(FIND "\n${searched}" "\n${folder}:" at)
if(at EQUAL -1)
  message(NOTICE "-- mayfly: the system looks for no libraries in ${folder}: run programs that are linked to libmayfly "
    "with LD_LIBRARY_PATH=${folder}, and pkg-config with PKG_CONFIG_PATH=${folder}/pkgconfig")
  return()
endif()
execute_process(COMMAND ${LDCONFIG} RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
if(NOT status EQUAL 0)
  message(NOTICE "-- mayfly: programs find libmayfly when `ldconfig` has been run as root")
endif()
