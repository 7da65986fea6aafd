// What an engine file holds besides weights: the source network, plans of other back ends.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

namespace pyengine {

// Names, and the bytes of those that were asked for when the file was read.
class Attachments {
 public:
  void Add(const std::string& name) { names_.insert(name); }
  void Add(const std::string& name, std::string bytes) {
    names_.insert(name);
    bytes_[name] = std::move(bytes);
  }

  bool Has(const std::string& name) const { return names_.count(name) > 0; }
  // Throws Error(kInternal) if the bytes were not read.
  const std::string& Bytes(const std::string& name) const;

 private:
  std::set<std::string> names_;
  std::map<std::string, std::string> bytes_;
};

}  // namespace pyengine
