#include "core/json.h"

#include <cctype>
#include <cmath>
#include <string_view>
#include <utility>

#include "core/parse_double.h"
#include "core/utf8.h"
#include "pyengine/error.h"

namespace pyengine {

struct Json::Container {
  const Container* outer = nullptr;
  std::unique_ptr<std::string> name;  // of the document, where there is no outer one
  std::vector<Json> items;
  std::map<std::string, Json> members;

  // How the path goes on from here to the value that `is_it` knows; empty: it is not in here.
  template <class F>
  std::string StepTo(F&& is_it) const {
    for (size_t i = 0; i < items.size(); ++i)
      if (is_it(items[i])) return std::string("[").append(std::to_string(i)).append("]");
    for (const auto& [key, value] : members)
      if (is_it(value)) return std::string(".").append(key);
    return "";
  }
  std::string Path() const {
    if (outer == nullptr) return *name;
    return outer->Path() + outer->StepTo([&](const Json& v) { return v.Contents() == this; });
  }
};

class JsonParser {
 public:
  JsonParser(const char* text, size_t size, std::string what)
      : p_(text), begin_(text), end_(text + size), what_(std::move(what)) {}

  Json Document() {
    CheckUtf8();
    Space();
    if (p_ == end_ || (*p_ != '{' && *p_ != '[')) Fail("expected an object or an array");
    Json document = Value(nullptr, 0);
    document.Contents()->name = std::make_unique<std::string>(what_);
    Space();
    if (p_ != end_) Fail("text after the end of the document");
    return document;
  }

 private:
  using Type = Json::Type;
  using Container = Json::Container;

  [[noreturn]] void Fail(const std::string& problem) const {
    throw Error(ErrorCode::kBadEngineFile,
                what_ + ": not valid JSON at byte " + std::to_string(p_ - begin_) + ": " + problem);
  }
  // Keys and values end up in error messages and in Python strings.
  void CheckUtf8() {
    const char* invalid = FindInvalidUtf8(p_, end_);
    if (invalid == end_) return;
    p_ = invalid;
    Fail("not UTF-8");
  }
  void Space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\t' || *p_ == '\n' || *p_ == '\r')) ++p_;
  }
  bool Take(char c) {
    Space();
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    return true;
  }
  void Expect(char c) {
    if (!Take(c)) Fail(std::string("expected '") + c + "'");
  }
  void Literal(const char* word) {
    for (; *word; ++word, ++p_)
      if (p_ == end_ || *p_ != *word) Fail("unknown word");
  }

  Json Value(const Container* in, int depth) {
    if (depth > Json::kMaxDepth) Fail("nested deeper than 64");
    if (++values_ > Json::kMaxValues) Fail("more than 4194304 values");
    Space();
    if (p_ == end_) Fail("unexpected end");
    Json v;
    v.in_ = in;
    switch (*p_) {
      case '{':
        Object(v.Fill<Type::kObject>(std::make_unique<Container>()), in, depth);
        break;
      case '[':
        Array(v.Fill<Type::kArray>(std::make_unique<Container>()), in, depth);
        break;
      case '"':
        v.Fill<Type::kString>(std::make_unique<std::string>(Text()));
        break;
      case 't':
        Literal("true");
        v.Fill<Type::kBool>(true);
        break;
      case 'f':
        Literal("false");
        v.Fill<Type::kBool>(false);
        break;
      case 'n':
        Literal("null");
        break;
      default:
        v.Fill<Type::kNumber>(Double());
    }
    return v;
  }

  void Object(Container& c, const Container* outer, int depth) {
    c.outer = outer;
    Expect('{');
    if (Take('}')) return;
    do {
      Space();
      if (p_ == end_ || *p_ != '"') Fail("expected a key");
      const auto [member, added] = c.members.try_emplace(Text());
      if (!added) Fail("duplicate key '" + member->first + "'");
      Expect(':');
      member->second = Value(&c, depth + 1);
    } while (Take(','));
    Expect('}');
  }

  void Array(Container& c, const Container* outer, int depth) {
    c.outer = outer;
    Expect('[');
    if (Take(']')) return;
    do {
      c.items.push_back(Value(&c, depth + 1));
    } while (Take(','));
    Expect(']');
    c.items.shrink_to_fit();
  }

