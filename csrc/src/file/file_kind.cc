#include "file/file_kind.h"

namespace pyengine {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  const char* kind;
};

constexpr Magic kMagics[] = {
    {"\x89PNG"sv, "a PNG image"},
    {"\xFF\xD8\xFF"sv, "a JPEG image"},
    {"GIF8"sv, "a GIF image"},
    {"BM"sv, "a BMP image"},
    {"II*\0"sv, "a TIFF image"},
    {"MM\0*"sv, "a TIFF image"},
    {"II+\0"sv, "a TIFF image"},
    {"MM\0+"sv, "a TIFF image"},
    {"PK\x03\x04"sv, "a zip archive, as PyTorch's checkpoints and .npz files are"},
    {"\x89HDF"sv, "an HDF5 file"},
    {"\x93NUMPY"sv, "a NumPy array"},
    {"\x1F\x8B"sv, "a gzip archive"},
    {"%PDF"sv, "a PDF document"},
    {"\x7F"
     "ELF"sv,
     "a program or library"},
    {"\x80\x02"sv, "a Python pickle, as old PyTorch checkpoints are"},
    {"\x80\x04"sv, "a Python pickle"},
    {"\x80\x05"sv, "a Python pickle"},
    {"version https://git-lfs"sv, "a Git LFS pointer; fetch the file itself with git lfs pull"},
    {"<"sv, "an HTML or XML document"},
    {"{"sv, "a JSON document"},
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
