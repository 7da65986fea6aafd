/* Stands for a TensorRT library of the version that CMake gives. */
#include <stddef.h>
#include <stdint.h>

int32_t getInferLibMajorVersion(void) {
  return FAKE_MAJOR;
}
int32_t getInferLibMinorVersion(void) {
  return FAKE_MINOR;
}
int32_t getInferLibPatchVersion(void) {
  return 3;
}
void* createInferBuilder_INTERNAL(void* logger, int32_t version) {
  (void)logger, (void)version;
  return NULL;
}
void* createInferRuntime_INTERNAL(void* logger, int32_t version) {
  (void)logger, (void)version;
  return NULL;
}
