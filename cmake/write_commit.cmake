# Writes HEADER with the commit of SOURCE, "-dirty" behind it when files differ from it; keeps the file
# untouched when that is what it says already, so that nothing is compiled anew.
execute_process(COMMAND git --no-optional-locks -C "${SOURCE}" describe --always --dirty --abbrev=12 --exclude=*
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit "unknown")
endif()
set(text "#pragma once\n#define WDE_COMMIT \"${commit}\"\n")
set(found "")
if(EXISTS "${HEADER}")
  file(READ "${HEADER}" found)
endif()
if(NOT found STREQUAL text)
  file(WRITE "${HEADER}" "${text}")
endif()
