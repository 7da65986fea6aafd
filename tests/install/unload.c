/* Opens the library at run time, uses it, and sees it go. Usage: unload LIBRARY ENGINE */
#include <dlfcn.h>
#include <stdio.h>

#include "pyengine/c_api.h"

int main(int argc, char** argv) {
  void* library;
  pye_engine* engine = NULL;
  pye_stream* stream = NULL;
  pye_stream_options options;
  pye_status (*open_engine)(const char*, const pye_engine_options*, pye_engine**);
  pye_status (*close_engine)(pye_engine*);
  void (*init)(pye_stream_options*, size_t);
  pye_status (*open_stream)(const pye_engine*, const pye_stream_options*, pye_stream**);
  pye_status (*close_stream)(pye_stream*, int32_t);
  if (argc != 3 || !(library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL))) return 2;
  *(void**)&open_engine = dlsym(library, "pye_engine_open");
  *(void**)&close_engine = dlsym(library, "pye_engine_close");
  *(void**)&init = dlsym(library, "pye_stream_options_init");
  *(void**)&open_stream = dlsym(library, "pye_stream_open");
  *(void**)&close_stream = dlsym(library, "pye_stream_close");
  init(&options, sizeof options);
  options.height = options.width = 32;
  if (open_engine(argv[2], NULL, &engine) || open_stream(engine, &options, &stream) ||
      close_stream(stream, PYE_DRAIN) || close_engine(engine))
    return 3;
  dlclose(library);
  if (dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD)) {
    fprintf(stderr, "%s is still loaded after dlclose()\n", argv[1]);
    return 1;
  }
  puts("unload: the library went");
  return 0;
}
