// Networks that are kept as ONNX have no steps here.
#include "cpu/lowering.h"
#include "pyengine/error.h"

namespace pyengine {

void LowerOnnx(Lowering& lowering, int index) {
  throw Error(
      ErrorCode::kUnsupported,
      "this file keeps its network as ONNX, since the CPU engine does not run it: " +
          lowering.node(index).name +
          ". In Python, Engine() runs it with onnxruntime "
          "(pip install \"pyengine[onnxruntime]\"); in C++, Engine::Open takes an executor; "
          "in C, only networks that the CPU engine runs can be opened");
}

}  // namespace pyengine
