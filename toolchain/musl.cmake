# CMake's tool chain file for static programs on musl: `toolchain/install` says where the compiler is, and makes it first
# if need be. Whoever has another Clang with libc++ for musl names it: -DMAYFLY_MUSL_TOOLCHAIN=FOLDER, with bin/clang,
# bin/clang++, bin/ar and bin/ranlib in it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(MAYFLY_MUSL ON)

# CMake reads this file again for each of its own trials.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MAYFLY_MUSL_TOOLCHAIN)
if(NOT MAYFLY_MUSL_TOOLCHAIN)
  execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/install
    OUTPUT_VARIABLE MAYFLY_MUSL_TOOLCHAIN OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "there is no tool chain for musl; the line above says why")
  endif()
endif()

set(CMAKE_C_COMPILER ${MAYFLY_MUSL_TOOLCHAIN}/bin/clang)
set(CMAKE_CXX_COMPILER ${MAYFLY_MUSL_TOOLCHAIN}/bin/clang++)
set(CMAKE_ASM_COMPILER ${MAYFLY_MUSL_TOOLCHAIN}/bin/clang)
set(CMAKE_AR ${MAYFLY_MUSL_TOOLCHAIN}/bin/ar CACHE FILEPATH "")
set(CMAKE_RANLIB ${MAYFLY_MUSL_TOOLCHAIN}/bin/ranlib CACHE FILEPATH "")
# This machine's libraries and headers are glibc's.
set(CMAKE_FIND_ROOT_PATH ${MAYFLY_MUSL_TOOLCHAIN}/sysroot)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
