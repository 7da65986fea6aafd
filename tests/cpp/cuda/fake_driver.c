/* Stands for NVIDIA's driver on a machine with two GPUs. */
#include <stddef.h>
#include <stdio.h>

int cuInit(unsigned flags) {
  return flags == 0 ? 0 : 1;
}
int cuDriverGetVersion(int* version) {
  return *version = 13000, 0;
}
int cuDeviceGetCount(int* count) {
  return *count = 2, 0;
}
int cuDeviceGet(int* device, int index) {
  return *device = index, 0;
}
int cuDeviceGetName(char* name, int bytes, int device) {
  return snprintf(name, (size_t)bytes, "Fake GPU %d", device), 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  if (attribute == 75) return *value = device == 0 ? 9 : 6, 0;
  if (attribute == 76) return *value = device == 0 ? 0 : 1, 0;
  return 1;
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  return *bytes = (size_t)(device + 1) << 30, 0;
}
int cuGetErrorString(int code, const char** text) {
  (void)code;
  return *text = "fake error", 0;
}