  bool At(char c) const { return p_ != end_ && *p_ == c; }
  bool Digits() {
    const char* start = p_;
    while (p_ != end_ && std::isdigit(static_cast<unsigned char>(*p_))) ++p_;
    return p_ != start;
  }
  // As JSON writes numbers: no leading zero, no leading plus, digits on both sides of a point.
  bool Number() {
    if (At('-')) ++p_;
    if (At('0'))
      ++p_;
    else if (!Digits())
      return false;
    if (At('.') && (++p_, !Digits())) return false;
    if (!At('e') && !At('E')) return true;
    ++p_;
    if (At('+') || At('-')) ++p_;
    return Digits();
  }
  double Double() {
    const char* start = p_;
    double value = 0;
    const bool well_formed = Number();
    const bool goes_on = p_ != end_ && (std::isalnum(static_cast<unsigned char>(*p_)) || At('.') ||
                                        At('+') || At('-'));
    if (!well_formed || goes_on || !ParseDouble({start, p_}, value)) {
      p_ = start;
      Fail("expected a value");
    }
    return value;
  }

  unsigned Hex4() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i, ++p_) {
      if (p_ == end_) Fail("unexpected end in a string");
      const char c = *p_;
      unsigned digit = 0;
      if (c >= '0' && c <= '9')
        digit = c - '0';
      else if (c >= 'a' && c <= 'f')
        digit = c - 'a' + 10;
      else if (c >= 'A' && c <= 'F')
        digit = c - 'A' + 10;
      else
        Fail("bad \\u escape");
      code = code * 16 + digit;
    }
    return code;
  }

  // After "\\u".
  unsigned Escaped() {
    const unsigned code = Hex4();
    if (code < 0xD800 || code >= 0xE000) return code;
    if (code >= 0xDC00 || end_ - p_ < 2 || p_[0] != '\\' || p_[1] != 'u') Fail("lone surrogate");
    p_ += 2;
    const unsigned low = Hex4();
    if (low < 0xDC00 || low > 0xDFFF) Fail("lone surrogate");
    return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }

  std::string Text() {
    static constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    std::string s;
    ++p_;  // opening quote
    for (;;) {
      if (p_ == end_) Fail("unexpected end in a string");
      const char c = *p_++;
      if (c == '"') return s;
      if (static_cast<unsigned char>(c) < 0x20) Fail("control character in a string");
      if (c != '\\') {
        s += c;
        continue;
      }
      if (p_ == end_) Fail("unexpected end in a string");
      const char escape = *p_++;
      const size_t known = kEscapes.find(escape);
      if (known != std::string_view::npos)
        s += kMeanings[known];
      else if (escape == 'u')
        AppendUtf8(s, Escaped());
      else
        Fail("unknown escape");
    }
  }

  const char* p_;
  const char* begin_;
  const char* end_;
  std::string what_;
  size_t values_ = 0;
};

Json::Json() = default;
Json::~Json() = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(Json&&) noexcept = default;

Json Json::Parse(const char* text, size_t size, const std::string& what) {
  return JsonParser(text, size, what).Document();
}

Json::Container* Json::Contents() const noexcept {
  if (type() == Type::kObject) return Get<Type::kObject>().get();
  if (type() == Type::kArray) return Get<Type::kArray>().get();
  return nullptr;
}

std::string Json::Path() const {
  if (in_ == nullptr) return Contents() != nullptr ? Contents()->Path() : "JSON";
  return in_->Path() + in_->StepTo([&](const Json& v) { return &v == this; });
}

void Json::Fail(const std::string& problem) const {
  throw Error(ErrorCode::kBadEngineFile, Path() + ": " + problem);
}

bool Json::Has(const std::string& key) const {
  return type() == Type::kObject && Contents()->members.count(key) > 0;
}

const Json& Json::At(const std::string& key) const {
  const auto& members = Members();
  const auto found = members.find(key);
  if (found == members.end()) Fail("field '" + key + "' is missing");
  return found->second;
}

const std::vector<Json>& Json::Items() const {
  if (type() != Type::kArray) Fail("must be an array");
  return Contents()->items;
}

const std::map<std::string, Json>& Json::Members() const {
  if (type() != Type::kObject) Fail("must be an object");
  return Contents()->members;
}

const std::string& Json::String() const {
  if (type() != Type::kString) Fail("must be a string");
  return *Get<Type::kString>();
}

double Json::Number() const {
  if (type() != Type::kNumber) Fail("must be a number");
  return Get<Type::kNumber>();
}

bool Json::Bool() const {
  if (type() != Type::kBool) Fail("must be true or false");
  return Get<Type::kBool>();
}

int64_t Json::Int(int64_t min, int64_t max) const {
  const double value = Number();
  if (value != std::floor(value) || value < static_cast<double>(min) ||
      value > static_cast<double>(max))
    Fail("must be an integer from " + std::to_string(min) + " to " + std::to_string(max) +
         ", got " + std::to_string(value));
  return static_cast<int64_t>(value);
}

}  // namespace pyengine
