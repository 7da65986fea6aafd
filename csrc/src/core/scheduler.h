// Which of several calls computes, where they were asked to take turns.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace pyengine {

// One call at a time has the turn: that of the highest priority, among equals the one that waited
// longest. A call of higher priority gets it between two operations of the one that has it.
class Scheduler {
 public:
  Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Held by a call while it computes; waits for it, and is cancelled like it (cancellation.h). A
  // call within a call of the same thread is part of that. Null: no turns.
  class Turn {
   public:
    Turn(Scheduler* scheduler, int priority);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    friend class Scheduler;
    friend void OfferTurn();

    Scheduler* scheduler_;  // null: nothing to give back
    const int priority_;
    Turn* outer_;             // of this thread
    Turn* behind_ = nullptr;  // who came to wait next
  };

 private:
  friend void OfferTurn();

  void Take(Turn& turn);
  void GiveBack(const Turn& turn) noexcept;
  void Queue(Turn& turn) noexcept;
  void Unqueue(Turn& turn) noexcept;
  const Turn* Next() const noexcept;

  static constexpr int64_t kNobody = INT64_MIN;

  std::mutex mutex_;
  std::condition_variable next_;
  const Turn* holder_ = nullptr;
  Turn* waiting_ = nullptr;                // first come first
  std::atomic<int64_t> highest_{kNobody};  // priority among those that wait
};

// Between two operations of a call: lets one of higher priority go first. Cheap: reads a number.
void OfferTurn();

}  // namespace pyengine
