// A strict reader for the JSON inside engine files, safe on hostile input.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pyengine {

// One JSON value. Accessors throw Error(kBadEngineFile) that names the path from the root.
class Json {
 public:
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };

  // `what` names the text in error messages. Depth is limited to 64, duplicate keys are refused.
  static Json Parse(const char* text, size_t size, const std::string& what);
  static Json Parse(const std::string& text, const std::string& what) {
    return Parse(text.data(), text.size(), what);
  }

  Type type() const noexcept { return type_; }
  bool Has(const std::string& key) const;
  const Json& At(const std::string& key) const;  // object member; throws if missing
  size_t size() const noexcept { return items_.size(); }
  const std::vector<Json>& Items() const;              // array
  const std::map<std::string, Json>& Members() const;  // object
  const std::string& String() const;
  double Number() const;
  bool Bool() const;
  int64_t Int(int64_t min, int64_t max) const;  // an exact integer within bounds
  // Throws Error(kBadEngineFile) "<path>: <problem>".
  [[noreturn]] void Fail(const std::string& problem) const;

 private:
  friend class JsonParser;
  Type type_ = Type::kNull;
  bool bool_ = false;
  double number_ = 0;
  std::string string_;
  std::vector<Json> items_;
  std::map<std::string, Json> members_;
  std::string path_;
};

}  // namespace pyengine
