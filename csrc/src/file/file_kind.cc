#include "file/file_kind.h"

namespace pyengine {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  const char* kind;
};

constexpr Magic kMagics[] = {
    {.bytes = "\x89PNG"sv, .kind = "a PNG image"},
    {.bytes = "\xFF\xD8\xFF"sv, .kind = "a JPEG image"},
    {.bytes = "GIF8"sv, .kind = "a GIF image"},
    {.bytes = "BM"sv, .kind = "a BMP image"},
    {.bytes = "II*\0"sv, .kind = "a TIFF image"},
    {.bytes = "MM\0*"sv, .kind = "a TIFF image"},
    {.bytes = "II+\0"sv, .kind = "a TIFF image"},
    {.bytes = "MM\0+"sv, .kind = "a TIFF image"},
    {.bytes = "PK\x03\x04"sv, .kind = "a zip archive, as PyTorch's checkpoints and .npz files are"},
    {.bytes = "\x89HDF"sv, .kind = "an HDF5 file"},
    {.bytes = "\x93NUMPY"sv, .kind = "a NumPy array"},
    {.bytes = "\x1F\x8B"sv, .kind = "a gzip archive"},
    {.bytes = "%PDF"sv, .kind = "a PDF document"},
    {.bytes = "\x7F"
              "ELF"sv,
     .kind = "a program or library"},
    {.bytes = "\x80\x02"sv, .kind = "a Python pickle, as old PyTorch checkpoints are"},
    {.bytes = "\x80\x04"sv, .kind = "a Python pickle"},
    {.bytes = "\x80\x05"sv, .kind = "a Python pickle"},
    {.bytes = "version https://git-lfs"sv,
     .kind = "a Git LFS pointer; fetch the file itself with git lfs pull"},
    {.bytes = "<"sv, .kind = "an HTML or XML document"},
    {.bytes = "{"sv, .kind = "a JSON document"},
};

// ONNX: a protobuf message whose first field is a small version number, followed by the producer's
// name, a graph or opsets.
bool IsOnnx(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 0x20 &&
         (bytes[2] == 0x12 || bytes[2] == 0x3A || bytes[2] == 0x42);
}

}  // namespace

std::string FileKind(std::string_view first_bytes) {
  for (const Magic& magic : kMagics)
    if (first_bytes.starts_with(magic.bytes)) return magic.kind;
  return IsOnnx(first_bytes) ? "an ONNX network; pyengine build makes an engine of it" : "";
}

}  // namespace pyengine
