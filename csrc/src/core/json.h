// A strict reader for the JSON inside engine files, safe on hostile input.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace pyengine {

// One JSON value. Accessors throw Error(kBadEngineFile) that names the path from the root.
//
// A document takes at most kBytesPerByte bytes of memory for each byte of its text: values do not
// know their path, but find it where an error needs it.
class Json {
 public:
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };

  static constexpr size_t kBytesPerByte = 64;
  static constexpr size_t kMaxValues = size_t(1) << 22;
  static constexpr int kMaxDepth = 64;

  // `what` names the text in error messages. The text is an object or an array of at most
  // kMaxValues values, nested at most kMaxDepth deep, without duplicate keys.
  static Json Parse(const char* text, size_t size, const std::string& what);
  static Json Parse(const std::string& text, const std::string& what) {
    return Parse(text.data(), text.size(), what);
  }

  Json();
  ~Json();
  Json(Json&&) noexcept;
  Json& operator=(Json&&) noexcept;

  Type type() const noexcept { return static_cast<Type>(value_.index()); }
  bool Has(const std::string& key) const;
  const Json& At(const std::string& key) const;        // object member; throws if missing
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
  // What an array or object holds; it stays where it is while values move.
  struct Container;

  template <Type kType>
  const auto& Get() const {
    return *std::get_if<static_cast<size_t>(kType)>(&value_);
  }
  // Sets type and value, and returns what a pointer points to.
  template <Type kType, class T>
  auto& Fill(T value) {
    auto& held = value_.template emplace<static_cast<size_t>(kType)>(std::move(value));
    if constexpr (kType >= Type::kString)
      return *held;
    else
      return held;
  }
  Container* Contents() const noexcept;  // of an array or object, else null
  std::string Path() const;

  // In the order of Type. Pointers to what is larger than a number, since most values are numbers.
  std::variant<std::monostate, bool, double, std::unique_ptr<std::string>,
               std::unique_ptr<Container>, std::unique_ptr<Container>>
      value_;
  const Container* in_ = nullptr;  // null: this is the document
};

}  // namespace pyengine
