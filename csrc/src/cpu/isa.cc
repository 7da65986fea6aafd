#include "cpu/isa.h"

#include <cstdlib>

#include "cpu/processor.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

bool Usable(const ProcessorKernels& kernels, bool fast) {
  return kernels.present && (fast || !kernels.rounds_more) &&
         (!kernels.acquire || kernels.acquire());
}

// Best first. The portable one is always usable: nothing after it is chosen unless by name.
const std::vector<ProcessorKernels>& Tables() {
  static const std::vector<ProcessorKernels> tables = [] {
    std::vector<ProcessorKernels> list = ListProcessorKernels();
    list.push_back({.table = &kPortableKernels, .present = true});
    list.push_back({.table = &kReferenceKernels, .present = true});
    return list;
  }();
  return tables;
}

}  // namespace

std::vector<std::string> UsableIsas(bool fast) {
  std::vector<std::string> names;
  for (const ProcessorKernels& entry : Tables())
    if (Usable(entry, fast)) names.emplace_back(entry.table->isa);
  return names;
}

const KernelTable& SelectKernels(const std::string& isa, bool fast) {
  std::string wanted = isa;
  if (wanted.empty())
    if (const char* forced = std::getenv("PYENGINE_ISA")) wanted = forced;
  std::string known;
  for (const ProcessorKernels& entry : Tables()) {
    if (wanted.empty() && Usable(entry, fast)) return *entry.table;
    if (wanted == entry.table->isa) {
      if (entry.rounds_more && !fast)
        throw Error(ErrorCode::kUnsupported,
                    "instruction set '" + wanted +
                        "' rounds more than float32: it needs accuracy \"fast\"");
      if (Usable(entry, fast)) return *entry.table;
      throw Error(ErrorCode::kUnsupported, "instruction set '" + wanted +
                                               "' was asked for, but this CPU or operating "
                                               "system does not have it");
    }
    known += (known.empty() ? "" : ", ") + std::string(entry.table->isa);
  }
  throw Error(ErrorCode::kInvalidArgument,
              "unknown instruction set '" + wanted + "'; known: " + known);
}

}  // namespace pyengine
