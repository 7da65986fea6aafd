# PYENGINE_DATE_EPOCH: when the sources were made, for what needs a date. It is SOURCE_DATE_EPOCH,
# as https://reproducible-builds.org has it, or the date of the last commit.
set(PYENGINE_DATE_EPOCH "$ENV{SOURCE_DATE_EPOCH}")
if(NOT PYENGINE_DATE_EPOCH)
  execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} log -1 --format=%ct
    OUTPUT_VARIABLE PYENGINE_DATE_EPOCH ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
if(NOT PYENGINE_DATE_EPOCH)
  string(TIMESTAMP PYENGINE_DATE_EPOCH %s UTC)
endif()
