#include "cpu/isa.h"

#include <cstdlib>

#include "cpu/processor.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// Why `accuracy` forbids a table; empty: it does not.
const char* WhyNot(const ProcessorKernels& kernels, Accuracy accuracy) {
  if (kernels.rounds_more && accuracy != Accuracy::kFast)
    return R"( rounds more than float32: it needs accuracy "fast")";
  if (kernels.other_bits && accuracy == Accuracy::kReproducible)
    return R"( gives other bits than the others, which accuracy "reproducible" rules out)";
  return "";
}

bool Usable(const ProcessorKernels& kernels, Accuracy accuracy) {
  return kernels.present && *WhyNot(kernels, accuracy) == '\0' &&
         (!kernels.acquire || kernels.acquire());
}

// Best first. The portable one is always usable: nothing after it is chosen unless by name.
const std::vector<ProcessorKernels>& Tables() {
  static const std::vector<ProcessorKernels> tables = [] {
    std::vector<ProcessorKernels> list = ListProcessorKernels();
    list.push_back({.table = &kPortableKernels, .present = true, .other_bits = true});
    list.push_back({.table = &kFusedKernels, .present = true});
    list.push_back({.table = &kReferenceKernels, .present = true, .other_bits = true});
    return list;
  }();
  return tables;
}

}  // namespace

std::vector<std::string> UsableIsas(Accuracy accuracy) {
  std::vector<std::string> names;
  for (const ProcessorKernels& entry : Tables())
    if (Usable(entry, accuracy)) names.emplace_back(entry.table->isa);
  return names;
}

const KernelTable& SelectKernels(const std::string& isa, Accuracy accuracy) {
  std::string wanted = isa;
  if (wanted.empty())
    if (const char* forced = std::getenv("PYENGINE_ISA")) wanted = forced;
  std::string known;
  for (const ProcessorKernels& entry : Tables()) {
    if (wanted.empty() && Usable(entry, accuracy)) return *entry.table;
    if (wanted == entry.table->isa) {
      if (const char* why = WhyNot(entry, accuracy); *why != '\0')
        throw Error(ErrorCode::kUnsupported, ("instruction set '" + wanted + "'").append(why));
      if (Usable(entry, accuracy)) return *entry.table;
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
