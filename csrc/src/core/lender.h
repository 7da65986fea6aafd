// Things that calls borrow while they run: as many exist as calls ran at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <mutex>
#include <utility>

namespace pyengine {

// Thread-safe. Lending allocates nothing once a thing lies idle: nodes move between lists. The
// lender outlives its leases.
template <class T>
class Lender {
  using Node = std::list<T>;  // of one

 public:
  // Keeps at most `most_idle` things that nobody uses, those used last.
  explicit Lender(size_t most_idle = SIZE_MAX) : most_idle_(most_idle) {}
  Lender(const Lender&) = delete;
  Lender& operator=(const Lender&) = delete;

  // A thing in use; gives it back when the lease ends, also by an exception.
  class Lease {
   public:
    Lease(Lease&& other) noexcept : lender_(other.lender_), node_(std::move(other.node_)) {}
    ~Lease() {
      if (!node_.empty()) lender_.TakeBack(node_);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Lease& operator=(Lease&&) = delete;

    T& operator*() { return node_.front(); }
    T* operator->() { return &node_.front(); }

   private:
    friend class Lender;
    Lease(Lender& lender, Node node) noexcept : lender_(lender), node_(std::move(node)) {}
    Lender& lender_;
    Node node_;
  };

  // The thing used last; where all are in use, one made of `arguments`.
  template <class... Arguments>
  Lease Borrow(Arguments&&... arguments) {
    return BorrowLike([](const T&) { return true; }, std::forward<Arguments>(arguments)...);
  }

  // Rather one that `fits`, else the one used last, else a new one.
  template <class Fits, class... Arguments>
  Lease BorrowLike(Fits&& fits, Arguments&&... arguments) {
    Node node;
    {
      const std::scoped_lock lock(mutex_);
      auto found = idle_.begin();
      while (found != idle_.end() && !fits(std::as_const(*found))) ++found;
      if (found == idle_.end()) found = idle_.begin();
      if (found != idle_.end()) node.splice(node.begin(), idle_, found);
    }
    if (node.empty()) node.emplace_back(std::forward<Arguments>(arguments)...);
    return Lease(*this, std::move(node));
  }

  // Ends those that nobody uses.
  void Trim() {
    Node idle;  // end after the lock does
    const std::scoped_lock lock(mutex_);
    idle.swap(idle_);
  }

  // Calls `visit` with those that nobody uses.
  template <class Visit>
  void VisitIdle(Visit&& visit) const {
    const std::scoped_lock lock(mutex_);
    for (const T& thing : idle_) visit(thing);
  }

 private:
  void TakeBack(Node& node) noexcept {
    Node evicted;  // ends after the lock does
    const std::scoped_lock lock(mutex_);
    idle_.splice(idle_.begin(), node);
    if (idle_.size() > most_idle_) evicted.splice(evicted.begin(), idle_, std::prev(idle_.end()));
  }

  const size_t most_idle_;
  mutable std::mutex mutex_;
  Node idle_;  // last used first
};

}  // namespace pyengine
