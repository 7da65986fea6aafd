#include "core/json.h"

#include <charconv>
#include <cmath>

#include "pyengine/error.h"

namespace pyengine {

class JsonParser {
 public:
  JsonParser(const char* text, size_t size, std::string what)
      : p_(text), begin_(text), end_(text + size), what_(std::move(what)) {}

  Json Document() {
    CheckUtf8();
    Json value = Value(what_, 0);
    Space();
    if (p_ != end_) Fail("text after the end of the document");
    return value;
  }

 private:
  static constexpr int kMaxDepth = 64;

  [[noreturn]] void Fail(const std::string& problem) const {
    throw Error(ErrorCode::kBadEngineFile,
                what_ + ": not valid JSON at byte " + std::to_string(p_ - begin_) + ": " + problem);
  }
  // Keys and values end up in error messages and in Python strings.
  void CheckUtf8() {
    for (const char* at = begin_; at != end_;) {
      const auto lead = static_cast<unsigned char>(*at);
      const int length = lead < 0x80       ? 1
                         : lead >> 5 == 6  ? 2
                         : lead >> 4 == 14 ? 3
                         : lead >> 3 == 30 ? 4
                                           : 0;
      bool valid = length > 0 && end_ - at >= length;
      uint32_t code = length > 1 ? lead & (0x7F >> length) : lead;
      for (int i = 1; valid && i < length; ++i) {
        valid = (static_cast<unsigned char>(at[i]) & 0xC0) == 0x80;
        code = code << 6 | (static_cast<unsigned char>(at[i]) & 0x3F);
      }
      static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
      valid =
          valid && code >= kLeast[length] && code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
      if (!valid) {
        p_ = at;
        Fail("not UTF-8");
      }
      at += length;
    }
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

  Json Value(const std::string& path, int depth) {
    if (depth > kMaxDepth) Fail("nested deeper than 64");
    Space();
    if (p_ == end_) Fail("unexpected end");
    Json v;
    v.path_ = path;
    switch (*p_) {
      case '{':
        Object(v, depth);
        break;
      case '[':
        Array(v, depth);
        break;
      case '"':
        v.type_ = Json::Type::kString;
        v.string_ = Text();
        break;
      case 't':
        Literal("true");
        v.type_ = Json::Type::kBool;
        v.bool_ = true;
        break;
      case 'f':
        Literal("false");
        v.type_ = Json::Type::kBool;
        break;
      case 'n':
        Literal("null");
        break;
      default:
        v.type_ = Json::Type::kNumber;
        v.number_ = Double();
    }
    return v;
  }

  void Object(Json& v, int depth) {
    v.type_ = Json::Type::kObject;
    Expect('{');
    if (Take('}')) return;
    do {
      Space();
      if (p_ == end_ || *p_ != '"') Fail("expected a key");
      std::string key = Text();
      Expect(':');
      std::string path = v.path_ + "." + key;
      if (!v.members_.emplace(std::move(key), Value(path, depth + 1)).second)
        Fail("duplicate key " + path);
    } while (Take(','));
    Expect('}');
  }

  void Array(Json& v, int depth) {
    v.type_ = Json::Type::kArray;
    Expect('[');
    if (Take(']')) return;
    do {
      v.items_.push_back(Value(v.path_ + "[" + std::to_string(v.items_.size()) + "]", depth + 1));
    } while (Take(','));
    Expect(']');
  }

  double Double() {
    const char* start = p_;
    while (p_ != end_ && (std::isdigit(static_cast<unsigned char>(*p_)) || *p_ == '-' ||
                          *p_ == '+' || *p_ == '.' || *p_ == 'e' || *p_ == 'E'))
      ++p_;
    double value = 0;
    const auto result = std::from_chars(start, p_, value);
    if (start == p_ || result.ec != std::errc() || result.ptr != p_ || !std::isfinite(value)) {
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

  static void AppendUtf8(std::string& s, unsigned c) {
    if (c < 0x80) {
      s += static_cast<char>(c);
    } else if (c < 0x800) {
      s += static_cast<char>(0xC0 | (c >> 6));
      s += static_cast<char>(0x80 | (c & 63));
    } else if (c < 0x10000) {
      s += static_cast<char>(0xE0 | (c >> 12));
      s += static_cast<char>(0x80 | ((c >> 6) & 63));
      s += static_cast<char>(0x80 | (c & 63));
    } else {
      s += static_cast<char>(0xF0 | (c >> 18));
      s += static_cast<char>(0x80 | ((c >> 12) & 63));
      s += static_cast<char>(0x80 | ((c >> 6) & 63));
      s += static_cast<char>(0x80 | (c & 63));
    }
  }

  std::string Text() {
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
      switch (*p_++) {
        case '"':
          s += '"';
          break;
        case '\\':
          s += '\\';
          break;
        case '/':
          s += '/';
          break;
        case 'b':
          s += '\b';
          break;
        case 'f':
          s += '\f';
          break;
        case 'n':
          s += '\n';
          break;
        case 'r':
          s += '\r';
          break;
        case 't':
          s += '\t';
          break;
        case 'u': {
          unsigned code = Hex4();
          if (code >= 0xD800 && code < 0xDC00) {
            if (end_ - p_ < 2 || p_[0] != '\\' || p_[1] != 'u') Fail("lone surrogate");
            p_ += 2;
            const unsigned low = Hex4();
            if (low < 0xDC00 || low > 0xDFFF) Fail("lone surrogate");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
          } else if (code >= 0xDC00 && code < 0xE000) {
            Fail("lone surrogate");
          }
          AppendUtf8(s, code);
          break;
        }
        default:
          Fail("unknown escape");
      }
    }
  }

  const char* p_;
  const char* begin_;
  const char* end_;
  std::string what_;
};

Json Json::Parse(const char* text, size_t size, const std::string& what) {
  return JsonParser(text, size, what).Document();
}

void Json::Fail(const std::string& problem) const {
  throw Error(ErrorCode::kBadEngineFile, path_ + ": " + problem);
}

bool Json::Has(const std::string& key) const {
  return type_ == Type::kObject && members_.count(key) > 0;
}

const Json& Json::At(const std::string& key) const {
  if (type_ != Type::kObject) Fail("must be an object");
  const auto found = members_.find(key);
  if (found == members_.end()) Fail("field '" + key + "' is missing");
  return found->second;
}

const std::vector<Json>& Json::Items() const {
  if (type_ != Type::kArray) Fail("must be an array");
  return items_;
}

const std::map<std::string, Json>& Json::Members() const {
  if (type_ != Type::kObject) Fail("must be an object");
  return members_;
}

const std::string& Json::String() const {
  if (type_ != Type::kString) Fail("must be a string");
  return string_;
}

double Json::Number() const {
  if (type_ != Type::kNumber) Fail("must be a number");
  return number_;
}

bool Json::Bool() const {
  if (type_ != Type::kBool) Fail("must be true or false");
  return bool_;
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
