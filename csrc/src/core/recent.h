// The values used last, by key: few enough to be searched in the order of their last use.
#pragma once

#include <cstddef>
#include <list>
#include <utility>

namespace pyengine {

// Not synchronised: where threads share one, they hold a lock around each call.
template <typename Key, typename Value>
class Recent {
 public:
  // Keeps at most `capacity` values and gives up the one that was not used for longest.
  explicit Recent(size_t capacity) : capacity_(capacity) {}

  // The value of `key`, or null. Neither allocates nor moves it; valid until the next Add.
  Value* Find(const Key& key) {
    for (auto it = entries_.begin(); it != entries_.end(); ++it)
      if (it->first == key) {
        entries_.splice(entries_.begin(), entries_, it);
        return &it->second;
      }
    return nullptr;
  }

  void Add(Key key, Value value) {
    entries_.emplace_front(std::move(key), std::move(value));
    if (entries_.size() > capacity_) entries_.pop_back();
  }

 private:
  size_t capacity_;
  std::list<std::pair<Key, Value>> entries_;  // last used first
};

}  // namespace pyengine
