# Run by cpack before it packs: everything bears the date of the sources, not that of the build.
if(CPACK_SOURCE_DATE_EPOCH AND NOT CMAKE_HOST_WIN32)
  set(ENV{SOURCE_DATE_EPOCH} ${CPACK_SOURCE_DATE_EPOCH})
  execute_process(COMMAND_ERROR_IS_FATAL ANY
    COMMAND find ${CPACK_TEMPORARY_DIRECTORY} -exec touch -h -d @${CPACK_SOURCE_DATE_EPOCH} {} +)
endif()
